"""News of locks for many at once: one look for all of them, one waking for whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from cairnfs.clock import SystemClock
from cairnfs.control.locks.news import SOON_S, SWEEP_S, Follower, News, Waiter
from cairnfs.errors import Busy, Unavailable
from cairnfs.ids import SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.databases.sqlite import SqliteDatabase
from cairnfs.metadata.driver import Driver
from cairnfs.testing.clock import ManualClock
from cairnfs.wire.auth import TokenReply
from tests.unit.control.locks.asking import Client
from tests.unit.control.plane import Plane, empty_file, plane

PATH = "/home/ann/f"
MANY = 1_000


class CountedReads:
    """A driver whose reads are counted, and fail while they are told to."""

    def __init__(self, driver: Driver) -> None:
        self.count = 0
        self.failing = False
        self._driver = driver

    async def read(self, function: Callable[[Tx], Any]) -> Any:
        self.count += 1
        if self.failing:
            raise Busy("the database is away")
        return await self._driver.read(function)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Plane]:
    clock = ManualClock()
    with closing(SqliteDatabase(tmp_path / "cairn.sqlite", clock)) as database:
        async with plane(database=database, clock=clock) as made:
            yield made


@pytest.fixture
def reads(cluster: Plane, monkeypatch: pytest.MonkeyPatch) -> CountedReads:
    counted = CountedReads(cluster.app.driver)
    monkeypatch.setattr(cluster.app.news, "_driver", counted)
    return counted


@pytest.fixture
async def ann(cluster: Plane) -> TokenReply:
    user = await cluster.signup("ann")
    await cluster.commit(user.token, empty_file(PATH))
    return user


async def pass_time(cluster: Plane, seconds: float) -> None:
    end = cluster.clock.monotonic() + seconds
    while cluster.clock.monotonic() < end - 1e-9:
        await cluster.clock.run(0.05)
        await SystemClock().sleep(0.003)


async def woken(listener: Waiter | Follower) -> bool:
    """Whether there is news, without waiting for some."""
    task = asyncio.ensure_future(listener.wait(1e6))
    for _ in range(20):
        await SystemClock().sleep(0.005)
        if task.done():
            return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


async def test_however_many_wait_one_look_a_second_is_for_all(
    cluster: Plane, ann: TokenReply, reads: CountedReads
) -> None:
    client, news = await Client.begin(cluster, ann), cluster.app.news
    with ExitStack() as listening:
        for _ in range(MANY):
            listening.enter_context(news.waiting(1))
            listening.enter_context(news.following(SessionId(client.session.session)))
        await pass_time(cluster, 10 * SWEEP_S)
        assert 5 <= reads.count <= 13


async def test_of_a_thousand_only_whom_it_concerns_are_woken(cluster: Plane, ann: TokenReply) -> None:
    holder, next_one, news = (
        await Client.begin(cluster, ann),
        await Client.begin(cluster, ann),
        cluster.app.news,
    )
    held, asked = await holder.lock(PATH), await next_one.lock(PATH)
    others = [await next_one.lock(PATH) for _ in range(20)]
    with ExitStack() as listening:
        waiters = [listening.enter_context(news.waiting(one.lock)) for one in others * (MANY // 20)]
        mine = listening.enter_context(news.waiting(asked.lock))
        await pass_time(cluster, 2 * SWEEP_S)
        for one in (mine, *waiters):
            await one.wait(0)  # at first everybody looks for themselves
        await holder.release(held.lock)
        assert await woken(mine)
        assert mine.granted is not None
        assert mine.granted.lock == asked.lock
        await pass_time(cluster, SWEEP_S)
        assert all(one.granted is None for one in waiters)
        assert not await woken(waiters[0])


async def test_nobody_looks_while_nobody_waits(cluster: Plane, ann: TokenReply, reads: CountedReads) -> None:
    client, news = await Client.begin(cluster, ann), cluster.app.news
    await pass_time(cluster, 5)
    assert reads.count == 0
    with news.waiting(1):
        await pass_time(cluster, 1)
    await pass_time(cluster, 3 * SWEEP_S)
    count = reads.count
    await client.lock(PATH)
    await pass_time(cluster, 10)
    assert reads.count == count
    assert cluster.clock.sleepers == 0


async def test_who_comes_while_nobody_waited_is_told_too(cluster: Plane, ann: TokenReply) -> None:
    """The loop that looks has ended, or is about to, or has just begun."""
    holder, waiter, news = (
        await Client.begin(cluster, ann),
        await Client.begin(cluster, ann),
        cluster.app.news,
    )
    held = await holder.lock(PATH)
    for pause_s in (0.0, 0.1, 0.9 * SWEEP_S, SWEEP_S, 1.1 * SWEEP_S, 3 * SWEEP_S):
        asked = await waiter.lock(PATH)
        with news.waiting(asked.lock) as listener:
            await holder.release(held.lock)
            assert await woken(listener), pause_s
        held, holder, waiter = asked, waiter, holder
        await pass_time(cluster, pause_s)


async def test_a_database_that_is_away_for_a_while_loses_no_news(
    cluster: Plane, ann: TokenReply, reads: CountedReads
) -> None:
    holder, waiter, news = (
        await Client.begin(cluster, ann),
        await Client.begin(cluster, ann),
        cluster.app.news,
    )
    held, asked = await holder.lock(PATH), await waiter.lock(PATH)
    with news.waiting(asked.lock) as listener:
        reads.failing = True
        await pass_time(cluster, 2)
        await holder.release(held.lock)
        await pass_time(cluster, 2)
        assert not await woken(listener)
        reads.failing = False
        await pass_time(cluster, 1)
        assert await woken(listener)


async def test_that_a_request_ended_is_told_before_the_next_sweep(cluster: Plane, ann: TokenReply) -> None:
    holder, waiter = [await Client.begin(cluster, ann) for _ in range(2)]
    await holder.lock(PATH)
    took_s = 0.0
    for _ in range(6):
        asked = await waiter.lock(PATH)
        with cluster.app.news.waiting(asked.lock) as listener:
            await pass_time(cluster, 1.5 * SWEEP_S)
            await listener.wait(0)
            await waiter.release(asked.lock)
            began = cluster.clock.monotonic()
            told = asyncio.create_task(listener.wait(60))
            while not told.done():
                await pass_time(cluster, 0.05)
            took_s += cluster.clock.monotonic() - began
    assert took_s <= 6 * 2 * SOON_S


async def test_nobody_waits_at_a_process_that_stops(cluster: Plane, ann: TokenReply) -> None:
    news: News = cluster.app.news
    with news.waiting(1) as waiter, news.following(SessionId("1" * 32)) as follower:
        await cluster.app.stop()
        for one in (waiter, follower):
            with pytest.raises(Unavailable, match="stopping"):
                await one.wait(60)
    with news.waiting(1) as waiter, pytest.raises(Unavailable, match="stopping"):
        await waiter.wait(0)
