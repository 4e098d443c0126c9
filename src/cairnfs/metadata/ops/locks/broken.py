"""broken: the record of locks that were broken, the latest first, as long as it is kept.

What belongs here: the verb and its cursor, and forgetting. What does not: breaking. Everybody is told of
their own; administrators of all.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, lock_pages
from cairnfs.wire.locks import BrokenItem, ListLocksReply, ListLocksRequest

#: So many are remembered, of everybody's together.
KEPT = 10_000
_FORGOTTEN_AT_ONCE = 500
_EVER = 2**63 - 1


class Cursor(NamedTuple):
    """Where it goes on: before this time and number."""

    incarnation: int
    at_us: int
    number: int


def page(tx: Tx, person: Person, request: ListLocksRequest) -> ListLocksReply:
    """One page; of the request, its limit and cursor count. Raises BadCursor."""
    now = clock.read(tx)
    people = People(tx, now)
    who = people.now(person)
    before = (_EVER, _EVER)
    if request.cursor is not None:
        cursor = cursors.read(tx, request.cursor, Cursor)
        cursors.require_ours(tx, cursor.incarnation)
        before = (cursor.at_us, cursor.number)
    of = None if who.role == "admin" else who.user_id
    found = lock_pages.broken_before(tx, *before, request.limit + 1, of)
    shown = found[: request.limit]
    called = people.names(one for row in shown for one in (row.user_id, row.broken_by))
    more = None
    if len(found) > len(shown):
        more = cursors.write(tx, Cursor(now.incarnation, shown[-1].at_us, shown[-1].id))
    return ListLocksReply(
        broken=[
            BrokenItem(
                lock=one.id,
                fence=one.fence,
                user=called[one.user_id],
                by=called[one.broken_by],
                at_us=one.at_us,
                reason=one.reason,
            )
            for one in shown
        ],
        cursor=more,
    )


def forget(tx: Tx) -> int:
    """Forget some beyond the latest KEPT. Gives how many; 0 when done."""
    return lock_pages.forget_broken(tx, KEPT, _FORGOTTEN_AT_ONCE)
