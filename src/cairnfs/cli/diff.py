"""`cairn diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection, entries, exits
from cairnfs.cli.looking_back import items, shown_as
from cairnfs.cli.moments import checked
from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import path_fields, show, show_json
from cairnfs.cli.seeing import remote

if TYPE_CHECKING:
    from cairnfs.wire.history import Difference

_LETTERS = {"added": "A", "removed": "D", "written": "M", "moved": "R", "changed": "T"}


def command(
    one: Annotated[str, typer.Argument(metavar="A", help="A moment, as --at takes it: 41, 10m, a time.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another, earlier or later.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="What is compared, with all below it.")] = "/",
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with status 1 where there is a difference.")
    ] = False,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say how files and directories differ between two moments.

    A line each: A added, D removed, M written, R moved (RM: written too), T other attributes or another
    kind of thing. A directory that was added or removed stands for all that is in it. The order is that of
    the commits.
    """
    from cairnfs.client import history

    checked(one)
    checked(other)
    raw = remote(path)
    documents: list[dict[str, Any]] = []
    head: dict[str, Any] = {}
    seen = False
    with connection.client(url, profile) as client:
        for page in items(client, lambda to: history.diff_pages(to, one, other, raw)):
            head = {"a": page.a, "b": page.b}
            seen = seen or bool(page.differences)
            if json:
                documents += [_document(difference) for difference in page.differences]
                continue
            for difference in page.differences:
                show(_line(difference))
    if json:
        show_json({**head, "differences": documents})
    return exits.DIFFERENCE if seen and exit_code else exits.OK


def _line(difference: Difference) -> str:
    letter = _LETTERS[difference.what] + ("M" if difference.written else "")
    there = difference.after or difference.before
    kind = None if there is None else there.kind
    origin = difference.raw_from_path()
    places = [] if origin is None else [shown_as(origin, kind)]
    return "\t".join([letter, *places, shown_as(difference.raw_path(), kind)])


def _document(difference: Difference) -> dict[str, Any]:
    path = difference.raw_path()
    origin = difference.raw_from_path()
    before, after = difference.before, difference.after
    return {
        "what": difference.what,
        **path_fields(path),
        **({} if origin is None else path_fields(origin, "from_path")),
        **({"written": difference.written} if difference.what == "moved" else {}),
        "before": None if before is None else entries.document(origin or path, before),
        "after": None if after is None else entries.document(path, after),
    }
