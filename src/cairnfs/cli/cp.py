"""`cairn cp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection
from cairnfs.cli.copying import Copy, Source, Target, plan
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Profile, Recursive, Url, Verbose, Wait
from cairnfs.cli.output import number, path_fields, show, show_json, shown
from cairnfs.cli.put import kinds_in_cairn
from cairnfs.cli.seeing import look, remote
from cairnfs.client.copying_trees import Copied
from cairnfs.errors import Exists

if TYPE_CHECKING:
    from cairnfs.client.sync import Client


def command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help="What to copy.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Its copy, or the directory to hold the copies.")
    ],
    recursive: Recursive = False,
    preserve: Annotated[
        bool,
        typer.Option(
            "-p", "--preserve", help="Keep modes, times, attributes, and owners as far as you may set them."
        ),
    ] = False,
    no_replace: Annotated[
        bool, typer.Option("-n", "--no-replace", help="Refuse to replace a file that is there.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="A directory may take the place of one that is there, whole.")
    ] = False,
    at: At = None,
    json: Json = False,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Copy files and directories inside Cairn.

    Nothing is sent: copies share their chunks. Each SOURCE takes one commit, whatever its size, and is
    read as of one commit. A TARGET that is a directory takes the sources below it. With -r symlinks are
    copied as symlinks. What is already there is not mingled with a directory that is copied: see --replace.
    """
    checked(at)
    place = remote(target)
    done = []
    with connection.writing(url, profile, wait) as client:
        seen = look(client, sources, at, strict=True, follow=not recursive)
        moment = None if at is None else str(seen.commit)
        [target_kind] = kinds_in_cairn(client, [place])
        copies = plan(
            [Source(path, entry.kind, path.rpartition(b"/")[2]) for path, entry in seen.entries],
            Target(place, target_kind, target.endswith("/")),
            recursive=recursive,
            kinds=lambda places: kinds_in_cairn(client, places),
        )
        for copy in copies:
            copied = _copy(client, copy, moment, preserve=preserve, replace=replace, keep=no_replace)
            done.append(_document(copy, copied))
            if verbose:
                show(_line(copy, copied))
    if json:
        show_json({"copies": done})
    return 0


def _copy(
    client: Client, copy: Copy, at: str | None, *, preserve: bool, replace: bool, keep: bool
) -> Copied | int:
    if copy.kind != "directory":
        done = client.copy(
            copy.source,
            copy.target,
            at=at,
            follow=copy.kind != "symlink",
            preserve=preserve,
            replace=not keep,
        )
        return done.commit
    try:
        return client.copy_tree(
            copy.source, copy.target, at=at, preserve=preserve, replace=replace and not keep
        )
    except Exists as error:
        if not keep:
            error.hint = "--replace puts the copy in its place, in one commit"
        raise


def _document(copy: Copy, copied: Copied | int) -> dict[str, Any]:
    document: dict[str, Any] = {**path_fields(copy.source, "source"), **path_fields(copy.target, "target")}
    if isinstance(copied, int):
        return {**document, "commit": copied}
    return {
        **document,
        "commit": copied.commit,
        "read_at": copied.read_at,
        "files": copied.files,
        "directories": copied.directories,
        "symlinks": copied.symlinks,
        "bytes": copied.bytes,
    }


def _line(copy: Copy, copied: Copied | int) -> str:
    what = f"{shown(copy.source)} -> {shown(copy.target)}"
    if isinstance(copied, int):
        return f"{what} (commit {copied})"
    held = f"{number(copied.files, 'file')}, {number(copied.directories, 'directory', 'directories')}"
    return f"{what}: {held} as of commit {copied.read_at} (commit {copied.commit})"
