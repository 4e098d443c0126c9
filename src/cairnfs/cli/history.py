"""`cairn history`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection, entries
from cairnfs.cli.exits import one_line
from cairnfs.cli.looking_back import Count, counted, items
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Profile, Url
from cairnfs.cli.output import moment, moment_rfc3339, path_fields, show, show_json, shown, size, table
from cairnfs.cli.seeing import remote

if TYPE_CHECKING:
    from cairnfs.wire.history import HistoryItem

#: So many lines are aligned with each other.
_TOGETHER = 256
_RIGHT = frozenset({0, 4})


def command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The path; there need not be anything now.")],
    count: Count = None,
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="Stay at the path, whatever was moved there.")
    ] = False,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say what became of the file or directory at a path, newest first.

    What was moved there is followed to where it came from, unless --no-follow asks for what was at the
    path before.

    Each line is a commit: its number, time and user, what it did, and the size of what was there afterwards.
    Any of them can be read again: cairn cat --at COMMIT PATH, and brought back: cairn restore.
    """
    from cairnfs.client import history

    raw, limit = remote(path), counted(count)
    checked(at)
    with connection.client(url, profile) as client:
        found = items(
            client,
            lambda to: history.history(to, raw, at, limit=limit, follow=not no_follow),
            at_once=_TOGETHER,
        )
        if json:
            show_json({**path_fields(raw), "history": [_document(one) for one in found]})
            return 0
        while some := list(islice(found, _TOGETHER)):
            for line in table(map(_row, some), right=_RIGHT):
                show(line)
    return 0


def _row(one: HistoryItem) -> list[str]:
    came, went = one.raw_from_path(), one.raw_to_path()
    rest = []
    if came is not None:
        rest.append(f"from {shown(came)}")
    if went is not None:
        rest.append(f"to {shown(went)}")
    if one.message:
        rest.append(one_line(one.message))
    length = size(one.entry.size) if one.entry is not None and one.entry.kind == "file" else "-"
    return [str(one.commit), moment(one.at_us), one.user, one.what, length, "  ".join(rest)]


def _document(one: HistoryItem) -> dict[str, Any]:
    came, went = one.raw_from_path(), one.raw_to_path()
    return {
        "commit": one.commit,
        "time": moment_rfc3339(one.at_us),
        "user": one.user,
        "message": one.message,
        "what": one.what,
        **path_fields(one.raw_path()),
        **({} if came is None else path_fields(came, "from_path")),
        **({} if went is None else path_fields(went, "to_path")),
        "entry": None if one.entry is None else entries.document(one.raw_path(), one.entry),
    }
