"""`cairn mkdir`."""

from __future__ import annotations

from typing import Annotated

import typer

from cairnfs.cli import connection, modes
from cairnfs.cli.options import Profile, Url, Verbose, Wait
from cairnfs.cli.output import show, shown
from cairnfs.cli.seeing import remote
from cairnfs.client.local.attributes import process_umask


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="The directories to make.")],
    parents: Annotated[
        bool, typer.Option("-p", "--parents", help="Missing ones on the way too; one that is there is fine.")
    ] = False,
    mode: Annotated[
        str | None, typer.Option("-m", "--mode", metavar="MODE", help="As chmod takes it, like 700 or go=.")
    ] = None,
    verbose: Verbose = False,
    wait: Wait = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make directories."""
    wanted = [remote(path) for path in paths]
    bits = None if mode is None else modes.parse(mode, process_umask())(0o777, True)
    with connection.writing(url, profile, wait) as client:
        for path in wanted:
            done = client.mkdir(path, parents=parents, mode=bits)
            if verbose:
                show(f"made {shown(path)} (commit {done.commit})")
    return 0
