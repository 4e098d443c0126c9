"""log: commits that changed something at or below a path, newest first.

What belongs here: the verb. A page looks at a bounded number of commits, so it may be empty though there are
more. A commit of which the person sees nothing is not told of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from cairnfs.core.permissions import Person
from cairnfs.ids import CommitNumber, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, moment
from cairnfs.metadata.ops.changes import COMMITS_MAX, Part, Seen, seen, within
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.trace import physical
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.rows.changes import Commit
from cairnfs.metadata.state.changes import decode
from cairnfs.wire import names
from cairnfs.wire.history import LOG_CHANGES_SHOWN, LogCommit, LogReply, LogRequest

#: So often one request looks for more commits to scan, and so many bytes of paths fill its answer.
_SCANS_MAX = 4
_PATH_BYTES_MAX = 256 * 1024


class Cursor(NamedTuple):
    """`commit`: as of which the log is read; `until`: the next commit to look at."""

    incarnation: int
    commit: int
    until: int


def page(tx: Tx, person: Person, request: LogRequest) -> LogReply:
    """Raises Forbidden, SymlinkLoop, BadCursor, NoSuchCommit, BeforeHorizon, BadRequest."""
    path = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    sight = moment.look(tx, request.at) if cursor is None else cursors.go_on(tx, cursor)
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
        cursor=cursors.write(sight.view.tx, cursor) if more else None,
    )
