"""What the commands that look back and follow share: their way to the cluster, and changes as they are shown.

What belongs here: that. What does not: what is asked for (each command). One thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cairnfs.cli.output import path_fields, shown
from cairnfs.errors import BadRequest

if TYPE_CHECKING:
    from cairnfs.client.connection import Connection
    from cairnfs.client.sync import Client
    from cairnfs.wire.history import PathChange

T = TypeVar("T")

Count = Annotated[
    int | None, typer.Option("-n", "--number", metavar="N", help="So many at most, the newest; else all.")
]


def items(client: Client, ask: Callable[[Connection], AsyncIterator[T]], *, at_once: int = 1) -> Iterator[T]:
    """What is asked of the client's connection, waited for; so many items cross over together."""
    through, filesystem = client.inside()
    return through.iterate(ask(filesystem.connection), at_once)


def counted(number: int | None) -> int | None:
    """A number of items. Raises BadRequest for none."""
    if number is not None and number < 1:
        raise BadRequest("-n is at least 1")
    return number


def words(change: PathChange) -> tuple[str, str]:
    """What happened, and to which path."""
    origin = change.raw_from_path()
    came = "" if origin is None else f" from {shown(origin)}"
    return change.what, f"{shown_as(change.raw_path(), change.kind)}{came}"


def shown_as(path: bytes, kind: str | None) -> str:
    """A path for a terminal; a directory's ends with /."""
    return shown(path) + ("/" if kind == "directory" and path != b"/" else "")


def change_document(change: PathChange) -> dict[str, Any]:
    """What JSON output says of one change."""
    origin = change.raw_from_path()
    return {
        "what": change.what,
        "kind": change.kind,
        **path_fields(change.raw_path()),
        **({} if origin is None else path_fields(origin, "from_path")),
        "inode": change.inode,
    }
