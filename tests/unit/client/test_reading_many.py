"""Many files at once: in order, whole or with their own error, in few requests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from cairnfs.client.cache.directory import CacheSettings
from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import CairnError, IsADirectory, NotFound
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import FakeCluster
from tests.unit.client.fake_fileserver import CLUSTER_ID

MIB = 1024 * 1024
SIZES = (0, 1, 4096, 4096, 70_000, 3 * MIB)


@pytest.fixture
async def data(files: Filesystem, seed: int) -> dict[str, bytes]:
    """Files of several sizes, some of them alike."""
    chance = random.Random(seed)
    made = {f"/f{number}": chance.randbytes(size) for number, size in enumerate(SIZES * 2)}
    made["/alike"] = made["/f3"]
    for path, content in made.items():
        await files.write_file(path, content)
    return made


def codes(found: Sequence[bytes | CairnError]) -> list[str]:
    return [one.code if isinstance(one, CairnError) else "" for one in found]


async def test_each_comes_in_its_place(
    cluster: FakeCluster, files: Filesystem, data: dict[str, bytes]
) -> None:
    paths = [*data, "/f2", *reversed(data)]
    before = cluster.calls.copy()
    assert await files.read_many(paths) == [data[path] for path in paths]
    asked = cluster.calls - before
    assert asked["open_many"] == 1
    assert asked["open"] == 0
    assert await files.read_many([]) == []


async def test_what_cannot_be_read_says_why_and_the_others_are_read(
    files: Filesystem, data: dict[str, bytes]
) -> None:
    await files.mkdir("/d")
    found = await files.read_many(["/none", "/f4", "/d", "/f5"])
    assert [found[1], found[3]] == [data["/f4"], data["/f5"]]
    assert codes(found) == [NotFound.code, "", IsADirectory.code, ""]


async def test_one_lost_chunk_is_one_files_loss(
    cluster: FakeCluster, files: Filesystem, data: dict[str, bytes]
) -> None:
    (chunk,) = cluster.tree[b"/f4"].chunks
    for server in cluster.servers:
        server.chunks.pop(chunk.hash)
    found = await files.read_many(["/f2", "/f4", "/f9"])
    assert codes(found) == ["", "chunk_lost", ""]
    assert (found[0], found[2]) == (data["/f2"], data["/f9"])


async def test_what_takes_several_replies_is_of_one_commit(
    cluster: FakeCluster, files: Filesystem, data: dict[str, bytes]
) -> None:
    def commit() -> None:
        cluster.trees.append({**cluster.tree, b"/f10": cluster.tree[b"/f2"]})

    cluster.opens_at_once, cluster.after_open_many = 3, commit
    paths = [f"/f{number}" for number in range(12)]
    assert await files.read_many(paths) == [data[path] for path in paths]
    assert len(cluster.conditions) == 4


async def test_what_is_unchanged_costs_one_request_and_no_chunks(
    cluster: FakeCluster, connect: MakeFilesystem, data: dict[str, bytes], tmp_path: Path
) -> None:
    settings = CacheSettings(tmp_path / "cache", 256 * MIB)
    for again in (False, True):
        files = connect(cache=settings, cluster_id=CLUSTER_ID)
        before = cluster.calls.copy()
        assert await files.read_many(list(data)) == list(data.values())
        asked = cluster.calls - before
        assert (files.connection.downloads.received_bytes == 0) is again
        await files.close()
        if again:
            assert dict(asked) == {"open_many": 1}
            known = dict(zip(data, cluster.conditions[-1], strict=True))
            assert {path for path, etag in known.items() if etag} == {
                path for path in data if len(cluster.tree[path.encode()].chunks) > 1
            }


async def test_a_file_that_changed_is_told_anew(
    cluster: FakeCluster, connect: MakeFilesystem, files: Filesystem, data: dict[str, bytes], tmp_path: Path
) -> None:
    settings = CacheSettings(tmp_path / "cache", 256 * MIB)
    reader = connect(cache=settings, cluster_id=CLUSTER_ID)
    assert await reader.read_many(["/f2", "/f5"]) == [data["/f2"], data["/f5"]]
    await files.write_file("/f5", b"changed")
    assert await reader.read_many(["/f2", "/f5"]) == [data["/f2"], b"changed"]
    assert await reader.read_file("/f5") == b"changed"
    before = len(cluster.trees) - 2
    assert await reader.read_many(["/f5"], at=before) == [data["/f5"]]
    assert await reader.read_file("/f5") == b"changed"
