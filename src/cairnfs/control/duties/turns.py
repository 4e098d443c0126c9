"""Doing the duties: each in its own loop, while this process leads, one bounded turn after another.

A turn that fails is told to the log and tried again at the next; a turn that takes too long is
cancelled. What belongs here: loops, failures, starting and stopping. What does not: who leads
(`leadership.py`) and what a duty does. One event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from cairnfs.clock import Clock
from cairnfs.control.duties.leadership import Leadership, Term
from cairnfs.errors import CairnError
from cairnfs.net.deadlines import within

#: No turn takes longer.
TURN_MAX_S = 120.0
#: Between two turns that follow at once: those who wait for the clock go first.
BREATH_S = 0.01
_log = structlog.get_logger("cairnfs.control.duties")


class Duty(Protocol):
    """Something to be done now and then by one process of the cluster."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    @property
    def every_s(self) -> float:
        """Seconds between two turns."""
        ...

    async def turn(self, term: Term) -> bool:
        """Do a bounded part of it; True where more waits to be done at once.

        Each tx checks the term. Raises CairnError where it should be tried again later.
        """
        ...

    def rest(self) -> None:
        """This process does not lead (any more): forget what was seen."""
        ...


class Turns:
    """Runs duties."""

    def __init__(self, leadership: Leadership, duties: Sequence[Duty], clock: Clock) -> None:
        self._leadership = leadership
        self._duties = duties
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin one loop for each duty."""
        self._tasks = [asyncio.create_task(self._run(duty), name=duty.name) for duty in self._duties]

    async def stop(self) -> None:
        """Cancel every loop; a duty may be stopped between any two of its steps."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _run(self, duty: Duty) -> None:
        more = False
        while True:
            await self._clock.sleep(BREATH_S if more else duty.every_s)
            more = await self.once(duty)

    async def once(self, duty: Duty) -> bool:
        """One turn of a duty if this process leads; True where more waits to be done at once."""
        term = self._leadership.term
        if term is None:
            duty.rest()
            return False
        try:
            async with within(self._clock, TURN_MAX_S):
                return await duty.turn(term)
        except CairnError as error:
            _log.info("a duty will be tried again", duty=duty.name, error=str(error), code=error.code)
        except TimeoutError:
            _log.warning("a duty took too long", duty=duty.name, limit_s=TURN_MAX_S)
        except Exception:  # noqa: BLE001 -- logged, and the next turn may go well
            _log.exception("a duty failed", duty=duty.name)
        return False
