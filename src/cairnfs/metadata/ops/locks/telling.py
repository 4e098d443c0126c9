"""telling: how a request stands, and who is in its way, as whoever asked is told.

What belongs here: LockReply and Locked. What does not: deciding. Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from cairnfs.core.locks.request import INODE, NAME, Look, Request, looks
from cairnfs.errors import LockTokenWrong, NoSuchLock
from cairnfs.ids import ROOT, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import lock_looks, locks, sessions
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.rows.lock_looks import Ask
from cairnfs.metadata.rows.locks import LockRow
from cairnfs.wire.locks import LockHolder, LockReply

#: In so many lines those before a request are counted; its place is one that it does not come before.
_LINES_MAX = 32


def holder(tx: Tx, people: People, lock: int) -> LockHolder | None:
    """Who has a lock, or asked for it."""
    row = locks.find(tx, [lock]).get(lock)
    if row is None:
        return None
    session = sessions.find(tx, [row.session]).get(row.session)
    return LockHolder(
        lock=row.id,
        user=people.names([row.user_id])[row.user_id],
        label="" if session is None else session.label,
        mode="exclusive" if row.exclusive else "shared",
        since_us=row.granted_us or row.asked_us,
    )


def described(found: LockHolder | None) -> str:
    """The same in words."""
    if found is None:
        return "somebody else"
    label = f" ({found.label})" if found.label else ""
    return f"{found.user}{label} by lock {found.lock}, {found.mode}"


def held(clock: ClockRow, lock: int, fence: int) -> LockReply:
    """The answer to whoever has it."""
    return LockReply(lock=lock, state="held", fence=fence, incarnation=clock.incarnation)


def asks(row: LockRow, asked: Request) -> list[Ask]:
    """Whoever is in the way of a request."""
    return [
        Ask(look, asked.exclusive, row.session, row.owner)
        for look in looks(asked.keys, subtree=asked.subtree)
    ]


def stands(tx: Tx, clock: ClockRow, people: People, row: LockRow, asked: Request) -> LockReply:
    """A request as it stands."""
    if row.fence:
        return held(clock, row.id, row.fence)
    holds, waits = lock_looks.in_the_way(tx, asks(row, asked))
    before = [lock for lock in waits if lock < row.id]
    lines = _lines(asked)
    if len(lines) > _LINES_MAX:
        lines = list(islice(lock_looks.pages(tx, lines, 0, 1), _LINES_MAX))
    ahead = lock_looks.count_before(
        tx, lines, row.session, row.owner, exclusive=asked.exclusive, before=row.id
    )
    first = min(holds or before, default=None)
    return LockReply(
        lock=row.id,
        state="waiting",
        fence=0,
        incarnation=clock.incarnation,
        place=1 + max(ahead, len(before[:1])),
        holder=None if first is None else holder(tx, people, first),
    )


def _lines(asked: Request) -> list[Look]:
    """Where others stand before it: of a single path whoever waits for the name waits for the inode, too."""
    found = list(asked.looks())
    names = [look for look in found if look.key.kind == NAME]
    inodes = [look for look in found if look.key.kind == INODE and not look.subtree]
    if len(names) != 1 or len(inodes) != 1 or inodes[0].key.inode == ROOT:
        return found
    return [look for look in found if look != names[0]]


def gone(tx: Tx, people: People, user: UserId, missing: Sequence[int]) -> NoSuchLock:
    """Why these are not there, as far as it is known and this user's business."""
    broken = locks.broken(tx, missing)
    for lock in missing:
        row = broken.get(lock)
        if row is not None and row.user_id == user:
            by = people.names([row.broken_by])[row.broken_by]
            reason = f": {row.reason}" if row.reason else ""
            return NoSuchLock(f"the lock {lock} was broken by {by}{reason}")
    return NoSuchLock(f"no lock {missing[0]} is held or waited for")


def wrong(lock: int) -> LockTokenWrong:
    """Somebody shows what is not theirs."""
    return LockTokenWrong(f"that is not the token of the lock {lock}")
