"""Putting a tree: all of it or nothing, whatever is refused, and what is not proven is sent."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import Forbidden, IsADirectory
from tests.unit.client.fake_cluster import FakeCluster

MIB = 1024 * 1024


async def test_what_is_refused_leaves_all_as_it_was(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path
) -> None:
    for number in range(1500):
        (tmp_path / f"{number:04}").write_bytes(b"x%d" % number)
    await files.mkdir("/t/1200", parents=True)
    with pytest.raises(IsADirectory):
        await files.put_tree(tmp_path, "/t")
    assert cluster.commit_sizes == [1]
    assert cluster.pages == [999]


async def test_a_tree_whose_commit_is_refused_is_given_up(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path
) -> None:
    for number in range(1100):
        (tmp_path / f"{number:04}").write_bytes(b"")
    cluster.refusals.append(Forbidden("not any more"))
    with pytest.raises(Forbidden):
        await files.put_tree(tmp_path, "/t")
    assert (cluster.detached, list(cluster.tree)) == ({}, [b"/"])


async def test_what_bases_do_not_prove_is_sent_after_all(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    content = random.Random(seed).randbytes(2 * MIB)
    (tmp_path / "a").write_bytes(content)
    await files.put_tree(tmp_path, "/t")
    cluster.uncertain.update(chunk.hash for chunk in cluster.tree[b"/t/a"].chunks)
    (tmp_path / "a").rename(tmp_path / "b")
    tree = await files.put_tree(tmp_path, "/t")
    assert (tree.sent_bytes, tree.commits) == (2 * MIB, 1)
    assert await files.read_file("/t/b") == content


async def test_an_interrupted_tree_leaves_all_as_it_was(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path
) -> None:
    for number in range(2500):
        (tmp_path / f"{number:04}").write_bytes(b"y%d" % number)
    seen = asyncio.Event()

    async def see() -> None:
        if cluster.pages:
            seen.set()

    cluster.on_put = see
    putting = asyncio.create_task(files.put_tree(tmp_path, "/t"))
    await seen.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert (cluster.commit_sizes, list(cluster.tree)) == ([], [b"/"])
