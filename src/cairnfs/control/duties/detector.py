"""Finding fileservers that have gone silent: suspect after 3 s without a heartbeat, down after 5 s.

A heartbeat itself makes a fileserver "up" again (`cluster/routes.py`). Where over a third of them go
down within a few seconds, the network or this side is likelier to be at fault than all of them: an
alarm, and nothing but their state follows. One event loop.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal

import structlog

from cairnfs.clock import Clock
from cairnfs.control.duties.leadership import Term
from cairnfs.control.duties.watching import Watch
from cairnfs.core.leases import HeartbeatTimes
from cairnfs.ids import FileserverId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import fileservers
from cairnfs.metadata.rows.fileservers import Fileserver

#: Fileservers that went down within this time went "at once".
AT_ONCE_S = 10.0
_DEADLINE_S = 5.0
_log = structlog.get_logger("cairnfs.control.detector")


class Detector:
    """The duty."""

    name = "detector"
    every_s = 0.5

    def __init__(self, driver: Driver, clock: Clock, times: HeartbeatTimes | None = None) -> None:
        self._times = times or HeartbeatTimes()
        self._driver = driver
        self._clock = clock
        self._watch: Watch[FileserverId] = Watch(gap_max_s=2 * self.every_s)
        self._went_down: dict[FileserverId, float] = {}
        self._alarmed = False

    def rest(self) -> None:
        """Another process leads: what was seen says nothing by the time this one leads again."""
        self._watch.forget()
        self._went_down.clear()

    async def turn(self, term: Term) -> bool:
        """Look at every counter; change the state of those that went silent."""
        known = await self._driver.read(fileservers.every)
        counters: dict[FileserverId, Hashable] = {one.id: (one.boot, one.counter) for one in known}
        still = self._watch.look(counters, self._clock.monotonic())
        for one in known:
            found = self._found(one, still[one.id])
            if found is not None:
                await self._set(one, found, term)
        self._watch_for_many(known)
        return False

    def _found(self, one: Fileserver, still_s: float) -> Literal["suspect", "down"] | None:
        """What its silence says, where that is news."""
        if still_s * 1000 >= self._times.down_ms:
            return None if one.state == "down" else "down"
        if still_s * 1000 >= self._times.suspect_ms and one.state in ("up", "full"):
            return "suspect"
        return None

    async def _set(self, one: Fileserver, found: Literal["suspect", "down"], term: Term) -> None:
        operation = fileservers.SetState(
            one.id,
            found,
            deadline=self._clock.monotonic() + _DEADLINE_S,
            seen_counter=one.counter,
            term=term,
        )
        if await self._driver.submit(operation):
            _log.info("a fileserver is silent", fileserver=one.id, address=one.address, state=found)
            if found == "down":
                self._went_down[one.id] = self._clock.monotonic()

    def _watch_for_many(self, known: list[Fileserver]) -> None:
        now = self._clock.monotonic()
        self._went_down = {one: at for one, at in self._went_down.items() if now - at < AT_ONCE_S}
        many = len(self._went_down) > max(1, len(known) // 3)
        if many and not self._alarmed:
            _log.error(
                "over a third of the fileservers went down at once: nothing is copied elsewhere",
                down=sorted(self._went_down),
                fileservers=len(known),
            )
        self._alarmed = many
