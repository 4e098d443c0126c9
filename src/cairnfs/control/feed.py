"""The newest commit this process knows of, and who waits for the next one; the clock row, for who follows it.

Commits of this process are told by the driver. Those of other control-plane processes on the same database
are seen by looking at the clock row, four times a second, and only while somebody waits. What belongs here:
waking. What does not: what the commits changed, and for whose eyes (`directory/`, `locks/`). One event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from cairnfs.clock import Clock
from cairnfs.errors import CairnError, Unavailable
from cairnfs.ids import CommitNumber, Incarnation
from cairnfs.metadata.driver import CommitEvent, Driver
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.net.deadlines import within

LOOK_EVERY_S = 0.25
_log = structlog.get_logger("control.feed")


class Feed:
    """One for a control-plane process. Made on the driver's event loop; `close` it before the driver.

    `newest`: the newest commit known, -1 before the first look. `incarnation`: of that commit, None before
    the first look. `as_of` (the clock's monotonic seconds): all commits made by then are known; minus
    infinity before the first look. It stands still while nobody waits or the database does not answer.
    """

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self.newest = CommitNumber(-1)
        self.incarnation: Incarnation | None = None
        self.as_of = float("-inf")
        self._driver = driver
        self._clock = clock
        self._news = asyncio.Event()
        self._watchers = 0
        self._events = 0
        self._closed = False
        self._followers: list[Callable[[ClockRow, CommitEvent | None], None]] = []
        self._looking: asyncio.Task[None] | None = None
        driver.on_commit(self._heard)

    async def wait_beyond(self, commit: int, timeout_s: float) -> CommitNumber:
        """The newest commit known: once it is beyond `commit`, or what it is after `timeout_s`.

        Returns early, too, when the incarnation changes: compare `incarnation`. Read `as_of` right after,
        before any other await. Raises Unavailable when the process is stopping.
        """
        began_in = self.incarnation
        self._watchers += 1
        self._look_on()
        try:
            async with within(self._clock, timeout_s):
                while not self._closed and self.newest <= commit and self.incarnation == began_in:
                    await self._news.wait()
                    if began_in is None:
                        began_in = self.incarnation
        except TimeoutError:
            pass
        finally:
            self._watchers -= 1
        if self._closed:
            raise Unavailable("the server is stopping")
        return self.newest if self.incarnation is not None else CommitNumber(commit)

    @contextmanager
    def following(self, tell: Callable[[ClockRow, CommitEvent | None], None]) -> Iterator[None]:
        """While the body runs, tell each clock row that is heard of or looked at; one may be older than the
        one before. `tell` is quick and raises nothing."""
        self._followers.append(tell)
        self._watchers += 1
        self._look_on()
        try:
            yield
        finally:
            self._watchers -= 1
            self._followers.remove(tell)

    async def close(self) -> None:
        """End all waits, and the looking."""
        self._closed = True
        self._wake()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _heard(self, event: CommitEvent) -> None:
        self._events += 1
        self._learn(event.after)
        self._tell(event.after, event)

    def _learn(self, row: ClockRow) -> None:
        if row.incarnation != self.incarnation or row.commit_number > self.newest:
            self.newest, self.incarnation = row.commit_number, row.incarnation
            self._wake()

    def _tell(self, row: ClockRow, event: CommitEvent | None = None) -> None:
        for tell in self._followers:
            tell(row, event)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _look_on(self) -> None:
        if not self._closed and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(), name="feed")

    async def _look(self) -> None:
        """Look until nobody has waited for a whole turn: a stream waits again and again."""
        while True:
            began, events = self._clock.monotonic(), self._events
            try:
                row = await self._driver.read(clock_row.read)
            except CairnError as error:
                _log.debug("the clock row could not be read", error=str(error))
            else:
                # What was read may be older than what was heard since, never of a later incarnation.
                if events == self._events or row.incarnation == self.incarnation:
                    self._learn(row)
                    self._tell(row)
                    self.as_of = began
            await self._clock.sleep(LOOK_EVERY_S)
            if not self._watchers:
                return
