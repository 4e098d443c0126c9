"""`cairn readlink`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cairnfs.cli import connection
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Null, Profile, Url
from cairnfs.cli.output import path_fields, show, show_json, shown
from cairnfs.cli.seeing import remote


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Which symlinks.")],
    null: Null = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say where symlinks lead, as they were given it."""
    checked(at)
    wanted = [remote(path) for path in paths]
    with connection.client(url, profile) as client:
        targets = [client.readlink(path, at) for path in wanted]
    if json:
        found = zip(wanted, targets, strict=True)
        show_json(
            {"symlinks": [{**path_fields(path), **path_fields(target, "target")} for path, target in found]}
        )
    elif null:
        sys.stdout.buffer.write(b"".join(target + b"\0" for target in targets))
    else:
        for target in targets:
            show(shown(target))
    return 0
