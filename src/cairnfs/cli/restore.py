"""`cairn restore`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.moments import checked
from cairnfs.cli.options import Json, Profile, Url, Wait
from cairnfs.cli.output import number, path_fields, show, show_json, shown
from cairnfs.cli.seeing import remote


def command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file or directory.")],
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="MOMENT",
            help="When it was as it is to be: a commit (41), a time, so long ago (10m), or a snapshot.",
        ),
    ],
    json: Json = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make a file, or a directory with all below it, what it was.

    It takes one commit and sends nothing. What came to be there since goes with the same commit; --at
    still shows it. Modes, times and attributes come back too, and owners as far as you may set them.
    """
    checked(at)
    where = remote(path)
    with connection.writing(url, profile, wait) as client:
        done = client.restore(where, at)
    if json:
        show_json(
            {
                **path_fields(where),
                "commit": done.commit,
                "read_at": done.read_at,
                "files": done.files,
                "directories": done.directories,
                "symlinks": done.symlinks,
                "bytes": done.bytes,
            }
        )
        return 0
    held = [number(done.files, "file")] if done.files or not done.symlinks else []
    if done.directories:
        held.append(number(done.directories, "directory", "directories"))
    if done.symlinks:
        held.append(number(done.symlinks, "symlink"))
    show(f"{shown(where)} is as of commit {done.read_at} again: {', '.join(held)} (commit {done.commit})")
    return 0
