"""Ending what lies below directories that were removed with all below them, page by page. One event loop."""

from __future__ import annotations

from cairnfs.clock import Clock
from cairnfs.control.duties.leadership import Term
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops.reap import Reap
from cairnfs.metadata.rows import orphans

_DEADLINE_S = 5.0


class Orphans:
    """The duty."""

    name = "orphans"
    every_s = 1.0

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    def rest(self) -> None:
        """Nothing is remembered."""

    async def turn(self, term: Term) -> bool:
        """One page; more waits if it was not empty. Where nothing waits the clock is left alone."""
        if not await self._driver.read(lambda tx: orphans.oldest(tx, 1)):
            return False
        deadline = self._clock.monotonic() + _DEADLINE_S
        return await self._driver.submit(Reap(deadline=deadline, term=term)) > 0
