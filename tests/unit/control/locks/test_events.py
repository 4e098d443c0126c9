"""The stream of a session's grants: where it begins, what it tells, how it is taken up again, how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast
from unittest.mock import patch

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.control.locks import events, news
from cairnfs.control.locks.events import GrantStreams
from cairnfs.ids import SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.rows import sessions
from cairnfs.net.event_stream import EventStream
from cairnfs.net.serving import Caller, Context, Event
from cairnfs.wire import codec
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.events import HEARTBEAT_S
from cairnfs.wire.locks import LOCK_EVENT, LockEvent, LockEventsRequest, LockReply
from tests.unit.control.locks.asking import Client
from tests.unit.control.locks.conftest import PATH
from tests.unit.control.plane import Plane


@pytest.fixture
def small_pages() -> Iterator[None]:
    """Streams read three grants at a time, and let three wait for their reader."""
    with patch.object(events, "PAGE", 3), patch.object(news, "PAGE", 3), patch.object(news, "PENDING_MAX", 3):
        yield


async def told(stream: EventStream) -> LockEvent:
    """The next event, without time passing for the cluster."""
    async with asyncio.timeout(10):
        event = await anext(stream)
    message = codec.decode(LockEvent, event.data)
    assert (event.event, event.id) == (LOCK_EVENT, f"{message.incarnation}.{message.fence}")
    return message


async def told_of_upgrade(client: Client, shared: LockReply, stream: EventStream) -> int:
    stronger = await client.upgrade(shared.lock)
    assert await told(stream) == granted(stronger)
    return stronger.fence


def granted(reply: LockReply, fence: int | None = None) -> LockEvent:
    return LockEvent(lock=reply.lock, fence=fence or reply.fence, incarnation=reply.incarnation)


async def test_each_grant_is_told_as_it_comes(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    async with second.events() as stream:
        held, asked = await first.lock(PATH), await second.lock(PATH)
        await first.release(held.lock)
        message = await told(stream)
        assert message == granted(asked, message.fence)
        assert message.fence > held.fence
        other = await second.lock("/home/ann/g")
        assert await told(stream) == granted(other)
        shared = await second.lock("/home/ann/h", mode="shared")
        assert await told(stream) == granted(shared)
        assert await told_of_upgrade(second, shared, stream) > shared.fence


async def test_those_of_before_come_first_and_of_others_none(cluster: Plane, ann: TokenReply) -> None:
    mine, other = [await Client.begin(cluster, ann) for _ in range(2)]
    held = [await mine.lock(f"/home/ann/{number}") for number in range(5)]
    await other.lock("/home/ann/other")
    async with mine.events() as stream:
        assert [await told(stream) for _ in held] == [granted(one) for one in held]
        held.append(await mine.lock("/home/ann/5"))
        assert await told(stream) == granted(held[-1])
    async with mine.events(since=held[2].fence) as stream:
        assert [await told(stream) for _ in held[3:]] == [granted(one) for one in held[3:]]
    async with mine.events(last_id=f"1.{held[3].fence}") as stream:
        assert [await told(stream) for _ in held[4:]] == [granted(one) for one in held[4:]]


@pytest.mark.usefixtures("small_pages")
async def test_many_come_in_pages_in_order_and_each_once(cluster: Plane, ann: TokenReply) -> None:
    client = await Client.begin(cluster, ann)
    held = [await client.lock(f"/home/ann/{number}") for number in range(7)]
    async with client.events() as stream:
        asking = asyncio.gather(*(client.lock(f"/home/ann/{number}") for number in range(7, 27)))
        fences = [(await told(stream)).fence for _ in range(27)]
        held += await asking
    assert fences == sorted(one.fence for one in held)


@pytest.mark.usefixtures("small_pages")
async def test_a_slow_reader_is_told_everything_that_is_held_still(cluster: Plane, ann: TokenReply) -> None:
    client = await Client.begin(cluster, ann)
    async with client.events() as stream:
        first = await client.lock("/home/ann/first")
        held = [await client.lock(f"/home/ann/{number}") for number in range(30)]
        assert [await told(stream) for _ in range(31)] == [granted(one) for one in (first, *held)]


class LateDriver:
    """A driver whose reads are followed by something before their answer is used."""

    def __init__(self, driver: Driver, then: Callable[[], Awaitable[None]]) -> None:
        self._driver = driver
        self._then = then

    async def read(self, function: Callable[[Tx], Any]) -> Any:
        found = await self._driver.read(function)
        await self._then()
        return found


async def test_what_is_granted_while_a_page_is_read_comes_after_it(cluster: Plane, ann: TokenReply) -> None:
    client = await Client.begin(cluster, ann)
    held = [await client.lock("/home/ann/0")]

    async def grant_one_more() -> None:
        if len(held) < 4:
            held.append(await client.lock(f"/home/ann/{len(held)}"))
            await SystemClock().sleep(0.05)  # threads have time to tell of it: what comes is no less right

    late = cast(Driver, LateDriver(cluster.app.driver, grant_one_more))
    with cluster.app.news.following(SessionId("1" * 32)):
        await cluster.clock.run(2.0)
        streams = GrantStreams(late, cluster.app.news, cluster.clock)
        session = SessionId(client.session.session)
        [row] = (await cluster.app.driver.read(lambda tx: sessions.find(tx, [session]))).values()
        caller = Caller(row.user_id, "ann", "user", 2**62)
        context = Context(caller, {}, "x", cluster.clock.monotonic() + 60, {}, "", None)
        given = await streams.events(context, LockEventsRequest(session=session))
        found: list[LockEvent] = []
        async with asyncio.timeout(10):
            async for item in given.items:
                if isinstance(item, Event):
                    found.append(codec.decode(LockEvent, item.data))
                if len(found) == 3:
                    break
        assert found == [granted(one) for one in held[:3]]


async def test_it_says_that_it_lives(cluster: Plane, ann: TokenReply) -> None:
    client = await Client.begin(cluster, ann)
    idle_s = 2.5 * HEARTBEAT_S
    async with client.events(idle_s=idle_s) as stream:
        reading = asyncio.create_task(told(stream))
        for _ in range(100):
            await cluster.clock.run(0.1)
            await SystemClock().sleep(0.002)
        assert not reading.done()
        held = await client.lock(PATH)
        assert await reading == granted(held)


async def test_it_ends_with_its_session(cluster: Plane, ann: TokenReply) -> None:
    client = await Client.begin(cluster, ann)
    async with client.events() as stream:
        reading = asyncio.create_task(told(stream))
        await cluster.clock.run(0.1)
        await client.end()
        began = cluster.clock.monotonic()
        async with asyncio.timeout(20):
            while not reading.done():
                await cluster.clock.run(0.1)
                await SystemClock().sleep(0.005)
        with pytest.raises(e.SessionEnded):
            await reading
        assert cluster.clock.monotonic() - began <= 2 * news.SWEEP_S + 0.5


async def test_there_is_none_for_a_session_that_is_over_or_somebody_elses(
    cluster: Plane, ann: TokenReply
) -> None:
    over, foreign = await Client.begin(cluster, ann), await Client.begin(cluster, await cluster.signup("ben"))
    await over.end()
    for session in (over.session, foreign.session):
        client = Client(cluster, ann, session)
        with pytest.raises(e.SessionEnded):
            await anext(await client.events().__aenter__())


@pytest.mark.parametrize(
    ("last_id", "error"),
    [("2.0", e.IncarnationChanged), ("1", e.BadRequest), ("1.x", e.BadRequest), ("1.99", e.BadRequest)],
)
async def test_ids_that_are_none_of_this_history(
    cluster: Plane, ann: TokenReply, last_id: str, error: type[Exception]
) -> None:
    client = await Client.begin(cluster, ann)
    with pytest.raises(error):
        await anext(await client.events(last_id=last_id).__aenter__())


async def test_a_fence_that_is_not_there_yet(cluster: Plane, ann: TokenReply) -> None:
    client = await Client.begin(cluster, ann)
    with pytest.raises(e.BadRequest, match="newest fence"):
        await anext(await client.events(since=99).__aenter__())


async def test_another_incarnation_ends_it(cluster: Plane, ann: TokenReply) -> None:
    client = await Client.begin(cluster, ann)
    async with client.events() as stream:
        held = await client.lock(PATH)
        assert await told(stream) == granted(held)
        cluster.database.write(
            lambda tx: tx.run("UPDATE clock SET incarnation = 2, fence = fence + 1000000 WHERE id = 1")
        )
        reading = asyncio.create_task(told(stream))
        async with asyncio.timeout(20):
            while not reading.done():
                await cluster.clock.run(0.1)
                await SystemClock().sleep(0.005)
        with pytest.raises(e.IncarnationChanged):
            await reading
