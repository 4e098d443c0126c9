"""standing: how one's request stands: held, or its place in line and who holds it.

What belongs here: the verb, a read. What does not: waiting for news (`control/locks`).
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.locks import shown, telling
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows import locks
from cairnfs.wire.locks import LockReply


def standing(tx: Tx, person: Person, lock: int, token: str) -> LockReply:
    """A request as it stands. Raises NoSuchLock, LockTokenWrong."""
    clock = clock_row.read(tx)
    people = People(tx, clock)
    user = people.now(person).user_id
    [row] = shown.require(tx, people, user, [(lock, token)])
    if row.fence:
        return telling.held(clock, row.id, row.fence)
    [request] = locks.requests(tx, [row.id])
    return telling.stands(tx, clock, people, row, request)
