"""Downloads: right bytes or an honest error, from whoever has them."""

from __future__ import annotations

import asyncio
import random

import pytest

from cairnfs.client import courier
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.transfer import IN_FLIGHT_BYTES
from cairnfs.clock import SystemClock
from cairnfs.core.placement import group_of
from cairnfs.errors import BeforeHorizon, ChunkCollected, ChunkLost, ChunkNotYet
from cairnfs.ids import Hash
from cairnfs.net.transport import Request
from cairnfs.testing.transport import Fault, FlakyTransport, seeded
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import FakeCluster

MIB = 1024 * 1024


def random_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
async def data(files: Filesystem, seed: int) -> bytes:
    """What lies at /f."""
    content = random_bytes(seed, 8 * MIB)
    await files.write_file("/f", content)
    return content


async def test_reads_go_to_secondaries(cluster: FakeCluster, files: Filesystem, data: bytes) -> None:
    assert await files.read_file("/f") == data
    primaries = [0, 0, 0]
    for chunk in cluster.tree[b"/f"].chunks:
        primaries[group_of(Hash(chunk.hash)) % 3] += 1
    for server, primary in zip(cluster.servers, primaries, strict=True):
        assert sum(server.gets) <= len(cluster.tree[b"/f"].chunks) - primary


async def test_one_member_that_is_left_is_enough(
    cluster: FakeCluster, files: Filesystem, data: bytes
) -> None:
    for server in cluster.servers[1:]:
        server.kill()
    assert await asyncio.wait_for(files.read_file("/f"), 5) == data


@pytest.mark.parametrize("good", [0, 1, 2])
async def test_wrong_bytes_are_never_given(
    cluster: FakeCluster, files: Filesystem, data: bytes, good: int
) -> None:
    for number, server in enumerate(cluster.servers):
        server.lies = number != good
    assert await files.read_file("/f") == data


async def test_rotten_and_missing_copies_are_passed_over(
    cluster: FakeCluster, files: Filesystem, data: bytes
) -> None:
    for number, chunk in enumerate(cluster.tree[b"/f"].chunks):
        first, second = cluster.servers[number % 3], cluster.servers[(number + 1) % 3]
        first.corrupt.add(chunk.hash)
        second.chunks.pop(chunk.hash, None)
    assert await files.read_file("/f") == data


@pytest.mark.parametrize("how", ["hang_gets", "hang_within_gets"])
async def test_a_member_that_hangs_is_overtaken_at_once(
    cluster: FakeCluster, files: Filesystem, data: bytes, how: str
) -> None:
    setattr(cluster.servers[0], how, True)
    setattr(cluster.servers[1], how, True)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await files.read_file("/f") == data
    assert loop.time() - began < 3


async def test_lost_only_when_every_member_has_said_so(
    cluster: FakeCluster, files: Filesystem, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "PATIENCE_S", 0.3)
    victim = cluster.tree[b"/f"].chunks[3].hash
    for server in cluster.servers:
        server.chunks.pop(victim, None)
    cluster.servers[2].kill()
    with pytest.raises(ChunkNotYet):
        await files.read_file("/f")
    cluster.servers[2].start()
    with pytest.raises(ChunkLost):
        await files.read_file("/f")


async def test_a_copy_that_comes_later_is_waited_for(
    cluster: FakeCluster, files: Filesystem, data: bytes
) -> None:
    for server in cluster.servers:
        server.kill()
    reading = asyncio.create_task(files.read_file("/f"))
    await asyncio.wait({reading}, timeout=0.3)
    assert not reading.done()
    cluster.servers[1].start()
    assert await reading == data


async def test_collected_is_not_lost(cluster: FakeCluster, files: Filesystem, data: bytes) -> None:
    version = await files.version("/f")
    for server in cluster.servers:
        server.chunks.clear()
    await files.write_file("/g", b"later")
    cluster.horizon = 2
    with pytest.raises(ChunkCollected):
        await version.read()
    with pytest.raises(BeforeHorizon):
        await files.version("/f", at=1)


async def test_a_faulty_network_delays_but_never_damages(
    cluster: FakeCluster, connect: MakeFilesystem, data: bytes, seed: int
) -> None:
    def gets(request: Request) -> bool:
        return request.target == "/v1/chunks/get"

    faults = (Fault.UNREACHABLE, Fault.REPLY_LOST, Fault.CUT_REPLY, Fault.DELAY)
    flaky = FlakyTransport(cluster.transport, seeded(seed, dict.fromkeys(faults, 0.1), gets))
    files = connect(transport=flaky)
    for _ in range(8):
        assert await files.read_file("/f") == data
    assert sum(flaky.counts.values()) >= 3


async def test_a_slow_consumer_holds_a_window_and_no_more(
    cluster: FakeCluster, connect: MakeFilesystem, seed: int
) -> None:
    files = connect()
    await files.write_file("/long", random_bytes(seed, 60 * MIB))
    stream = files.read_stream("/long")
    await anext(stream)
    await SystemClock().sleep(0.2)  # nothing is to happen, so there is nothing to wait for
    assert files.connection.downloads.received_bytes <= IN_FLIGHT_BYTES
    await stream.aclose()
    assert files.connection.budget._free == IN_FLIGHT_BYTES
