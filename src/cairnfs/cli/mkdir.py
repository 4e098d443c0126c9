"""`cairn mkdir`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.options import Profile, Url, Verbose
from cairnfs.cli.output import show, shown
from cairnfs.cli.seeing import remote


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="The directories to make.")],
    parents: Annotated[
        bool, typer.Option("-p", "--parents", help="Missing ones on the way too; one that is there is fine.")
    ] = False,
    verbose: Verbose = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make directories."""
    wanted = [remote(path) for path in paths]
    with connection.client(url, profile) as client:
        for path in wanted:
            done = client.mkdir(path, parents=parents)
            if verbose:
                show(f"made {shown(path)} (commit {done.commit})")
    return 0
