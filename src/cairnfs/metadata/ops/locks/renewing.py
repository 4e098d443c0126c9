"""renewing: raise the lease of the session that holds a lock, by whoever can show the lock.

What belongs here: the verb, a light write: a child process that was given `CAIRN_LOCK` keeps it alive though
it knows nothing of the session. What does not: a client's own renewals (`ops/sessions`).
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.errors import SessionEnded
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.locks import shown
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows import sessions
from cairnfs.wire.sessions import RenewReply


def renew(tx: Tx, person: Person, lock: int, token: str) -> RenewReply:
    """Renew the session of a lock. Raises NoSuchLock, LockTokenWrong, SessionEnded."""
    clock = clock_row.read(tx)
    people = People(tx, clock)
    user = people.now(person).user_id
    [row] = shown.require(tx, people, user, [(lock, token)])
    if not sessions.renew(tx, row.session, user, 0, 0):
        raise SessionEnded("the session that holds the lock is over")
    return RenewReply(commit=clock.commit_number, incarnation=clock.incarnation)
