"""Ending work whose lock is lost: its task is cancelled, and what comes of that is LockLost.

It nests as `asyncio.timeout` does: a cancellation that came from outside is still seen as one, and of bodies
inside each other that end at once the outermost says why. What belongs here: that. What does not: when a lock
is lost (`held.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, TypeVar

from cairnfs.client.locks import held
from cairnfs.client.locks.held import Holding
from cairnfs.errors import LockLost

R = TypeVar("R")


class Guard:
    """A body that ends with LockLost when one of these locks is lost."""

    def __init__(self, holdings: Sequence[Holding]) -> None:
        self._holdings = holdings
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._cancelled = False
        self._error: LockLost | None = None

    async def __aenter__(self) -> Guard:
        for holding in self._holdings:
            holding.check()
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        for holding in self._holdings:
            holding.when_lost(self._lost)
        return self

    def _lost(self, error: LockLost) -> None:
        if self._error is not None:
            return
        self._error = error
        assert self._task is not None
        # Where the body itself has found out, its own error is on its way.
        if asyncio.current_task() is not self._task:
            self._cancelled = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for holding in self._holdings:
            holding.forget(self._lost)
        if self._error is None:
            return
        assert self._task is not None
        ours = True
        if self._cancelled:
            ours = self._task.uncancel() <= self._cancelling
        if kind is None or (ours and self._cancelled and issubclass(kind, asyncio.CancelledError)):
            raise LockLost(self._error.detail) from error


async def guarded(work: Coroutine[Any, Any, R], holdings: Sequence[Holding]) -> R:
    """Do the work, unless one of these locks is lost before its end."""
    try:
        async with Guard(holdings):
            return await work
    finally:
        # Where it never began.
        work.close()


def under_locks(work: Coroutine[Any, Any, R]) -> Coroutine[Any, Any, R]:
    """The work as it is done here: guarded by the locks of this thread, if there are any."""
    holdings = held.all_own()
    return guarded(work, holdings) if holdings else work
