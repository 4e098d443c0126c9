"""Locks for callers who wait: `with client.lock(path) as lock:`.

A lock is the thread's that took it: what the thread calls in the body is committed under it, and raises
LockLost once it is lost, at the latest at the end of the body. Other threads hold nothing by it, unless
they run in a copy of its context. After a fork the child shows the lock, and the parent has it. What belongs
here: crossing over, for a body. What does not: what a lock is (`locks/`). One thread for each body.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from cairnfs.client.blocking import Reaches
from cairnfs.client.locks import held
from cairnfs.client.locks.body import Body, Lock, gone
from cairnfs.client.locks.held import Holding
from cairnfs.client.portal import Portal

P = ParamSpec("P")
F = TypeVar("F")
R = TypeVar("R")


class SyncLock:
    """A lock that is held, for as long as its body goes on; see `locks.body.Lock`."""

    def __init__(self, through: Portal, lock: Lock) -> None:
        """One is made by `SyncBody`."""
        self._through = through
        self._lock = lock

    def __repr__(self) -> str:
        """Without the token, which is a secret."""
        return repr(self._lock)

    @property
    def id(self) -> int:
        """Its number, as `cairn locks` shows it."""
        return self._lock.id

    @property
    def fence(self) -> int:
        """The number of its grant: every later grant, of any lock, has a higher one."""
        return self._lock.fence

    @property
    def proof(self) -> str:
        """What a holder shows, as `CAIRN_LOCK` and the header `Cairn-Lock` carry it. A secret."""
        return self._lock.proof

    @property
    def lost(self) -> bool:
        """Whether it is held no more, as far as this process can tell."""
        return self._lock.lost

    def check(self) -> None:
        """Raises LockLost where it is lost."""
        self._lock.check()

    def upgrade(self) -> None:
        """Make a shared lock exclusive. Raises NotSoleHolder, LockLost."""
        self._through.call(self._lock.upgrade())


class SyncBody:
    """The body of a lock, to be entered once, for a thread that waits."""

    def __init__(self, through: Portal, body: Body) -> None:
        self._through = through
        self._body = body
        self._holding: Holding | None = None
        self._given_up = False

    def __enter__(self) -> SyncLock:
        try:
            self._through.call(self._take(threading.current_thread()))
            holding = self._holding
            assert holding is not None
            holding.check()
            held.enter(holding)
        except BaseException:
            # Interrupted, perhaps just when the lock was granted.
            self._through.post(self._give_up)
            raise
        return SyncLock(self._through, Lock(self._body.desk, holding))

    async def _take(self, keeper: threading.Thread) -> None:
        holding = await self._body.take(keeper)
        self._holding = holding
        if self._given_up:
            self._body.desk.give_back_later(holding)

    def _give_up(self) -> None:
        """On the loop: nobody wants the lock, be it there already or not yet."""
        self._given_up = True
        if self._holding is not None and not self._holding.released:
            self._body.desk.give_back_later(self._holding)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        holding = self._holding
        assert holding is not None
        held.leave(holding)
        if not holding.ours:
            return
        try:
            hurry = kind is not None and not issubclass(kind, Exception)
            was_held = self._through.call(self._body.desk.give_back(holding, hurry=hurry), bare=True)
        except BaseException:
            self._through.post(self._give_up)
            raise
        if kind is None:
            if holding.error is not None:
                raise holding.error
            if not was_held:
                raise gone(holding)


def bodies(
    method: Callable[Concatenate[F, P], Body],
) -> Callable[Concatenate[Reaches[F], P], SyncBody]:
    """The method, whose body is a thread's."""

    @functools.wraps(method)
    def call(self: Reaches[F], /, *args: P.args, **kwargs: P.kwargs) -> SyncBody:
        through, inside = self.inside()
        return SyncBody(through, method(inside, *args, **kwargs))

    return call


def plainly(method: Callable[Concatenate[F, P], R]) -> Callable[Concatenate[Reaches[F], P], R]:
    """The method, which asks nobody and says something about this thread."""

    @functools.wraps(method)
    def call(self: Reaches[F], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(self.inside()[1], *args, **kwargs)

    return call
