"""`cairn cat`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Profile, Url
from cairnfs.cli.seeing import remote


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Which files.")],
    at: At = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Write files to standard output, one after the other."""
    checked(at)
    wanted = [remote(path) for path in paths]
    with connection.client(url, profile) as client:
        for path in wanted:
            for piece in client.read_stream(path, at=at):
                sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return 0
