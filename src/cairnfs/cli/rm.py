"""`cairn rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import Profile, Url, Verbose, Wait
from cairnfs.cli.output import show, shown
from cairnfs.cli.seeing import remote
from cairnfs.errors import NotFound


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="What to remove.")],
    recursive: Annotated[
        bool, typer.Option("-r", "-R", "--recursive", help="Directories with all that is in them.")
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="What is not there is as good as removed.")
    ] = False,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Remove files, symlinks and directories.

    A symlink goes itself, never what it leads to; a file goes with the last of its names.
    Earlier commits still have them: see --at of ls, cat and get.
    """
    wanted = [remote(path) for path in paths]
    with connection.writing(url, profile, wait) as client:
        for path in wanted:
            try:
                done = client.remove(path, recursive=recursive)
            except NotFound:
                if force:
                    continue
                raise
            if verbose:
                show(f"removed {shown(path)} (commit {done.commit})")
    return 0
