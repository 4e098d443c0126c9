"""Waiting for the next commit: woken by one's own process at once, by others within a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from cairnfs.clock import SystemClock
from cairnfs.control.feed import LOOK_EVERY_S, Feed
from cairnfs.errors import Busy, CairnError, Unavailable
from cairnfs.ids import CommitNumber, Incarnation
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.driver import CommitEvent, Driver
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.testing.clock import ManualClock
from tests.unit.metadata.operations import Note


class FakeDriver:
    """A clock row in memory, of which this process knows what it is told."""

    def __init__(self, row: ClockRow) -> None:
        self.row = row
        self.looks = 0
        self.failure: CairnError | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._listeners: list[Callable[[CommitEvent], None]] = []

    def on_commit(self, listener: Callable[[CommitEvent], None]) -> None:
        self._listeners.append(listener)

    async def read(self, function: Callable[..., Any]) -> ClockRow:
        assert function is clock_row.read
        self.looks += 1
        row = self.row
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return row

    def move(self, number: int, incarnation: int | None = None) -> None:
        """Another process commits."""
        self.row = replace(
            self.row,
            commit_number=CommitNumber(number),
            incarnation=Incarnation(incarnation or self.row.incarnation),
        )

    def commit(self, number: int, incarnation: int | None = None) -> None:
        """This process commits."""
        before = self.row
        self.move(number, incarnation)
        for listener in self._listeners:
            listener(CommitEvent(before, self.row))


class Scene:
    """A feed over a clock row at commit 10, with time in the test's hands."""

    def __init__(self) -> None:
        names = ClockRow.columns()
        row = ClockRow(**dict.fromkeys(names, 1))  # type: ignore[arg-type]
        self.clock = ManualClock()
        self.clock.advance(100)
        self.driver = FakeDriver(row)
        self.driver.move(10)
        self.feed = Feed(cast(Driver, self.driver), self.clock)

    def waiting(self, commit: int = 10, timeout_s: float = 60.0) -> asyncio.Task[CommitNumber]:
        return asyncio.create_task(self.feed.wait_beyond(commit, timeout_s))

    async def settle(self) -> None:
        """Let everything run that needs no time."""
        await self.clock.run(0)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.feed.close()


async def test_the_first_wait_looks_and_knows(scene: Scene) -> None:
    assert (scene.feed.newest, scene.feed.incarnation, scene.feed.as_of) == (-1, None, float("-inf"))
    assert await scene.feed.wait_beyond(-1, 60) == 10
    assert (scene.feed.newest, scene.feed.incarnation, scene.feed.as_of) == (10, 1, 100.0)


async def test_a_commit_of_this_process_wakes_at_once(scene: Scene) -> None:
    waiting = scene.waiting()
    await scene.settle()
    scene.driver.commit(11)
    await scene.settle()
    assert waiting.done()
    assert await waiting == 11
    assert scene.clock.monotonic() == 100


async def test_what_is_known_already_needs_no_waiting(scene: Scene) -> None:
    scene.driver.commit(12)
    assert await scene.feed.wait_beyond(10, 60) == 12


async def test_a_commit_of_another_process_wakes_at_the_next_look(scene: Scene) -> None:
    waiting = scene.waiting()
    await scene.settle()
    scene.driver.move(13)
    await scene.clock.run(LOOK_EVERY_S)
    assert await waiting == 13
    assert scene.feed.as_of == 100 + LOOK_EVERY_S


async def test_time_runs_out(scene: Scene) -> None:
    waiting = scene.waiting(timeout_s=2)
    await scene.clock.run(1.9)
    assert not waiting.done()
    await scene.clock.run(0.2)
    assert await waiting == 10
    assert scene.feed.as_of == 102


async def test_time_runs_out_before_the_first_look(scene: Scene) -> None:
    scene.driver.may_answer.clear()
    waiting = scene.waiting(7, timeout_s=2)
    await scene.clock.run(2)
    assert await waiting == 7
    assert scene.feed.as_of == float("-inf")


async def test_200_watchers_are_woken_by_one_commit(scene: Scene) -> None:
    waiting = [scene.waiting() for _ in range(200)]
    await scene.settle()
    looks = scene.driver.looks
    scene.driver.commit(11)
    await scene.settle()
    assert {await each for each in waiting} == {11}
    assert looks == 1


async def test_nobody_looks_while_nobody_waits(scene: Scene) -> None:
    await scene.clock.run(10)
    assert scene.driver.looks == 0
    await scene.feed.wait_beyond(-1, 60)
    await scene.clock.run(10)
    assert scene.driver.looks == 1
    # A stream that waits again and again is one watcher, not one look for each wait.
    for _ in range(20):
        waiting = scene.waiting(timeout_s=0.125)
        await scene.clock.run(0.125)
        await waiting
    assert scene.driver.looks <= 12


async def test_however_many_wait_there_is_one_look_a_turn(scene: Scene) -> None:
    waiting = [scene.waiting(timeout_s=10) for _ in range(50)]
    await scene.clock.run(2.1)
    assert scene.driver.looks == 9
    scene.driver.commit(11)
    await asyncio.gather(*waiting)


async def test_a_database_that_does_not_answer_is_not_taken_for_silence(scene: Scene) -> None:
    """Waits go on and end in their time, but nothing is claimed to be known as of now."""
    waiting = scene.waiting(timeout_s=3)
    await scene.clock.run(0.3)
    scene.driver.failure = Busy("the database is away")
    await scene.clock.run(3)
    assert await waiting == 10
    assert scene.feed.as_of == 100.25
    scene.driver.failure = None
    scene.driver.move(14)
    waiting = scene.waiting()
    await scene.clock.run(0.5)
    assert await waiting == 14
    assert scene.feed.as_of > 103


@pytest.mark.parametrize("number", [5, 10, 1_000_000])
@pytest.mark.parametrize("heard", [True, False])
async def test_a_new_incarnation_wakes_everybody(scene: Scene, number: int, heard: bool) -> None:
    waiting = [scene.waiting(commit) for commit in (10, 11, 2_000_000)]
    await scene.settle()
    (scene.driver.commit if heard else scene.driver.move)(number, incarnation=2)
    await scene.clock.run(LOOK_EVERY_S)
    assert [await each for each in waiting] == [number] * 3
    assert scene.feed.incarnation == 2


async def test_a_look_that_lagged_does_not_turn_back_time(scene: Scene) -> None:
    await scene.feed.wait_beyond(-1, 60)
    scene.driver.may_answer.clear()
    waiting = scene.waiting(2_000_000)
    await scene.clock.run(1)
    assert scene.driver.looks == 2
    scene.driver.commit(1_000_000, incarnation=2)
    await scene.settle()
    assert await waiting == 1_000_000
    scene.driver.may_answer.set()
    await scene.settle()
    assert (scene.feed.newest, scene.feed.incarnation) == (1_000_000, 2)


async def test_closing_ends_all_waits(scene: Scene) -> None:
    waiting = [scene.waiting() for _ in range(3)]
    await scene.settle()
    await scene.feed.close()
    for each in waiting:
        with pytest.raises(Unavailable, match="stopping"):
            await each
    with pytest.raises(Unavailable, match="stopping"):
        await scene.feed.wait_beyond(3, 60)
    looks = scene.driver.looks
    await scene.clock.run(5)
    assert scene.driver.looks == looks


async def test_a_wait_given_up_leaves_nothing_behind(scene: Scene) -> None:
    waiting = scene.waiting()
    await scene.settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await scene.clock.run(1)
    assert scene.clock.sleepers == 0


async def test_two_processes_on_one_database(database: Database) -> None:
    """Each sees the other's commits, in order and without being told."""
    clock = SystemClock()
    drivers = [Driver(database, clock), Driver(database, clock)]
    feed, other = Feed(drivers[0], clock), Feed(drivers[1], clock)
    try:
        seen = await feed.wait_beyond(-1, 10)
        for number in range(6):
            noted = await drivers[number % 2].submit(Note(f"note {number}"))
            async with asyncio.timeout(10):
                assert await feed.wait_beyond(seen, 10) == noted.commit
                assert await other.wait_beyond(seen, 10) == noted.commit
            seen = CommitNumber(noted.commit)
    finally:
        for each in (feed, other):
            await each.close()
        for driver in drivers:
            await driver.close()
