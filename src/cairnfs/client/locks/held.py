"""Which locks are held here: in this task or thread, and in what was begun in the body of a lock.

A context variable has them, so every commit made inside a body shows their proofs by itself, in child tasks
too. After a fork the child shows what its parent held, as a child process does that was given `CAIRN_LOCK`;
whether it is held still is the parent's to watch, and the cluster's to judge. What belongs here: that, and
what becomes of a lock that is held. What does not: asking for it (`asking.py`), cancelling (`guard.py`).
Reading is safe in any thread; `lose` is called on the connection's loop.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from cairnfs.errors import LockLost, SessionEnded
from cairnfs.wire.locks import LockProof

if TYPE_CHECKING:
    from cairnfs.core.leases import LeaseTimes

#: Who took a lock: a task, or a thread that waits for its calls.
Keeper = object


class Circle:
    """Those who show each other's locks: one client, before and after it forked."""


class Shown(Protocol):
    """A lock whose proof is shown with commits."""

    @property
    def circle(self) -> Circle:
        """Of which client."""
        ...

    @property
    def proof(self) -> LockProof:
        """What is shown."""
        ...


class Foreign:
    """A lock that somebody else holds, and lets this client show."""

    def __init__(self, circle: Circle, proof: LockProof) -> None:
        self.circle = circle
        self.proof = proof


class Lease(Protocol):
    """A lock's use of its session: `client.session.Hold`."""

    @property
    def session(self) -> str:
        """The session's id."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the session is. Any thread."""
        ...

    @property
    def times(self) -> LeaseTimes:
        """What it was promised."""
        ...

    def age_s(self) -> float:
        """How long ago the renewal was sent that was answered last."""
        ...

    async def ready(self) -> None:
        """Return when work may go on. Raises SessionEnded."""
        ...

    def when_ended(self, tell: Callable[[SessionEnded], None]) -> None:
        """Call `tell` once if the session ends while this is held."""
        ...

    def release(self) -> None:
        """The use is over."""
        ...

    def end(self, why: str) -> None:
        """The cluster says that the session is over."""
        ...


class Holding:
    """A lock from its grant to the end of its body."""

    def __init__(
        self, circle: Circle, hold: Lease, proof: LockProof, *, owner: str, keeper: Keeper, name: str
    ) -> None:
        """`hold` is the lock's use of its session. `name` tells people which lock it is."""
        self.circle = circle
        self.proof = proof
        self.owner = owner
        self.name = name
        self.error: LockLost | None = None
        self.released = False
        self._hold = hold
        self._keeper = weakref.ref(keeper)
        self._pid = os.getpid()
        self._tell: set[Callable[[LockLost], None]] = set()
        #: One upgrade at a time; commits under way that show this proof, and whether none is.
        self.upgrading = asyncio.Lock()
        self._uses = 0
        self._free = asyncio.Event()
        self._free.set()
        #: Upgrades under way: no commit that shows it begins meanwhile.
        self._changes = 0
        self._changed = asyncio.Event()
        hold.when_ended(self._session_ended)

    def __repr__(self) -> str:
        return f"<lock {self.proof.lock} on {self.name}>"

    @property
    def ours(self) -> bool:
        """Whether this process holds it, and not one that it was forked from."""
        return self._pid == os.getpid()

    @property
    def is_changing(self) -> bool:
        """Whether its fence may be another one soon: then no commit that shows it begins."""
        return self._changes > 0

    @property
    def hold(self) -> Lease:
        """Its use of the session."""
        return self._hold

    def is_kept_by(self, keeper: Keeper) -> bool:
        """Whether this task or thread took it."""
        return self._keeper() is keeper

    @property
    def lost(self) -> bool:
        """Whether it is held no more, as far as this process can tell. Any thread."""
        return self.ours and (self.error is not None or self.released or self._hold.is_over)

    def check(self) -> None:
        """Raises LockLost where it is lost. Any thread."""
        if self.lost:
            raise self._why()

    def _why(self) -> LockLost:
        if self.error is not None:
            return LockLost(self.error.detail)
        if self.released:
            return LockLost(
                f"the lock on {self.name} was released",
                hint="what is begun in the body of a lock has to end in it",
            )
        return LockLost(f"the lock on {self.name} is lost: its lease is over")

    async def ready(self) -> None:
        """Return when its holder may change something; wait while the session is suspended.

        Raises LockLost.
        """
        if not self.ours:
            return
        while True:
            self.check()
            try:
                await self._hold.ready()
            except SessionEnded as error:
                self._session_ended(error)
                raise self._why() from error
            if not self.is_changing:
                self.check()
                return
            await self._changed.wait()

    def _session_ended(self, error: SessionEnded) -> None:
        self.lose(f"the lock on {self.name} is lost: {error.detail}")

    def lose(self, why: str) -> None:
        """It is lost: who works under it is told, once."""
        if self.error is None and not self.released:
            self.error = LockLost(why)
            for tell in list(self._tell):
                tell(self.error)

    def when_lost(self, tell: Callable[[LockLost], None]) -> None:
        """Call `tell` once when it is lost; at once where it is."""
        if self.error is None and self._hold.is_over:
            self.lose(f"the lock on {self.name} is lost: its lease is over")
        if self.error is not None:
            tell(self.error)
        else:
            self._tell.add(tell)

    def forget(self, tell: Callable[[LockLost], None]) -> None:
        """Do not call it any more."""
        self._tell.discard(tell)

    @contextmanager
    def used(self) -> Iterator[None]:
        """A commit that shows its proof is under way, after `ready`."""
        self._uses += 1
        self._free.clear()
        try:
            yield
        finally:
            self._uses -= 1
            if not self._uses:
                self._free.set()

    @contextmanager
    def changing(self) -> Iterator[asyncio.Event]:
        """Its fence may change: no commit begins meanwhile. Gives what is set while none is under way."""
        self._changes += 1
        try:
            yield self._free
        finally:
            self._changes -= 1
            if not self._changes:
                self._changed.set()
                self._changed = asyncio.Event()


_here: ContextVar[tuple[Shown, ...]] = ContextVar("cairn_locks", default=())


def anything_here() -> bool:
    """Whether any lock of any client is held here."""
    return bool(_here.get())


def here(circle: Circle) -> list[Shown]:
    """This client's locks that are held here, the outermost first."""
    return [one for one in _here.get() if one.circle is circle]


def own(shown: Sequence[Shown]) -> list[Holding]:
    """Those that this process holds."""
    return [one for one in shown if isinstance(one, Holding) and one.ours]


def all_own() -> list[Holding]:
    """Locks of any client of this process that are held here."""
    return own(_here.get())


def owner_here(circle: Circle, keeper: Keeper | None) -> str | None:
    """Under which owner key a lock is asked for here: that of the body around it, if `keeper` took that one.

    Without a keeper, of whatever body is around: for what is done on behalf of it.
    """
    for one in reversed(own(here(circle))):
        if not one.lost and (keeper is None or one.is_kept_by(keeper)):
            return one.owner
    return None


def new_owner() -> str:
    """An owner key that nobody has."""
    return secrets.token_hex(16)


def enter(one: Shown) -> None:
    """It is held here from now on."""
    _here.set((*_here.get(), one))


def leave(one: Shown) -> None:
    """It is held here no more."""
    _here.set(tuple(other for other in _here.get() if other is not one))


def everywhere() -> tuple[Shown, ...]:
    """Locks of any client that are shown here."""
    return _here.get()


def enter_all(shown: Sequence[Shown]) -> None:
    """These are shown here too from now on."""
    there = _here.get()
    _here.set((*there, *(one for one in shown if one not in there)))


@contextmanager
def showing(circle: Circle, proofs: Sequence[LockProof]) -> Iterator[None]:
    """Commits in the body show these proofs too, of locks that somebody else holds."""
    shown = [Foreign(circle, proof) for proof in proofs]
    for one in shown:
        enter(one)
    try:
        yield
    finally:
        for one in shown:
            leave(one)
