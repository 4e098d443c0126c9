"""Downloads: right bytes or an honest error, from whoever has them."""

from __future__ import annotations

import asyncio
import random

import pytest

from cairnfs.client import courier
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.transfer import IN_FLIGHT_BYTES
from cairnfs.clock import SystemClock
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes
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


def small(seed: int, count: int) -> list[bytes]:
    """Distinct contents of small files."""
    return [random_bytes(seed + number, 200) + b"%d" % number for number in range(count)]


async def stored(files: Filesystem, cluster: FakeCluster, contents: list[bytes]) -> list[Chunk]:
    """The chunks of files with these contents."""
    for number, content in enumerate(contents):
        await files.write_file(f"/{number}", content)
    return [
        Chunk(Hash(chunk.hash), chunk.size)
        for number in range(len(contents))
        for chunk in cluster.tree[b"/%d" % number].chunks
    ]


async def test_many_small_chunks_come_in_few_requests(
    cluster: FakeCluster, files: Filesystem, seed: int
) -> None:
    contents = small(seed, 300)
    chunks = await stored(files, cluster, contents)
    found = await files.connection.downloads.fetch_many([*chunks, *chunks[:5], Chunk(HOLE, 70_000)])
    assert found == {hash_bytes(content): content for content in contents}
    assert sum(len(server.gets) for server in cluster.servers) <= 12
    assert await files.connection.downloads.fetch_many([]) == {}


@pytest.mark.parametrize("how", ["lies", "hang_gets", "hang_within_gets", "lacks some", "gone"])
async def test_many_chunks_come_from_whoever_has_them(
    cluster: FakeCluster, files: Filesystem, seed: int, how: str
) -> None:
    contents = small(seed, 60)
    chunks = await stored(files, cluster, contents)
    for number, server in enumerate(cluster.servers):
        if how == "lacks some":
            for chunk in chunks[number::3]:
                server.chunks.pop(chunk.hash)
            for chunk in chunks[number + 1 :: 3]:
                server.corrupt.add(chunk.hash)
        elif number != seed % 3:
            if how == "gone":
                server.kill()
            else:
                setattr(server, how, True)
    found = await asyncio.wait_for(files.connection.downloads.fetch_many(chunks), 10)
    assert found == {hash_bytes(content): content for content in contents}


async def test_of_many_chunks_a_lost_one_is_told(cluster: FakeCluster, files: Filesystem, seed: int) -> None:
    chunks = await stored(files, cluster, small(seed, 20))
    for server in cluster.servers:
        server.chunks.pop(chunks[7].hash)
    with pytest.raises(ChunkLost):
        await files.connection.downloads.fetch_many(chunks)
