"""The only reader of time.

Every other module is given a `Clock`: that is what lets a whole cluster run in one process under
a clock that tests move by hand (`cairnfs.testing.clock.ManualClock`). Wall-clock time is for
people; whatever waits, expires or is measured uses `monotonic` or `boottime`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as the rest of Cairn sees it. Methods may be called from any thread; `sleep` from a loop."""

    def now_us(self) -> int:
        """Wall-clock time in microseconds since 1970 (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; stands still while the machine sleeps."""
        ...

    def boottime(self) -> float:
        """Seconds that never go back and go on while the machine sleeps: for leases."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of `monotonic`."""
        ...


class SystemClock:
    """The machine's own time."""

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def boottime(self) -> float:
        """CLOCK_BOOTTIME in seconds where the system has it, else CLOCK_MONOTONIC."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)
