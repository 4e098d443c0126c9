"""Ending sessions whose counter stood still for a whole lease, each by the lease that it was promised.

What belongs here: looking, often enough for the shortest lease, and judging. What does not: what the end of a
session does (`metadata/ops/sessions.py`), which checks in its tx that the counter is still the one seen; the
times (`core/leases`). One event loop.
"""

from __future__ import annotations

import structlog

from cairnfs.clock import Clock
from cairnfs.control.duties.leadership import Term
from cairnfs.control.duties.watching import Watch
from cairnfs.core.leases import LeaseTimes, look_every_ms
from cairnfs.ids import SessionId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import sessions

#: Sessions ended in one tx.
PAGE = 500
_DEADLINE_S = 5.0
_log = structlog.get_logger("cairnfs.control.sessions")


class SessionExpiry:
    """The duty."""

    name = "session expiry"

    def __init__(self, driver: Driver, clock: Clock, times: LeaseTimes | None = None) -> None:
        """`times`: what new sessions are promised here; others may have been promised something else."""
        self._driver = driver
        self._clock = clock
        self._promised_ms = (times or LeaseTimes()).lease_ms
        self._shortest_ms = self._promised_ms
        self._watch: Watch[SessionId] = Watch(gap_max_s=2 * self.every_s)

    @property
    def every_s(self) -> float:
        """Seconds between two looks: a small part of the shortest lease there is."""
        return look_every_ms(self._shortest_ms) / 1000

    def rest(self) -> None:
        """Another process leads: what was seen says nothing by the time this one leads again."""
        self._watch.forget()

    async def turn(self, term: Term) -> bool:
        """Look at every counter; end up to PAGE sessions that are over."""
        seen = await self._driver.read(sessions.counters)
        still = self._watch.look({session: counter for session, counter, _ in seen}, self._clock.monotonic())
        self._shortest_ms = min((lease_ms for _, _, lease_ms in seen), default=self._promised_ms)
        self._shortest_ms = min(self._shortest_ms, self._promised_ms)
        self._watch.gap_max_s = 2 * self.every_s
        over = [
            (session, counter) for session, counter, lease_ms in seen if still[session] * 1000 >= lease_ms
        ]
        if not over:
            return False
        deadline = self._clock.monotonic() + _DEADLINE_S
        ended = await self._driver.submit(sessions.ExpireSessions(over[:PAGE], deadline=deadline, term=term))
        for session in ended:
            _log.info("a session is over", session=session[:8])
        return len(over) > PAGE
