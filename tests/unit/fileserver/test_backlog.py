"""`async` durability: one disk answers, the copies follow, and what got lost on the way is made good."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.client.commit import commit
from cairnfs.client.filesystem import Filesystem
from cairnfs.core.manifest import hash_bytes
from cairnfs.core.placement import group_of
from cairnfs.fileserver import backlog
from cairnfs.fileserver.backlog import Backlog
from cairnfs.metadata.ops import groups
from cairnfs.net.transport import Request, Transport
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.testing.transport import Fault, FlakyTransport
from cairnfs.wire.commits import SetAttributes
from cairnfs.wire.endpoints import FETCH_CHUNKS, FORWARD_CHUNKS

CONTENT = b"one disk first" * 1000
NAME = "/home/ann/file"


class Passing:
    """What fileservers pass on to each other meets a fault, or waits until the clock moves."""

    def __init__(self, clock: ManualClock, fault: Fault | None = None) -> None:
        self.clock = clock
        self.fault = fault
        self.ways: list[FlakyTransport] = []
        self.fetched = 0

    def wrap(self, transport: Transport, party: str) -> Transport:
        self.ways.append(FlakyTransport(transport, self.plan, clock=self.clock, delay_s=0.2))
        return self.ways[-1]

    def plan(self, request: Request) -> Fault | None:
        self.fetched += request.target == FETCH_CHUNKS.path
        return self.fault if request.target == FORWARD_CHUNKS.path else None

    def met(self) -> int:
        return sum(sum(way.counts.values()) for way in self.ways)


async def someone(here: Cluster) -> Filesystem:
    """Somebody whose files may be on one disk for a while."""
    ann = await here.user("ann")
    await commit(ann.connection.control, [SetAttributes(path="/home/ann", policy="async")])
    return ann


async def is_dirty(here: Cluster) -> bool:
    every = await here.control.driver.read(groups.every)
    return group_of(hash_bytes(CONTENT)) in {group.id for group in every if group.dirty}


async def holders(here: Cluster) -> list[bool]:
    """Which fileservers give the whole content, each asked alone."""
    found = []
    plane = (await here.admin()).connection.plane
    for one in here.fileservers:
        frames = [frame async for frame in plane.get(one.origin, [hash_bytes(CONTENT)], lambda: None)]
        found.append([data for _, _, data in frames] == [CONTENT])
    return found


@pytest.mark.parametrize("fault", [Fault.DELAY, Fault.UNREACHABLE])
async def test_the_copies_follow_and_the_group_becomes_clean(fault: Fault) -> None:
    clock = ManualClock()
    passing = Passing(clock)
    async with cluster(clock=clock, wrap=passing.wrap) as here:
        ann = await someone(here)
        passing.fault = fault
        began = clock.monotonic()
        await ann.write_file(NAME, CONTENT, durability="async")
        assert clock.monotonic() == began, "nobody waited for the copies"
        assert (await holders(here)).count(True) == 1
        assert await is_dirty(here)
        assert passing.met() == 2

        async def clean() -> bool:
            return not await is_dirty(here)

        await here.until(clean)
        assert await holders(here) == [True, True, True]
        # Delayed copies arrived by themselves; lost ones were fetched by those who lacked them.
        assert passing.fetched == (0 if fault is Fault.DELAY else 2)
        assert await ann.read_file(NAME) == CONTENT


async def test_a_put_that_waits_for_all_is_unchanged() -> None:
    clock = ManualClock()
    passing = Passing(clock)
    async with cluster(clock=clock, wrap=passing.wrap) as here:
        ann = await here.user("ann")
        await ann.write_file(NAME, CONTENT, durability="all")
        assert await holders(here) == [True, True, True]
        assert not await is_dirty(here)


async def test_a_fileserver_that_stops_in_order_lets_the_copies_arrive() -> None:
    clock = ManualClock()
    passing = Passing(clock)
    async with cluster(clock=clock, wrap=passing.wrap) as here:
        ann = await someone(here)
        passing.fault = Fault.DELAY
        await ann.write_file(NAME, CONTENT, durability="async")
        held = await holders(here)
        entry = here.fileservers[held.index(True)]
        assert entry.app is not None
        stopping = asyncio.create_task(entry.app.stop(drain_s=60))
        entry.app = None
        while not stopping.done():
            await here.run(0.1)
        here.network.apps.pop(entry.origin)
        others = [one for one in here.fileservers if one is not entry]
        plane = ann.connection.plane
        for one in others:
            frames = [frame async for frame in plane.get(one.origin, [hash_bytes(CONTENT)], lambda: None)]
            assert [data for _, _, data in frames] == [CONTENT]


async def test_a_put_is_counted_once_until_its_last_copy_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BACKLOG_MAX_BYTES", 100)
    loop = asyncio.get_running_loop()
    kept = Backlog()
    assert not kept.full(1000), "one alone is never too much"
    one, two = loop.create_future(), loop.create_future()
    kept.keep(60, [one, two])
    kept.keep(60, [])
    assert kept.held_bytes == 60
    assert kept.full(41)
    assert not kept.full(40)
    one.set_result(None)
    await asyncio.sleep(0)
    assert kept.held_bytes == 60
    two.set_exception(OSError("planned"))
    await kept.drain(3600)
    assert kept.held_bytes == 0
    assert isinstance(two.exception(), OSError)
