"""Giving locks back, surely: as long as the session lives, whoever waits for it.

A release whose answer is lost is sent again; a request whose answer is lost is sent again too, to learn its
number, and then withdrawn: the same request never makes two locks. What ends before is freed with its
session. What belongs here: that. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from cairnfs.client.control import Control
from cairnfs.client.locks.background import in_background
from cairnfs.client.locks.held import Lease
from cairnfs.client.retry import PAUSE_FIRST_S
from cairnfs.errors import (
    CairnError,
    Internal,
    LockTokenWrong,
    NoSuchLock,
    OutcomeUnknown,
    SessionEnded,
    Unavailable,
)
from cairnfs.net.deadlines import within
from cairnfs.wire.endpoints.locks import ACQUIRE_LOCK, RELEASE_LOCKS
from cairnfs.wire.locks import AcquireRequest, LockReply, LockToken, ReleaseRequest

_ATTEMPT_S = 10.0
_PAUSE_MOST_S = 5.0
#: How long somebody waits for a release before it goes on without them; and somebody in a hurry.
WAIT_S, HURRY_S = 30.0, 2.0


class Releases:
    """Releases of one client on their way."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._clock = control.clock
        self._tasks: set[asyncio.Task[bool]] = set()

    async def release(self, hold: Lease, lock: int, token: str, *, wait_s: float = WAIT_S) -> bool:
        """Give a lock back, and with it its hold on the session. Whether it was there until now.

        Whoever waits no longer (after `wait_s`), or is cancelled, only does not see the end of it.
        """
        task = self._begin(self._release(hold, lock, token))
        # Of a session that is over there is nothing to wait for, though it may end there sooner by this.
        return False if hold.is_over else await self._watch(task, wait_s)

    def withdraw_later(self, hold: Lease, request: AcquireRequest) -> None:
        """Take back a request of which it is not known what became, without waiting."""
        _ = self._begin(self._withdraw(hold, request))

    def release_later(self, hold: Lease, lock: int, token: str) -> None:
        """As `release`, without waiting."""
        _ = self._begin(self._release(hold, lock, token))

    async def close(self) -> None:
        """The session ends now, and with it what was not given back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[None, None, bool]) -> asyncio.Task[bool]:
        task = in_background(work, "cairn release")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watch(self, task: asyncio.Task[bool], wait_s: float) -> bool:
        try:
            async with within(self._clock, wait_s):
                return await asyncio.shield(task)
        except TimeoutError:
            return True

    async def _release(self, hold: Lease, lock: int, token: str) -> bool:
        request = ReleaseRequest(locks=[LockToken(lock=lock, token=token)])
        unknown = False
        pause_s = PAUSE_FIRST_S
        try:
            while True:
                try:
                    await self._control.once(RELEASE_LOCKS, request, timeout_s=_ATTEMPT_S)
                    return True
                except (NoSuchLock, LockTokenWrong):
                    return unknown
                except (Unavailable, Internal) as error:
                    unknown = unknown or isinstance(error, OutcomeUnknown | Internal)
                except CairnError:
                    # Nobody who may not release may hold for long: the session is not renewed either.
                    return True
                if hold.is_over:
                    return False
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_MOST_S)
        finally:
            hold.release()

    async def _withdraw(self, hold: Lease, request: AcquireRequest) -> bool:
        pause_s = PAUSE_FIRST_S
        try:
            while not hold.is_over:
                try:
                    found: LockReply = await self._control.once(ACQUIRE_LOCK, request, timeout_s=_ATTEMPT_S)
                except (Unavailable, Internal):
                    await self._clock.sleep(pause_s)
                    pause_s = min(2 * pause_s, _PAUSE_MOST_S)
                    continue
                except SessionEnded as error:
                    hold.end(error.detail)
                    return False
                except CairnError:
                    # It was refused: nothing is held and nobody waits.
                    return False
                return await self._release(hold, found.lock, request.token)
            return False
        finally:
            hold.release()
