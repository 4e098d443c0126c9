"""Reading through the cache: what was read once is not asked of a fileserver again, and no more than that."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.cache import front as cache_front
from cairnfs.client.cache import store as cache
from cairnfs.client.cache.directory import CacheSettings
from cairnfs.client.filesystem import Filesystem
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes
from cairnfs.errors import Forbidden, NotFound
from cairnfs.wire.directory import ChunkRef
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import FakeCluster
from tests.unit.client.fake_fileserver import CLUSTER_ID

MIB = 1024 * 1024
OFF = "(CAIRN_CACHE_BYTES=0 switches it off)"
LIMIT = 64 * MIB


@pytest.fixture
def settings(tmp_path: Path) -> CacheSettings:
    return CacheSettings(tmp_path / "cache", LIMIT)


def gets(cluster: FakeCluster) -> int:
    return sum(sum(server.gets) for server in cluster.servers)


async def read_by_a_new_client(
    connect: MakeFilesystem, settings: CacheSettings, path: str
) -> tuple[bytes, int, int]:
    """The content, and how many bytes came from fileservers and from the cache."""
    files = connect(cache=settings)
    content = await files.read_file(path)
    downloads = files.connection.downloads
    await files.close()
    return content, downloads.received_bytes, downloads.cached_bytes


@pytest.mark.parametrize("size", [1, 4096, MIB, 5 * MIB])
async def test_what_was_read_once_comes_from_the_cache(
    connect: MakeFilesystem, files: Filesystem, settings: CacheSettings, seed: int, size: int
) -> None:
    data = random.Random(seed).randbytes(size)
    await files.write_file("/f", data)
    assert await read_by_a_new_client(connect, settings, "/f") == (data, size, 0)
    assert await read_by_a_new_client(connect, settings, "/f") == (data, 0, size)


async def test_a_changed_file_costs_what_changed(
    connect: MakeFilesystem, files: Filesystem, settings: CacheSettings, seed: int
) -> None:
    data = random.Random(seed).randbytes(8 * MIB)
    await files.write_file("/f", data)
    await read_by_a_new_client(connect, settings, "/f")
    changed = data[: 4 * MIB] + b"!" + data[4 * MIB + 1 :]
    await files.write_file("/f", changed)
    content, received, cached = await read_by_a_new_client(connect, settings, "/f")
    assert content == changed
    assert received <= 4 * MIB
    assert received + cached == len(data)


async def test_a_client_without_settings_keeps_nothing(
    connect: MakeFilesystem, files: Filesystem, tmp_path: Path
) -> None:
    await files.write_file("/f", b"hello")
    assert await connect(cache=CacheSettings(tmp_path / "cache", 0)).read_file("/f") == b"hello"
    assert await connect().read_file("/f") == b"hello"
    assert not (tmp_path / "cache").exists()


async def test_a_long_stream_neither_fills_nor_keeps_what_is_there(
    connect: MakeFilesystem, files: Filesystem, settings: CacheSettings, seed: int
) -> None:
    chance = random.Random(seed)
    await files.write_file("/long", chance.randbytes(LIMIT // 8 + 1))
    await files.write_file("/short", chance.randbytes(MIB))
    for _ in range(2):
        _, received, cached = await read_by_a_new_client(connect, settings, "/long")
        assert cached == 0
        assert received > LIMIT // 8
    await read_by_a_new_client(connect, settings, "/short")
    assert (await read_by_a_new_client(connect, settings, "/short"))[1:] == (0, MIB)


async def test_a_part_of_a_long_file_is_kept(
    connect: MakeFilesystem, files: Filesystem, settings: CacheSettings, seed: int
) -> None:
    data = random.Random(seed).randbytes(20 * MIB)
    await files.write_file("/f", data)
    for cached in (False, True):
        reader = connect(cache=settings)
        parts = [part async for part in reader.read_stream("/f", start=10 * MIB, stop=11 * MIB)]
        assert b"".join(parts) == data[10 * MIB : 11 * MIB]
        assert (reader.connection.downloads.received_bytes == 0) is cached
        await reader.close()


async def test_who_may_no_longer_read_is_not_served_from_the_cache(
    cluster: FakeCluster,
    connect: MakeFilesystem,
    files: Filesystem,
    settings: CacheSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await files.write_file("/f", b"secret")
    reader = connect(cache=settings)
    assert await reader.read_file("/f") == b"secret"

    def refuse(*_: object) -> None:
        raise Forbidden("not any more")

    monkeypatch.setattr(cluster, "_entry", refuse)
    with pytest.raises(Forbidden):
        await reader.read_file("/f")
    monkeypatch.undo()
    await files.remove("/f")
    with pytest.raises(NotFound):
        await reader.read_file("/f")


@pytest.mark.loud
async def test_a_broken_cache_is_told_once_and_read_past(
    connect: MakeFilesystem, files: Filesystem, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no directory")
    settings = CacheSettings(tmp_path / "file" / "cache", 64 * MIB)
    await files.write_file("/f", b"hello")
    for _ in range(3):
        assert (await read_by_a_new_client(connect, settings, "/f"))[0] == b"hello"
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"cairn: the cache in {settings.directory} is not used: Not a directory {OFF}"]


async def test_what_rots_in_the_cache_comes_from_a_fileserver(
    connect: MakeFilesystem, files: Filesystem, settings: CacheSettings, seed: int
) -> None:
    data = random.Random(seed).randbytes(MIB)
    await files.write_file("/f", data)
    await read_by_a_new_client(connect, settings, "/f")
    ring = settings.directory / "chunks" / "ring"
    content = bytearray(ring.read_bytes())
    content[MIB // 2] ^= 1
    ring.write_bytes(content)
    assert await read_by_a_new_client(connect, settings, "/f") == (data, MIB, 0)
    assert await read_by_a_new_client(connect, settings, "/f") == (data, 0, MIB)


async def test_readers_that_go_leave_nobody_waiting(
    connect: MakeFilesystem, files: Filesystem, settings: CacheSettings, seed: int
) -> None:
    data = random.Random(seed).randbytes(4 * MIB)
    await files.write_file("/f", data)
    reader = connect(cache=settings)
    tasks = [asyncio.create_task(reader.read_file("/f")) for _ in range(20)]
    for task in tasks[::2]:
        await asyncio.sleep(0)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(one == data for one in results[1::2])


async def test_a_client_that_closes_tells_who_waits(
    cluster: FakeCluster, connect: MakeFilesystem, files: Filesystem, settings: CacheSettings
) -> None:
    await files.write_file("/f", b"x" * MIB)
    for server in cluster.servers:
        server.hang_gets = True
    reader = connect(cache=settings)
    reading = asyncio.create_task(reader.read_file("/f"))
    await asyncio.wait_for(cluster.hanging.wait(), 10)
    await asyncio.wait_for(reader.close(), 10)
    with pytest.raises(Exception, match="closed"):
        await reading


async def test_one_cluster_does_not_find_what_another_put_there(settings: CacheSettings, seed: int) -> None:
    content = random.Random(seed).randbytes(4096)
    one, other = cache.Cache(settings, "a" * 32), cache.Cache(settings, "b" * 32)
    digest = hash_bytes(content)
    one.store_many([(digest, content)])
    wanted = [Chunk(digest, 4096)]
    assert one.lookup_many(wanted) == [content]
    assert other.lookup_many(wanted) == [None]
    one.keep_many([(b"name", b"told")])
    assert (one.recall_many([b"name"]), other.recall_many([b"name"])) == ([b"told"], [None])
    one.close()
    other.close()


async def test_an_unchanged_file_costs_one_conditional_request(
    cluster: FakeCluster, connect: MakeFilesystem, files: Filesystem, settings: CacheSettings, seed: int
) -> None:
    data = random.Random(seed).randbytes(5 * MIB)
    await files.write_file("/f", data)
    for again in (False, True):
        reader = connect(cache=settings, cluster_id=CLUSTER_ID)
        before = cluster.calls.copy()
        assert await reader.read_file("/f") == data
        version = await reader.version("/f")
        assert not version.unchanged, "nobody asked that"
        assert (await reader.version("/f", known=version.etag)).unchanged
        await reader.close()
        asked = cluster.calls - before
        assert asked["open"] == 3
        assert asked["cluster_map"] == (0 if again else 1)
        assert cluster.unchanged_opens == (5 if again else 2)


async def test_a_file_whose_answer_is_too_long_is_opened_as_ever(
    cluster: FakeCluster, connect: MakeFilesystem, files: Filesystem, settings: CacheSettings
) -> None:
    chunks = [ChunkRef(HOLE, 1)] * 300
    await files.write_file("/f", b"x")
    node = cluster.tree[b"/f"]
    cluster.trees.append({**cluster.tree, b"/f": replace(node, chunks=chunks, size=300)})
    for _ in range(2):
        reader = connect(cache=settings, cluster_id=CLUSTER_ID)
        assert await reader.read_file("/f") == bytes(300)
        await reader.close()
    assert cluster.unchanged_opens == 0


@pytest.mark.loud
async def test_a_disk_that_hangs_is_not_waited_for(
    cluster: FakeCluster,
    connect: MakeFilesystem,
    files: Filesystem,
    settings: CacheSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("/f", "/g"):
        await files.write_file(name, name.encode())
    free = threading.Event()
    honest = cache.Cache.lookup_many

    def hang(*arguments: Any, **options: Any) -> Any:
        free.wait(30)
        return honest(*arguments, **options)

    monkeypatch.setattr(cache.Cache, "lookup_many", hang)
    monkeypatch.setattr(cache.Cache, "lookup_at_once", lambda *_, **__: None)
    monkeypatch.setattr(cache_front, "PATIENCE_S", 0.1)
    reader = connect(cache=settings, cluster_id=CLUSTER_ID)
    try:
        found = await asyncio.wait_for(asyncio.gather(*map(reader.read_file, ("/f", "/g", "/f"))), 10)
        assert found == [b"/f", b"/g", b"/f"]
        await asyncio.wait_for(reader.close(), 10)
    finally:
        free.set()
    assert [record.getMessage() for record in caplog.records] == [
        f"cairn: the cache in {settings.directory} is not used: its disk does not answer {OFF}"
    ]
