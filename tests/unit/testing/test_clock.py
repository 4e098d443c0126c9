"""The clock that tests move: it keeps the contract of `Clock`, and only ever moves by hand."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cairnfs.clock import Clock, SystemClock
from cairnfs.testing.clock import ManualClock


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
async def test_what_any_clock_does(clock: Clock) -> None:
    before = (clock.monotonic(), clock.boottime(), clock.now_us())
    await clock.sleep(0)
    await clock.sleep(-1)
    after = (clock.monotonic(), clock.boottime(), clock.now_us())
    assert all(later >= earlier for earlier, later in zip(before, after, strict=True))
    assert clock.now_us() > 1_700_000_000_000_000


async def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    wall = clock.now_us()
    clock.advance(1.5)
    assert (clock.monotonic(), clock.boottime(), clock.now_us() - wall) == (1.5, 1.5, 1_500_000)


async def test_sleepers_wake_in_order() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    tasks = [
        asyncio.create_task(sleeper(*each)) for each in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("b2", 2.0))
    ]
    await clock.run(2.5)
    assert [*woken] == [("a", 1.0), ("b", 2.0), ("b2", 2.0)]
    assert clock.sleepers == 1
    await clock.run(1)
    assert woken[-1] == ("c", 3.0)
    await asyncio.gather(*tasks)


async def test_what_repeats_every_second_does_so_every_second() -> None:
    clock = ManualClock()
    beats: list[float] = []

    async def beat() -> None:
        while True:
            await clock.sleep(1)
            beats.append(clock.monotonic())

    task = asyncio.create_task(beat())
    await clock.run(5)
    assert beats == [1, 2, 3, 4, 5]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleepers == 0


async def test_a_machine_that_sleeps_counts_only_in_boottime() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.run(1)
    wall = clock.now_us()
    clock.suspend(3600)
    assert (clock.monotonic(), clock.boottime(), clock.now_us() - wall) == (1, 3601, 3_600_000_000)
    assert not task.done()
    await clock.run(4)
    await task


async def test_the_date_can_be_set_back_and_nothing_else_moves() -> None:
    clock = ManualClock()
    clock.advance(10)
    clock.set_wall(5)
    assert (clock.now_us(), clock.monotonic()) == (5, 10)
    clock.advance(1)
    assert clock.now_us() == 1_000_005


async def test_until_moves_on_while_threads_work() -> None:
    clock = ManualClock()
    done = threading.Event()
    work = asyncio.get_running_loop().run_in_executor(None, done.set)
    await clock.until(done.is_set)
    await work
    assert clock.monotonic() <= 120


async def test_until_gives_up() -> None:
    clock = ManualClock()
    with pytest.raises(TimeoutError, match="after 1 s"):
        await clock.until(lambda: False, limit_s=1)


async def test_a_thread_may_move_it() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    await asyncio.get_running_loop().run_in_executor(None, clock.advance, 1.0)
    async with asyncio.timeout(5):
        await task
