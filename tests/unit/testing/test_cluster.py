"""A cluster inside this process is a cluster: files survive a dead fileserver and a restart of everything."""

from __future__ import annotations

import pytest

from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import Forbidden, NotFound
from cairnfs.net.transport import Request, Transport
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.cluster import CONTROL, cluster
from cairnfs.testing.transport import Fault, FlakyTransport, seeded


@pytest.mark.parametrize("clock", [SystemClock, ManualClock])
async def test_a_file_goes_in_and_comes_out(clock: type[Clock]) -> None:
    async with cluster(clock=clock()) as here:
        ann = await here.user("ann")
        await ann.write_file("/home/ann/a.txt", b"hello" * 1000)
        assert await ann.read_file("/home/ann/a.txt") == b"hello" * 1000
        bob = await here.user("bob")
        with pytest.raises(Forbidden):
            await bob.read_file("/home/ann/a.txt")
        with pytest.raises(NotFound):
            await bob.read_file("/home/bob/a.txt")
        assert (await (await here.admin()).status()).ready


async def test_the_http_door_is_open() -> None:
    async with cluster(fileservers=1) as here:
        ann = await here.user("ann")
        await ann.write_file("/home/ann/a b", b"hello")
        headers = {"authorization": f"Bearer {await ann.connection.control.tokens.token()}"}
        request = Request("GET", CONTROL, "/files/home/ann/a%20b", headers)
        async with await here.network.request(request) as response:
            assert (response.status, await response.read(100)) == (200, b"hello")


async def test_a_killed_fileserver_is_not_missed() -> None:
    async with cluster() as here:
        ann = await here.user("ann")
        await ann.write_file("/home/ann/before", b"1" * 3_000_000)
        await here.kill(0)
        assert await ann.read_file("/home/ann/before") == b"1" * 3_000_000
        await ann.write_file("/home/ann/after", b"2" * 3_000_000)
        await here.start(0)
        assert await ann.read_file("/home/ann/after") == b"2" * 3_000_000


async def test_everything_stops_and_starts_again() -> None:
    async with cluster(fileservers=2) as here:
        ann = await here.user("ann")
        await ann.write_file("/home/ann/kept", b"kept")
        for number in (0, 1):
            await here.kill(number)
        await here.stop_control()
        await here.start_control()
        for number in (0, 1):
            await here.start(number)
        again = await here.user("ann")
        assert await again.read_file("/home/ann/kept") == b"kept"


async def test_the_network_in_between_can_be_made_bad(seed: int) -> None:
    flaky: list[FlakyTransport] = []
    rates = {Fault.REPLY_LOST: 0.1, Fault.UNREACHABLE: 0.1, Fault.DUPLICATE: 0.1}
    armed = False

    def wrap(transport: Transport, party: str) -> Transport:
        if party != "client":
            return transport
        flaky.append(FlakyTransport(transport, seeded(seed, rates, only=lambda request: armed)))
        return flaky[-1]

    async with cluster(wrap=wrap) as here:
        ann = await here.user("ann")
        armed = True
        for number in range(20):
            await ann.write_file(f"/home/ann/{number}", b"%d" % number * 1000)
        for number in range(20):
            assert await ann.read_file(f"/home/ann/{number}") == b"%d" % number * 1000
        armed = False
    assert sum(sum(each.counts.values()) for each in flaky) > 5


async def test_time_moved_by_hand_finds_out_who_is_away() -> None:
    clock = ManualClock()
    async with cluster(clock=clock) as here:
        admin = await here.admin()

        async def away() -> bool:
            return (await admin.status()).fileservers[1].state in ("suspect", "down")

        async def back() -> bool:
            return not await away()

        await here.run(5)
        assert await back()
        await here.kill(1)
        killed_s = clock.monotonic()
        await here.until(away)
        assert 2 < clock.monotonic() - killed_s < 20
        await here.start(1)
        await here.until(back)


async def test_on_postgresql_too(postgres_dsn: str) -> None:
    async with cluster(database=postgres_dsn) as here:
        ann = await here.user("ann")
        await ann.write_file("/home/ann/a.txt", b"hello")
        assert await ann.read_file("/home/ann/a.txt") == b"hello"
