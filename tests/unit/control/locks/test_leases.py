"""Locks end with the leases that hold them, and not before: silence, restarts, takeovers, two processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.control.feed import LOOK_EVERY_S
from cairnfs.control.locks import news
from cairnfs.core.leases import LeadTimes, LeaseTimes, Times
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import SqliteDatabase
from cairnfs.metadata.driver import READERS, CommitEvent
from cairnfs.metadata.ops import leader
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.flaky_database import Fault, FlakyDatabase
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.locks import LockReply
from tests.unit.control.locks.asking import Client, proof
from tests.unit.control.plane import Plane, empty_file, plane

PATH, OTHER = "/home/ann/f", "/home/ann/g"
LEASE_S = LeaseTimes().lease_ms / 1000
#: The duty looks every second: at first to see a counter, at last to see that it stood still. Where a machine
#: has much to do, more of this clock passes until it did.
LOOKS_S = 5.0
_STEP_S = 0.2
#: By when what another process did is known, on a machine that is not alone.
LOOKED_S = LOOK_EVERY_S + 3 * _STEP_S


async def pass_time(cluster: Plane, seconds: float) -> None:
    """So many seconds pass for everybody; at each step the database's threads do what waits."""
    end = cluster.clock.monotonic() + seconds
    while cluster.clock.monotonic() < end - 1e-9:
        await cluster.clock.run(_STEP_S)
        for _ in range(3):
            await SystemClock().sleep(0.001)
            await asyncio.gather(*(cluster.app.driver.read(lambda tx: None) for _ in range(READERS)))


async def lead(cluster: Plane) -> None:
    """Start the process; return when it does the duties."""
    await cluster.app.start()
    async with asyncio.timeout(20):
        while not cluster.app.leads:
            await pass_time(cluster, _STEP_S)


async def until_done(cluster: Plane, task: asyncio.Future[Any], limit_s: float) -> float:
    """Seconds that pass until the task is done."""
    began = cluster.clock.monotonic()
    while not task.done():
        assert cluster.clock.monotonic() < began + limit_s, "it takes too long"
        await pass_time(cluster, _STEP_S)
    return cluster.clock.monotonic() - began


async def stands(client: Client, lock: int) -> str:
    """Whether a request is held or waits, or is gone."""
    try:
        return (await client.wait(lock)).state
    except e.NoSuchLock:
        return "gone"


async def polled(client: Client, lock: int) -> asyncio.Task[LockReply]:
    """A wait for a grant that goes on and on, and keeps its session alive."""

    async def wait() -> LockReply:
        while True:
            await client.renew()
            reply = await client.wait(lock, 5.0)
            if reply.state == "held":
                return reply

    task = asyncio.create_task(wait())
    async with asyncio.timeout(5):
        while not client.plane.app.news.is_awaited(lock):
            await SystemClock().sleep(0.002)
    return task


@pytest.fixture
async def cluster(database: Database) -> AsyncIterator[Plane]:
    """A control plane with its duties."""
    async with plane(database=database) as made:
        await lead(made)
        yield made


async def signed_up(cluster: Plane) -> TokenReply:
    user = await cluster.signup("ann")
    await cluster.commit(user.token, empty_file(PATH), empty_file(OTHER))
    return user


@pytest.fixture
async def ann(cluster: Plane) -> TokenReply:
    return await signed_up(cluster)


async def test_a_holder_that_falls_silent_loses_its_lock_to_the_next(cluster: Plane, ann: TokenReply) -> None:
    silent, second = [await Client.begin(cluster, ann) for _ in range(2)]
    held, asked = await silent.lock(PATH), await second.lock(PATH)
    events: list[CommitEvent] = []
    cluster.app.driver.on_commit(events.append)
    poll = await polled(second, asked.lock)
    assert await until_done(cluster, poll, LEASE_S + LOOKS_S) >= LEASE_S
    told = await poll
    # It was freed and given to the next in one tx.
    assert [(one.after.fence, one.after.locks) for one in events if one.after.fence > one.before.fence] == [
        (told.fence, 1)
    ]
    assert [one.before.locks for one in events if one.after.locks < one.before.locks] == [2]
    with pytest.raises(e.LockLost):
        await silent.write(PATH, proof(held))
    await second.write(PATH, proof(told))
    with pytest.raises(e.SessionEnded):
        await silent.renew()
    with pytest.raises(e.SessionEnded):
        await silent.lock(OTHER)


async def test_a_renewal_saves_it_by_the_session_or_by_the_lock(cluster: Plane, ann: TokenReply) -> None:
    for by_lock in (False, True):
        holder, second = [await Client.begin(cluster, ann) for _ in range(2)]
        held, asked = await holder.lock(PATH), await second.lock(PATH)
        for _ in range(2):
            await pass_time(cluster, LEASE_S - 1)
            await second.renew()
            await (holder.renew_by_lock(held.lock) if by_lock else holder.renew())
        assert await stands(holder, held.lock) == "held"
        assert await stands(second, asked.lock) == "waiting"
        await holder.end()
        await second.end()


async def test_a_waiter_that_falls_silent_leaves_the_line(cluster: Plane, ann: TokenReply) -> None:
    holder, silent, third = [await Client.begin(cluster, ann) for _ in range(3)]
    held, gone, asked = await holder.lock(PATH), await silent.lock(PATH), await third.lock(PATH)
    for _ in range(int(LEASE_S + LOOKS_S) // 5 + 1):
        await pass_time(cluster, 5)
        await holder.renew()
        await third.renew()
    assert await stands(silent, gone.lock) == "gone"
    assert (await third.wait(asked.lock)).place == 1
    await holder.release(held.lock)
    assert await stands(third, asked.lock) == "held"


async def test_short_leases_end_soon(tmp_path: Path) -> None:
    clock = ManualClock()
    times = Times(sessions=LeaseTimes.parse("400:800:1200"))
    with closing(SqliteDatabase(tmp_path / "cairn.sqlite", clock)) as database:
        async with plane(database=database, clock=clock, times=times) as cluster:
            await lead(cluster)
            ann = await signed_up(cluster)
            silent, second = [await Client.begin(cluster, ann) for _ in range(2)]
            assert (silent.session.renew_ms, silent.session.lease_ms) == (400, 1200)
            await silent.lock(PATH)
            await second.renew()
            asked = await second.lock(PATH)
            poll = asyncio.create_task(second.wait(asked.lock, 5.0))

            async def renew() -> None:
                while True:
                    await second.renew()
                    await clock.sleep(0.4)

            renewing = asyncio.create_task(renew())
            assert await until_done(cluster, poll, 3.0) >= 1.1
            renewing.cancel()
            assert (await poll).state == "held"


# -- other processes ---------------------------------------------------------------------------------


@asynccontextmanager
async def restarted(cluster: Plane, database: Database) -> AsyncIterator[Plane]:
    """The next process on the same database."""
    async with plane(database=database, clock=cluster.clock) as made:
        await made.app.start()
        yield made


def at(other: Plane, *clients: Client) -> list[Client]:
    """The same sessions, asked for at another process."""
    moved = []
    for one in clients:
        moved.append(Client(other, one.user, one.session))
        moved[-1].counter = one.counter
    return moved


async def die(cluster: Plane) -> None:
    """The process stops, and leaves the lead to nobody, as one that is killed does."""
    with patch.object(leader, "resign", lambda *_: None):
        await cluster.app.stop()


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
async def test_after_a_restart_locks_and_lines_are_as_they_were(database: Database, *, killed: bool) -> None:
    async with plane(database=database) as before:
        await lead(before)
        ann = await signed_up(before)
        silent, second, third = [await Client.begin(before, ann) for _ in range(3)]
        held, asked, last = await silent.lock(PATH), await second.lock(PATH), await third.lock(PATH)
        await pass_time(before, LEASE_S - 2)
        await (die(before) if killed else before.app.stop())
        before.clock.advance(60)
        async with restarted(before, database) as after:
            silent, second, third = at(after, silent, second, third)
            began = after.clock.monotonic()
            states = [
                await one.wait(lock.lock) for one, lock in ((silent, held), (second, asked), (third, last))
            ]
            assert [(one.state, one.place) for one in states] == [("held", 0), ("waiting", 1), ("waiting", 2)]
            assert states[0].fence == held.fence
            poll, line = await polled(second, asked.lock), await polled(third, last.lock)
            # Nobody could renew meanwhile: all get a whole lease from when the new process leads.
            await until_done(after, poll, LeadTimes().lease_ms / 1000 + LEASE_S + 2 * LOOKS_S)
            assert after.clock.monotonic() - began >= LEASE_S
            told = await poll
            await second.write(PATH, proof(told))
            await second.release(told.lock)
            assert (await line).state == "held"
            with pytest.raises(e.LockLost):
                await silent.write(PATH, proof(held))


@pytest.fixture
async def two(postgres_dsn: str) -> AsyncIterator[tuple[Plane, Plane]]:
    """Two processes of one cluster, with their duties; the first leads."""
    clock = ManualClock(SystemClock().now_us())
    with (
        closing(PostgresDatabase(postgres_dsn, clock)) as one,
        closing(PostgresDatabase(postgres_dsn, clock)) as other,
    ):
        async with plane(database=one, clock=clock) as first, plane(database=other, clock=clock) as second:
            await lead(first)
            await second.app.start()
            await pass_time(second, 1.0)
            assert (first.app.leads, second.app.leads) == (True, False)
            yield first, second


async def test_a_waiter_at_one_process_is_told_of_a_release_at_another(two: tuple[Plane, Plane]) -> None:
    here, there = two
    ann = await signed_up(here)
    holder, waiter = await Client.begin(here, ann), await Client.begin(there, ann)
    held, asked = await holder.lock(PATH), await waiter.lock(PATH)
    poll = await polled(waiter, asked.lock)
    async with waiter.events() as stream:
        event = asyncio.create_task(anext(stream))
        await pass_time(here, 1.0)
        assert not poll.done()
        assert not event.done()
        await holder.release(held.lock)
        assert await until_done(there, poll, 5.0) <= LOOKED_S
        told = await poll
        async with asyncio.timeout(5):
            assert (await event).id == f"{told.incarnation}.{told.fence}"


async def test_so_are_many_at_once(two: tuple[Plane, Plane]) -> None:
    here, there = two
    ann = await signed_up(here)
    holder, waiter = await Client.begin(here, ann), await Client.begin(there, ann)
    held = await holder.lock(PATH)
    asked = [await waiter.lock(PATH, mode="shared") for _ in range(10)]
    with patch.object(news, "PAGE", 3):
        polls = [asyncio.create_task(waiter.wait(one.lock, 25.0)) for one in asked]
        await pass_time(here, 1.0)
        await holder.release(held.lock)
        everybody = asyncio.ensure_future(asyncio.gather(*polls))
        await until_done(there, everybody, 5.0)
        assert {one.state for one in await everybody} == {"held"}


async def test_and_of_the_end_of_its_session_there(two: tuple[Plane, Plane]) -> None:
    here, there = two
    ann = await signed_up(here)
    holder, waiter = await Client.begin(here, ann), await Client.begin(there, ann)
    await holder.lock(PATH)
    asked = await waiter.lock(PATH)
    poll = asyncio.create_task(waiter.wait(asked.lock, 25.0))
    await pass_time(here, 1.0)
    [same] = at(here, waiter)
    await same.end()
    assert await until_done(there, poll, 5.0) <= 2.0
    with pytest.raises(e.NoSuchLock):
        await poll


async def test_a_takeover_of_the_lead_gives_everybody_a_whole_lease(two: tuple[Plane, Plane]) -> None:
    first, second = two
    ann = await signed_up(first)
    silent, waiter = await Client.begin(second, ann), await Client.begin(second, ann)
    held, asked = await silent.lock(PATH), await waiter.lock(PATH)
    await waiter.renew()
    await pass_time(first, LEASE_S - 2)
    await waiter.renew()
    await die(first)
    began = second.clock.monotonic()
    while not second.app.leads:
        await pass_time(second, _STEP_S)
        assert second.clock.monotonic() - began < 2 * LeadTimes().lease_ms / 1000 + LOOKS_S
    led = second.clock.monotonic()
    poll = await polled(waiter, asked.lock)
    await pass_time(second, LEASE_S - 2)
    assert await stands(silent, held.lock) == "held"
    await until_done(second, poll, 2 + LOOKS_S)
    assert second.clock.monotonic() - led >= LEASE_S
    assert (await second.ask(endpoints.STATUS, None, ann.token)).sessions == 1


# -- nothing before COMMIT ---------------------------------------------------------------------------


@pytest.fixture
async def flaky(tmp_path: Path) -> AsyncIterator[tuple[Plane, FlakyDatabase]]:
    clock = ManualClock()
    with closing(SqliteDatabase(tmp_path / "cairn.sqlite", clock)) as inner:
        database = FlakyDatabase(inner)
        async with plane(database=database, clock=clock) as made:
            yield made, database
            database.gate.set()


async def test_nothing_is_told_before_the_commit_returned(flaky: tuple[Plane, FlakyDatabase]) -> None:
    cluster, database = flaky
    ann = await signed_up(cluster)
    holder, waiter = [await Client.begin(cluster, ann) for _ in range(2)]
    held, asked = await holder.lock(PATH), await waiter.lock(PATH)
    poll = await polled(waiter, asked.lock)
    async with waiter.events() as stream:
        event = asyncio.create_task(anext(stream))
        await pass_time(cluster, 1.0)
        database.gate.clear()
        database.at_gate.clear()
        releasing = asyncio.create_task(holder.release(held.lock))
        await asyncio.to_thread(database.at_gate.wait, 10)
        await pass_time(cluster, 2.0)
        assert not poll.done()
        assert not event.done()
        assert not releasing.done()
        database.gate.set()
        async with asyncio.timeout(10):
            await releasing
            told = await poll
            assert (await event).id == f"{told.incarnation}.{told.fence}"


async def test_nothing_is_told_of_what_was_rolled_back(flaky: tuple[Plane, FlakyDatabase]) -> None:
    cluster, database = flaky
    ann = await signed_up(cluster)
    holder, waiter = [await Client.begin(cluster, ann) for _ in range(2)]
    held, asked = await holder.lock(PATH), await waiter.lock(PATH)
    poll = await polled(waiter, asked.lock)
    for fault in (Fault.FULL, Fault.LOST_BEFORE):
        database.plan.append(fault)
        with pytest.raises(e.CairnError):
            await holder.release(held.lock)
        await pass_time(cluster, 2.0)
        assert not poll.done()
        assert await stands(holder, held.lock) == "held"
    poll.cancel()


async def test_a_grant_that_this_process_does_not_know_of_is_told_soon(
    flaky: tuple[Plane, FlakyDatabase],
) -> None:
    """The answer to COMMIT was lost: whoever released is told that nobody knows, and who waits learns it."""
    cluster, database = flaky
    ann = await signed_up(cluster)
    holder, waiter = [await Client.begin(cluster, ann) for _ in range(2)]
    held, asked = await holder.lock(PATH), await waiter.lock(PATH)
    poll = await polled(waiter, asked.lock)
    await pass_time(cluster, 1.0)
    database.plan.append(Fault.LOST_AFTER)
    with pytest.raises(e.OutcomeUnknown):
        await holder.release(held.lock)
    assert await until_done(cluster, poll, 5.0) <= LOOKED_S
    assert (await poll).state == "held"
