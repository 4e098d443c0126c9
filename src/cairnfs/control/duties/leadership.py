"""Which control-plane process does the duties: one at a time, proven by a term.

The leader raises a counter every second. Another process takes over, with the next term, when it has
seen the counter unchanged for three seconds of its own. The leader counts its own three seconds from
*sending* each renewal, so it stops before anyone can begin; and every tx of a duty checks the
term, so that one which slept through all that changes nothing. The times: `core/leases`. One event loop.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import NewType

import structlog

from cairnfs.clock import Clock
from cairnfs.control.duties.watching import Watch
from cairnfs.core.leases import LeadTimes
from cairnfs.errors import CairnError
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import leader

Term = NewType("Term", int)  #: grows with each change of leader

_log = structlog.get_logger("cairnfs.control.leadership")


@dataclass(frozen=True, slots=True)
class _Leads:
    term: Term
    until: float  # on the clock's monotonic


class Leadership:
    """This process's part in the election. `term` is None while another leads."""

    def __init__(self, driver: Driver, clock: Clock, times: LeadTimes | None = None) -> None:
        times = times or LeadTimes()
        self._driver = driver
        self._clock = clock
        self._renew_s, self._lease_s = times.renew_ms / 1000, times.lease_ms / 1000
        self._holder = secrets.token_hex(16)
        self._watch: Watch[str] = Watch(gap_max_s=2 * self._renew_s)
        self._leads: _Leads | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def term(self) -> Term | None:
        """The term in which this process leads now."""
        leads = self._leads
        return leads.term if leads is not None and self._clock.monotonic() < leads.until else None

    def start(self) -> None:
        """Begin to stand for election."""
        self._task = asyncio.create_task(self._run(), name="leadership")

    async def stop(self) -> None:
        """Stand no more, and leave the lead to the next at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        leads, self._leads = self._leads, None
        if leads is not None:
            try:
                await self._driver.light(lambda tx: leader.resign(tx, self._holder, leads.term))
            except CairnError as error:
                _log.info("could not resign", error=str(error))

    async def _run(self) -> None:
        while True:
            try:
                await self.stand()
            except CairnError as error:
                _log.info("could not stand for election", error=str(error))
            await self._clock.sleep(self._renew_s)

    async def stand(self) -> None:
        """Renew the lead, or take it where it is free, or look on."""
        sent = self._clock.monotonic()
        term = await self._driver.light(self._once)
        before, self._leads = self._leads, None if term is None else _Leads(term, sent + self._lease_s)
        if term is not None and (before is None or before.term != term):
            _log.info("this process does the duties", term=term)
        elif term is None and before is not None:
            _log.info("another process does the duties")

    def _once(self, tx: Tx) -> Term | None:
        present = leader.read(tx)
        if present is not None and present.holder == self._holder:
            return Term(present.term) if leader.renew(tx, self._holder, present.term) else None
        if present is not None and present.holder:
            seen = (present.holder, present.term, present.counter)
            still_s = self._watch.look({"leader": seen}, self._clock.monotonic())["leader"]
            if still_s < self._lease_s:
                return None
        term = leader.take(tx, self._holder, present)
        return None if term is None else Term(term)
