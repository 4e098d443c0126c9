"""About locks: somebody else has it, one's own is lost, or it cannot be asked for like that."""

from __future__ import annotations

import errno as _errno

from cairnfs.errors.kinds import Conflict, Denied, Limit, Missing


class Locked(Conflict):
    """Somebody else holds a lock there: it is refused, or was waited for in vain.

    `where` is the path to lock so as to wait for one's turn, as bytes, and `subtree` whether with all below
    it; None where it cannot be told.
    """

    code, status, errno = "locked", 423, _errno.EAGAIN
    default_hint = "wait for it with --wait SECONDS; cairn locks shows who holds it"

    def __init__(
        self,
        detail: str = "",
        *,
        hint: str | None = None,
        path: str | None = None,
        where: bytes | None = None,
        subtree: bool = False,
    ) -> None:
        super().__init__(detail, hint=hint, path=path)
        self.where = where
        self.subtree = subtree


class LockLost(Conflict):
    """The lock that was shown is held no more: its lease ended, it was released or broken."""

    code, errno, default_hint = "lock_lost", _errno.ESTALE, "nothing was changed; take the lock again"


class Deadlock(Conflict):
    """Waiting would close a circle of waits, which the detail names."""

    code, errno = "deadlock", _errno.EDEADLK
    default_hint = "release what you hold, and try again"


class NotSoleHolder(Conflict):
    """Others share the lock: only its sole holder can make it exclusive."""

    code, default_hint = "not_sole_holder", "release it, and ask for an exclusive one"


class NoSuchLock(Missing):
    """No lock of that number is held or waited for; perhaps it was released already."""

    code = "no_such_lock"


class LockTokenWrong(Denied):
    """The token is not that lock's, or somebody else's user shows it."""

    code = "lock_token_wrong"


class QueueFull(Limit):
    """As many wait there as can."""

    code, status, errno, default_hint = "queue_full", 429, _errno.EAGAIN, "try again later"


class TooManyLocks(Limit):
    """The session has as many locks as it can, or the commit shows more than it can."""

    code, errno = "too_many_locks", _errno.ENOLCK
