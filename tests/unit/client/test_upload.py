"""Uploads: every chunk finds enough holders, whatever happens to the fileservers on the way."""

from __future__ import annotations

import asyncio
import random

import pytest

from cairnfs.client import courier, upload
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.transfer import Budget
from cairnfs.clock import SystemClock
from cairnfs.core.placement import group_of
from cairnfs.errors import NoSpace, TooFewCopies, Unavailable
from cairnfs.ids import Hash
from cairnfs.net.transport import Request
from cairnfs.testing.transport import Fault, FlakyTransport, seeded
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import FakeCluster

MIB = 1024 * 1024


def random_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def puts(request: Request) -> bool:
    return request.target == "/v1/chunks/put"


async def test_chunks_go_to_the_primaries_of_their_groups(
    cluster: FakeCluster, files: Filesystem, seed: int
) -> None:
    await files.write_file("/f", random_bytes(seed, 12 * MIB))
    expected = [0, 0, 0]
    for chunk in {chunk.hash for chunk in cluster.tree[b"/f"].chunks}:
        expected[group_of(Hash(chunk)) % 3] += 1
    assert [sum(server.puts) for server in cluster.servers] == expected


async def test_many_small_chunks_share_requests(cluster: FakeCluster, files: Filesystem, seed: int) -> None:
    async with files.connection.upload("majority") as under_way:
        from cairnfs.client.sources import hashed

        for number in range(600):
            await under_way.add(*hashed(b"%d" % (seed + number)))
        await under_way.finish()
    assert sum(sum(server.puts) for server in cluster.servers) == 600
    assert sum(len(server.puts) for server in cluster.servers) <= 30


async def test_a_chunk_that_comes_twice_is_sent_once(cluster: FakeCluster, files: Filesystem) -> None:
    written = await files.write_file("/zeros", bytes(20 * MIB))
    assert [chunk.size for chunk in cluster.tree[b"/zeros"].chunks] == [4 * MIB] * 5
    assert written.sent_bytes == 4 * MIB
    assert await files.read_file("/zeros") == bytes(20 * MIB)


async def test_a_killed_primary_costs_nothing_but_another_member(
    cluster: FakeCluster, files: Filesystem, seed: int
) -> None:
    data = random_bytes(seed, 9 * MIB)
    cluster.servers[0].kill()
    await files.write_file("/f", data)
    assert cluster.content(b"/f") == data
    assert not cluster.servers[0].puts


async def test_a_hung_member_is_overtaken_and_then_avoided(
    cluster: FakeCluster, files: Filesystem, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "STALL_S", 0.2)
    cluster.servers[1].hang_puts = True
    for number in range(6):
        await asyncio.wait_for(files.write_file(f"/{number}", random_bytes(seed + number, 3 * MIB)), 5)
    assert cluster.servers[1].running_puts <= courier.WIDTH + 1
    assert cluster.content(b"/5") == random_bytes(seed + 5, 3 * MIB)


async def test_a_full_disk_is_passed_over(cluster: FakeCluster, files: Filesystem, seed: int) -> None:
    await files.write_file("/warm", b"the map was fetched while all was well")
    cluster.servers[0].full = True
    data = random_bytes(seed, 6 * MIB)
    await files.write_file("/f", data)
    assert cluster.content(b"/f") == data


async def test_full_disks_everywhere_are_an_error_soon(cluster: FakeCluster, files: Filesystem) -> None:
    for server in cluster.servers:
        server.full = True
    with pytest.raises(NoSpace):
        await asyncio.wait_for(files.write_file("/f", b"x"), 5)
    assert b"/f" not in cluster.tree


async def test_two_full_disks_of_three_are_an_error_soon(cluster: FakeCluster, files: Filesystem) -> None:
    cluster.servers[0].full = cluster.servers[2].full = True
    with pytest.raises(NoSpace):
        await asyncio.wait_for(files.write_file("/f", b"x"), 5)


async def test_too_few_members_are_waited_for_and_then_reported(
    cluster: FakeCluster, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "PATIENCE_S", 0.5)
    for server in cluster.servers[:2]:
        server.kill()
    with pytest.raises(Unavailable):
        await files.write_file("/f", b"x")
    assert b"/f" not in cluster.tree


async def test_members_that_come_back_are_found(
    cluster: FakeCluster, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in cluster.servers:
        server.kill()
    writing = asyncio.create_task(files.write_file("/f", b"patience"))
    await asyncio.wait({writing}, timeout=0.3)
    assert not writing.done()
    for server in cluster.servers:
        server.start()
    await writing
    assert cluster.content(b"/f") == b"patience"


async def test_a_stronger_durability_asks_for_all_copies(
    cluster: FakeCluster, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "PATIENCE_S", 0.3)
    cluster.servers[2].kill()
    await files.write_file("/majority", b"two of three")
    with pytest.raises(TooFewCopies):
        await files.write_file("/all", b"two of three will not do", durability="all")


async def test_what_is_under_way_stays_within_the_budget(
    cluster: FakeCluster, connect: MakeFilesystem, seed: int
) -> None:
    held: list[int] = []

    class Watched(Budget):
        async def take(self, size: int) -> None:
            await super().take(size)
            held.append(8 * MIB - self._free)

    async def slowly() -> None:
        await SystemClock().sleep(0.05)

    cluster.on_put = slowly
    files = connect()
    files.connection.budget = Watched(8 * MIB)
    data = random_bytes(seed, 40 * MIB)
    await files.write_file("/f", data)
    assert cluster.content(b"/f") == data
    assert 4 * MIB < max(held) <= 8 * MIB


async def test_a_faulty_network_delays_but_never_damages(
    cluster: FakeCluster, connect: MakeFilesystem, seed: int
) -> None:
    faults = (Fault.UNREACHABLE, Fault.CUT_REQUEST, Fault.REPLY_LOST, Fault.DUPLICATE, Fault.CUT_REPLY)
    flaky = FlakyTransport(cluster.transport, seeded(seed, dict.fromkeys(faults, 0.08), puts))
    files = connect(transport=flaky)
    for number in range(12):
        data = random_bytes(seed + number, 2 * MIB)
        await files.write_file(f"/{number}", data)
        assert cluster.content(b"/%d" % number) == data
    assert sum(flaky.counts.values()) >= 3
