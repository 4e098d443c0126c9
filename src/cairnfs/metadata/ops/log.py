"""log: commits that changed something at or below a path, newest first.

What belongs here: the verb, its cursor, and the cursors of all that looks back over pages. A page looks at
a bounded number of commits, so it may be empty though there are more. A commit of which the person sees
nothing is not told of.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from cairnfs.core.permissions import Person
from cairnfs.errors import BadCursor
from cairnfs.ids import CommitNumber, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.changes import COMMITS_MAX, Part, Seen, seen, within
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.trace import physical
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.rows.changes import Commit
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.state.changes import decode
from cairnfs.wire import names
from cairnfs.wire.history import LOG_CHANGES_SHOWN, LogCommit, LogReply, LogRequest

#: So often one request looks for more commits to scan, and so many bytes of paths fill its answer.
_SCANS_MAX = 4
_PATH_BYTES_MAX = 256 * 1024
_CURSOR_MAX_CHARS = 1024

C = TypeVar("C", bound=NamedTuple)


class Cursor(NamedTuple):
    """`commit`: as of which the log is read; `until`: the next commit to look at."""

    incarnation: int
    commit: int
    until: int


def page(tx: Tx, person: Person, request: LogRequest) -> LogReply:
    """Raises Forbidden, SymlinkLoop, BadCursor, NoSuchCommit, BeforeHorizon, BadRequest."""
    path = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else read_cursor(request.cursor, Cursor)
    sight = look(tx, request.at, cursor)
    who = sight.people.now(person)
    path = physical(sight.view, who, path, follow=True)
    until = CommitNumber(sight.commit if cursor is None else min(cursor.until, sight.commit))
    found: list[LogCommit] = []
    room = _PATH_BYTES_MAX
    for _ in range(_SCANS_MAX):
        numbers = within(rows.sizes_until(tx, until, sight.clock.horizon, COMMITS_MAX))
        if not numbers:
            return _reply(sight, found, None)
        for commit, changes in _scan(sight, who, path, numbers):
            until = CommitNumber(commit.number - 1)
            if changes:
                found.append(_told(sight, commit, changes))
                room -= sum(len(one.path) + len(one.origin or b"") for one in changes[:LOG_CHANGES_SHOWN])
            if len(found) == request.limit or room < 0:
                return _reply(sight, found, until)
    return _reply(sight, found, until)


def _scan(
    sight: Sight, person: Person, path: Path, numbers: Sequence[CommitNumber]
) -> list[tuple[Commit, list[Seen]]]:
    """These commits, each with what is seen of it."""
    tx = sight.view.tx
    commits = rows.commits(tx, numbers)
    parts: list[Part] = [
        (number, decode(commits[number].entries) if commits[number].entries else []) for number in numbers
    ]
    told = seen(tx, person, path, parts)
    return [
        (commits[number], [one for one in found if one is not None])
        for number, found in zip(numbers, told, strict=True)
    ]


def _told(sight: Sight, commit: Commit, changes: Sequence[Seen]) -> LogCommit:
    return LogCommit(
        commit=commit.number,
        at_us=commit.at_us,
        user=sight.people.names([commit.user_id])[commit.user_id],
        message=commit.message,
        counts=dict(Counter(one.what for one in changes)),
        changes=[one.message() for one in changes[:LOG_CHANGES_SHOWN]],
    )


def _reply(sight: Sight, found: list[LogCommit], until: CommitNumber | None) -> LogReply:
    more = until is not None and until > sight.clock.horizon
    cursor = Cursor(sight.clock.incarnation, sight.commit, until or 0)
    return LogReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        commits=found,
        cursor=write_cursor(cursor) if more else None,
    )


def look(tx: Tx, at: str | None, cursor: Cursor | None) -> Sight:
    """The tree as of which a page is read: the first page's. Raises BadCursor, and what `at` may raise."""
    if cursor is None:
        return moment.look(tx, at)
    now = moment.look(tx, None)
    require_ours(now.clock, cursor.incarnation, cursor.commit)
    return now if cursor.commit == now.commit else moment.look_at(tx, now.clock, cursor.commit)


def require_ours(clock: ClockRow, incarnation: int, *commits: int) -> None:
    """Raises BadCursor unless a cursor is of this incarnation, and its commits are there."""
    if incarnation != clock.incarnation or not all(0 <= one <= clock.commit_number for one in commits):
        raise BadCursor("this cursor is of another incarnation")


def write_cursor(cursor: NamedTuple) -> str:
    """A cursor as opaque text."""
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode()


def read_cursor(text: str, kind: type[C]) -> C:
    """Read a cursor of this kind. Raises BadCursor."""
    try:
        if len(text) > _CURSOR_MAX_CHARS:
            raise ValueError("too long")
        return msgspec.msgpack.decode(urlsafe_b64decode(text.encode("ascii")), type=kind)
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise BadCursor("no page gave this cursor") from error
