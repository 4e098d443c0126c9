"""`cairn touch`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection, times
from cairnfs.cli.options import Itself, Profile, Url, Verbose, Wait
from cairnfs.cli.output import show, shown
from cairnfs.cli.seeing import remote
from cairnfs.errors import NotFound


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="What gets the time.")],
    time: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--date",
            metavar="TIME",
            help="Like 2026-11-22T10:00:00.123456789Z; else the time of the commit.",
        ),
    ] = None,
    no_create: Annotated[
        bool, typer.Option("-c", "--no-create", help="Make no files that are not there.")
    ] = False,
    itself: Itself = False,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Set times of modification; make empty files of what is not there."""
    mtime_ns = None if time is None else times.nanoseconds(time)
    wanted = [remote(path) for path in paths]
    with connection.writing(url, profile, wait) as client:
        for path in wanted:
            try:
                done = client.touch(path, mtime_ns, create=not (no_create or itself), follow=not itself)
            except NotFound:
                if no_create:
                    continue
                raise
            if verbose:
                show(f"touched {shown(path)} (commit {done.commit})")
    return 0
