"""A clock that stands still until a test moves it.

What belongs here: `ManualClock`, the second implementation of `cairnfs.clock.Clock`. Reading it is safe
in any thread; it is moved from one place, usually the test's own loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable

from cairnfs.clock import SystemClock

#: 2026-01-01T00:00:00Z, for no other reason than that it is easy to recognise.
BEGINNING_US = 1_767_225_600_000_000
#: How often the loop is let round between two moves, so that what woke up can do its work.
_ROUNDS = 25


class ManualClock:
    """Time moved by hand. `advance` wakes sleepers; nothing else does."""

    def __init__(self, now_us: int = BEGINNING_US) -> None:
        """`now_us`: wall-clock time at the beginning, in microseconds since 1970."""
        self._wall_us = now_us
        self._passed_us = 0
        self._slept_us = 0
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self._wall_us + self._passed_us + self._slept_us

    def monotonic(self) -> float:
        """Seconds since the clock was made, without `suspend`."""
        return self._passed_us / 1e6

    def boottime(self) -> float:
        """Seconds since the clock was made."""
        return (self._passed_us + self._slept_us) / 1e6

    @property
    def sleepers(self) -> int:
        """How many wait for time to pass."""
        with self._lock:
            return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved by so much."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            wake_us = self._passed_us + max(1, round(min(seconds, 1e9) * 1e6))
            heapq.heappush(self._sleepers, (wake_us, next(self._order), future))
        await future

    def advance(self, seconds: float) -> None:
        """Move on and wake whom it concerns, in order; they run when the loop comes round."""
        with self._lock:
            self._passed_us += round(seconds * 1e6)
            due = []
            while self._sleepers and self._sleepers[0][0] <= self._passed_us:
                due.append(heapq.heappop(self._sleepers)[2])
        for future in due:
            future.get_loop().call_soon_threadsafe(_wake, future)

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: wall-clock and boot time go on, `monotonic` and sleepers do not."""
        self._slept_us += round(seconds * 1e6)

    def set_wall(self, now_us: int) -> None:
        """Somebody sets the machine's date, forward or back."""
        self._wall_us = now_us - self._passed_us - self._slept_us

    async def run(self, seconds: float) -> None:
        """Move on from sleeper to sleeper, so that what repeats every second does so every second."""
        end_us = self._passed_us + round(seconds * 1e6)
        await _rounds()
        while self._passed_us < end_us:
            with self._lock:
                first_us = self._sleepers[0][0] if self._sleepers else end_us
            self.advance((max(min(first_us, end_us), self._passed_us) - self._passed_us) / 1e6)
            await _rounds()

    async def until(
        self, condition: Callable[[], bool], *, step_s: float = 0.1, limit_s: float = 120.0
    ) -> None:
        """Move on in steps until the condition holds; for work that also goes on in threads.

        Raises TimeoutError when `limit_s` of this clock have passed.
        """
        end = self.monotonic() + limit_s
        while not condition():
            if self.monotonic() >= end:
                raise TimeoutError(f"after {limit_s:g} s of the clock it still does not hold")
            await self.run(step_s)
            # Threads live in real time: a moment of it for each step.
            await SystemClock().sleep(0.001)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _rounds() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
