"""Whether the locks that a commit shows are held now, by who shows them.

What belongs here: that, and saying what became of one that is not. What does not: tokens in the clear, which
are hashed before the clock is taken (`state/locks.Shown`). Inside the clock, one thread.
"""

from __future__ import annotations

from hmac import compare_digest

from cairnfs.errors import LockLost, LockTokenWrong
from cairnfs.ids import UserId
from cairnfs.metadata.rows import locks
from cairnfs.metadata.state import State
from cairnfs.metadata.state.locks import Proof, Shown

_NOBODY: frozenset[int] = frozenset()


def check(state: State, shown: Shown) -> frozenset[int]:
    """The numbers of the locks shown. Raises LockLost, LockTokenWrong."""
    if not shown.proofs or shown.person is None:
        return _NOBODY
    user = shown.person.user_id
    rows = state.locks.rows(proof.lock for proof in shown.proofs) if state.locks.any else {}
    for proof in shown.proofs:
        row = rows.get(proof.lock)
        if proof.incarnation != state.clock.incarnation:
            raise LockLost(f"lock {proof.lock} was granted before history was cut")
        if row is None:
            raise LockLost(_what_became(state, proof, user))
        if row.user_id != user or not compare_digest(row.token_hash, proof.token_hash):
            raise LockTokenWrong(f"that is not the token of lock {proof.lock}")
        if row.fence == 0:
            raise LockLost(f"lock {proof.lock} is waited for, not held")
        if row.fence != proof.fence:
            raise LockLost(f"lock {proof.lock} has the fence {row.fence} now, not {proof.fence}")
    return frozenset(rows)


def _what_became(state: State, proof: Proof, user: UserId) -> str:
    if proof.lock >= state.counters["next_lock"]:
        return f"there never was a lock {proof.lock}"
    broken = locks.broken(state.tx, [proof.lock]).get(proof.lock)
    if broken is None or broken.user_id != user:
        return f"lock {proof.lock} is held no more: it was released, or its session ended"
    by = state.people.names((broken.broken_by,))[broken.broken_by]
    return f"lock {proof.lock} was broken by {by}" + (f": {broken.reason}" if broken.reason else "")
