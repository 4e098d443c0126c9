"""Ending sessions whose counter stood still for a whole lease.

What belongs here: looking and judging. What does not: what the end of a session does
(`metadata/ops/sessions.py`), which checks in its tx that the counter is still the one seen. One
event loop.
"""

from __future__ import annotations

import structlog

from cairnfs.clock import Clock
from cairnfs.control.duties.leadership import Term
from cairnfs.control.duties.watching import Watch
from cairnfs.ids import SessionId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import sessions

LEASE_S = 15.0
#: Sessions ended in one tx.
PAGE = 500
_DEADLINE_S = 5.0
_log = structlog.get_logger("cairnfs.control.sessions")


class SessionExpiry:
    """The duty."""

    name = "session expiry"
    every_s = 1.0

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock
        self._watch: Watch[SessionId] = Watch(gap_max_s=2 * self.every_s)

    def rest(self) -> None:
        """Another process leads: what was seen says nothing by the time this one leads again."""
        self._watch.forget()

    async def turn(self, term: Term) -> bool:
        """Look at every counter; end up to PAGE sessions that are over."""
        counters = dict(await self._driver.read(sessions.counters))
        still = self._watch.look(counters, self._clock.monotonic())
        over = [(session, counters[session]) for session, still_s in still.items() if still_s >= LEASE_S]
        if not over:
            return False
        deadline = self._clock.monotonic() + _DEADLINE_S
        ended = await self._driver.submit(sessions.ExpireSessions(over[:PAGE], deadline=deadline, term=term))
        for session in ended:
            _log.info("a session is over", session=session[:8])
        return len(over) > PAGE
