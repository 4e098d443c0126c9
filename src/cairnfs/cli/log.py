"""`cairn log`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli import connection
from cairnfs.cli.exits import one_line
from cairnfs.cli.looking_back import Count, change_document, counted, items, words
from cairnfs.cli.moments import checked
from cairnfs.cli.options import At, Json, Profile, Url
from cairnfs.cli.output import moment, moment_rfc3339, number, show, show_json
from cairnfs.cli.seeing import remote

if TYPE_CHECKING:
    from cairnfs.wire.history import LogCommit

_AT_ONCE = 64


def command(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="What the commits changed something at or below.")
    ] = "/",
    count: Count = None,
    at: At = None,
    json: Json = False,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Say what was committed, newest first.

    Of each commit: its number, time, user and message, and the first few of its changes, as far as you may
    see them. What happened to the directories that hold PATH counts too.
    """
    from cairnfs.client import history

    checked(at)
    raw, limit = remote(path), counted(count)
    documents = []
    with connection.client(url, profile) as client:
        found = items(client, lambda to: history.log(to, raw, at, limit=limit), at_once=_AT_ONCE)
        for one in found:
            if json:
                documents.append(_document(one))
                continue
            for line in _lines(one):
                show(line)
    if json:
        show_json({"commits": documents})
    return 0


def _lines(one: LogCommit) -> list[str]:
    message = one_line(one.message)
    lines = [f"{one.commit}  {moment(one.at_us)}  {one.user}{'  ' if message else ''}{message}"]
    lines += ["    {:<8} {}".format(*words(change)) for change in one.changes]
    left = sum(one.counts.values()) - len(one.changes)
    if left > 0:
        lines.append(f"    and {number(left, 'more change')}")
    return lines


def _document(one: LogCommit) -> dict[str, Any]:
    return {
        "commit": one.commit,
        "time": moment_rfc3339(one.at_us),
        "user": one.user,
        "message": one.message,
        "counts": one.counts,
        "changes": [change_document(change) for change in one.changes],
    }
