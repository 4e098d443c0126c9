"""Reading files with holes: zeros in bounded pieces, nothing fetched for them, holes told to who asks."""

from __future__ import annotations

import asyncio
import io
import random
import tracemalloc
from contextlib import aclosing
from pathlib import Path

import pytest

from cairnfs.client.commit import commit
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.reading import Version
from cairnfs.client.transfer import IN_FLIGHT_BYTES
from cairnfs.client.writing import Target
from cairnfs.core.manifest import HOLE, Chunk, holes
from cairnfs.ids import Path as CairnPath
from cairnfs.wire.directory import ChunkRef
from tests.sparse import GIB, KIB, MIB, any_layout, make, need_holes
from tests.unit.client.fake_cluster import FakeCluster


async def put(files: Filesystem, path: Path, name: str = "/f") -> Version:
    """A local file at /f, as Cairn has it."""
    with path.open("rb", buffering=0) as stream:
        await files.write_file(name, stream)
    return await files.version(name)


async def test_extents_tell_data_from_holes(files: Filesystem, tmp_path: Path) -> None:
    need_holes(tmp_path)
    version = await put(files, make(tmp_path / "f", [MIB, b"a" * 4096, 5 * GIB, b"b" * 4096]))
    first, second = (entry.size for entry in holes(5 * GIB))
    assert [extent async for extent in version.extents()] == [
        (0, MIB),
        (MIB, b"a" * 4096),
        (MIB + 4096, first),
        (MIB + 4096 + first, second),
        (MIB + 4096 + 5 * GIB, b"b" * 4096),
    ]
    assert [extent async for extent in version.extents(MIB - 1, MIB + 4)] == [(MIB - 1, 1), (MIB, b"aaaa")]
    assert [extent async for extent in version.extents(10, 20)] == [(10, 10)]
    assert [extent async for extent in version.extents(10, 10)] == []


async def test_any_part_of_any_layout_is_the_files_own(files: Filesystem, tmp_path: Path, seed: int) -> None:
    need_holes(tmp_path)
    dice = random.Random(seed)
    layout = [part % (20 * MIB) if isinstance(part, int) else part for part in any_layout(dice)]
    path = make(tmp_path / "f", layout)
    content = path.read_bytes()
    version = await put(files, path)
    assert await version.read() == content
    for _ in range(10):
        start, stop = sorted(dice.choices(range(len(content) + 1), k=2))
        pieces = [piece async for piece in version.pieces(start, stop)]
        assert b"".join(pieces) == content[start:stop]
    reader = await files.open("/f")
    async with reader:
        for _ in range(20):
            start, size = dice.randrange(len(content) + 1), dice.choice([1, 5000, 2 * MIB])
            await reader.seek(start)
            assert await reader.read(size) == content[start : start + size]
            assert reader.tell() == min(start + size, len(content))


async def test_holes_are_fetched_from_nobody(cluster: FakeCluster, files: Filesystem, tmp_path: Path) -> None:
    need_holes(tmp_path)
    await put(files, make(tmp_path / "f", [72 * KIB, b"a" * 4096, 30 * MIB]))
    assert len(cluster.tree[b"/f"].chunks) == 3
    assert sum(sum(server.puts) for server in cluster.servers) == 1
    await files.read_file("/f")
    assert sum(sum(server.gets) for server in cluster.servers) == 1
    assert files.connection.downloads.received_bytes == 4096


async def test_a_file_that_is_one_hole_is_sent_to_nobody(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path
) -> None:
    need_holes(tmp_path)
    version = await put(files, make(tmp_path / "f", [2**40 + 1]))
    assert version.size == 2**40 + 1
    assert {chunk.hash for chunk in cluster.tree[b"/f"].chunks} == {HOLE}
    assert not any(server.puts for server in cluster.servers)


async def test_data_behind_a_hole_is_fetched_ahead(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_holes(tmp_path)
    version = await put(files, make(tmp_path / "f", [b"a" * MIB, 30 * MIB, b"b" * MIB]))
    fetched = []
    honest = files.connection.downloads.fetch

    def fetch(chunk: Chunk, *, keep: bool) -> asyncio.Future[bytes]:
        fetched.append(chunk.size)
        return honest(chunk, keep=keep)

    monkeypatch.setattr(files.connection.downloads, "fetch", fetch)
    async with aclosing(version.pieces()) as pieces:
        assert await anext(pieces) == b"a" * MIB
        assert fetched == [MIB, MIB]


async def test_reading_in_a_long_hole_takes_little_memory(files: Filesystem, tmp_path: Path) -> None:
    need_holes(tmp_path)
    version = await put(files, make(tmp_path / "f", [64 * GIB, b"end"]))
    tracemalloc.start()
    try:
        seen = 0
        async for piece in version.pieces(31 * GIB, 31 * GIB + 256 * MIB + 1):
            assert len(piece) <= MIB
            assert not any(piece[:64])
            seen += len(piece)
        reader = await files.open("/f")
        await reader.seek(64 * GIB - 1)
        assert await reader.read() == b"\0end"
        await reader.seek(5)
        assert await reader.read_some() == bytes(MIB)
        await reader.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == 256 * MIB + 1
    assert peak < 8 * MIB, peak


async def test_many_holes_in_a_row_are_a_file_too(files: Filesystem) -> None:
    target = Target(CairnPath(b"/f"))
    await commit(files.connection.control, [target.operation([ChunkRef(HOLE, 1)] * 100_000)])
    version = await files.version("/f")
    assert version.size == 100_000
    assert b"".join([piece async for piece in version.pieces(300, 2300)]) == bytes(2000)


async def test_others_go_on_while_a_hole_is_read(files: Filesystem, tmp_path: Path) -> None:
    need_holes(tmp_path)
    version = await put(files, make(tmp_path / "f", [64 * GIB]))

    async def read_on() -> None:
        async for _ in version.pieces():
            pass

    reading = asyncio.create_task(read_on())
    turns = 0
    while turns < 100:
        await asyncio.sleep(0)
        turns += 1
    assert not reading.done()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_a_reader_with_little_budget_gets_through(files: Filesystem, tmp_path: Path) -> None:
    """Data behind holes waits for the budget like all else, and is had in the end."""
    need_holes(tmp_path)
    data = random.Random(1).randbytes(2 * MIB)
    path = make(tmp_path / "f", [data, MIB] * 4)
    version = await put(files, path)
    await files.connection.budget.take(IN_FLIGHT_BYTES)
    try:
        assert await asyncio.wait_for(version.read(), 10) == path.read_bytes()
    finally:
        files.connection.budget.give(IN_FLIGHT_BYTES)


async def test_bytes_are_never_searched_for_holes(cluster: FakeCluster, files: Filesystem) -> None:
    await files.write_file("/f", bytes(3 * MIB))
    await files.write_file("/g", io.BytesIO(bytes(3 * MIB)))
    assert HOLE not in {chunk.hash for name in (b"/f", b"/g") for chunk in cluster.tree[name].chunks}
