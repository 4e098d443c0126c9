"""A wait is bounded by the clock that one was given."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.clock import Clock, SystemClock
from cairnfs.net.deadlines import within
from cairnfs.testing.clock import ManualClock


async def wait(clock: Clock, seconds: float, limit_s: float) -> str:
    async with within(clock, limit_s):
        await clock.sleep(seconds)
    return "done"


async def test_the_machines_clock_ends_a_wait() -> None:
    assert await wait(SystemClock(), 0.001, 10) == "done"
    with pytest.raises(TimeoutError):
        await wait(SystemClock(), 10, 0.001)


async def test_a_clock_moved_by_hand_ends_a_wait() -> None:
    clock = ManualClock()
    quick, slow = asyncio.create_task(wait(clock, 1, 5)), asyncio.create_task(wait(clock, 50, 5))
    await clock.run(4.9)
    assert quick.done()
    assert not slow.done()
    await clock.run(0.2)
    with pytest.raises(TimeoutError):
        await slow
    assert await quick == "done"
    await clock.run(0)
    assert clock.sleepers == 0


async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    clock = ManualClock()
    task = asyncio.create_task(wait(clock, 50, 5))
    await clock.run(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ends_at_the_last_moment_counts() -> None:
    clock = ManualClock()
    tasks = [asyncio.create_task(wait(clock, 5, 5)) for _ in range(3)]
    await clock.run(5)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result == "done" or isinstance(result, TimeoutError) for result in results)


async def test_no_time_at_all_is_over_at_once() -> None:
    with pytest.raises(TimeoutError):
        await wait(SystemClock(), 1, -3)
