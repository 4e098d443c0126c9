"""Ending trees in the making at which nobody works any more, left by a crash or a refusal. One event loop."""

from __future__ import annotations

from cairnfs.clock import Clock
from cairnfs.control.duties.leadership import Term
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops.detached import AbandonTrees, abandoned

_DEADLINE_S = 5.0


class Detached:
    """The duty. What it turns into orphans, the duty of orphans ends page by page."""

    name = "detached"
    every_s = 60.0

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    def rest(self) -> None:
        """Nothing is remembered."""

    async def turn(self, term: Term) -> bool:
        """One page; more waits if it was not empty. Where nothing waits the clock is left alone."""

        def look(tx: Tx) -> bool:
            return bool(abandoned(tx, tx.now_us(), 1))

        if not await self._driver.read(look):
            return False
        deadline = self._clock.monotonic() + _DEADLINE_S
        return await self._driver.submit(AbandonTrees(deadline=deadline, term=term)) > 0
