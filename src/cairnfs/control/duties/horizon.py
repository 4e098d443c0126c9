"""Moving the horizon after retention, as far as what sessions need lets it. One event loop."""

from __future__ import annotations

import structlog

from cairnfs.clock import Clock
from cairnfs.control.duties.leadership import Term
from cairnfs.ids import CommitNumber
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops.retention import MoveHorizon, due
from cairnfs.metadata.rows import clock as clock_row

_DEADLINE_S = 5.0
_log = structlog.get_logger("cairnfs.control.horizon")


class Horizon:
    """The duty."""

    name = "horizon"
    every_s = 10.0

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    def rest(self) -> None:
        """Nothing is remembered."""

    async def turn(self, term: Term) -> bool:
        """Move it once. Where it would stay the clock is left alone."""

        def look(tx: Tx) -> CommitNumber | None:
            return due(tx, clock_row.read(tx), tx.now_us())

        if await self._driver.read(look) is not None:
            deadline = self._clock.monotonic() + _DEADLINE_S
            moved = await self._driver.submit(MoveHorizon(deadline=deadline, term=term))
            _log.info("history before this commit can no longer be read", horizon=moved)
        return False
