"""Sparse files through a whole cluster: the same bytes come back, and the holes stay holes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.clock import SystemClock
from cairnfs.core.chunking import HOLE_LEAST_BYTES
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire import endpoints
from cairnfs.wire.verification import VerifyGroupsRequest
from tests.sparse import KIB, MIB, any_layout, data_of, make, need_holes, same, taken_bytes

HOME = "/home/ann"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Cluster]:
    need_holes(tmp_path)
    async with cluster(fileservers=3) as made:
        yield made
        await sound(made)


@pytest.fixture
async def files(here: Cluster) -> Filesystem:
    return await here.user("ann")


async def sound(here: Cluster) -> None:
    """Nothing is wrong with the database, and every copy of every chunk is whole."""
    admin = await here.admin()
    assert (await admin.ask(endpoints.VERIFY_DATABASE)).findings == []
    deep = await admin.ask(endpoints.VERIFY_GROUPS, VerifyGroupsRequest(first=0, last=1023, deep=True))
    assert deep.findings == []


async def data_bytes(files: Filesystem, path: str) -> int:
    """What Cairn keeps of a file, each piece rounded up to a local file system's blocks."""
    kept = [part async for _, part in (await files.version(path)).extents() if isinstance(part, bytes)]
    return sum(-(-len(part) // 4096) * 4096 for part in kept)


async def test_any_layouts_come_back_as_they_were(files: Filesystem, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    for number in range(6):
        make(tmp_path / "tree" / "deep" / f"{number}", any_layout(dice, dice.randrange(1, 8)))
    make(tmp_path / "tree" / "vast", [2**40, b"end"])
    make(tmp_path / "tree" / "short", [b"a" * 5, 512 * KIB, b"b"])
    make(tmp_path / "tree" / "data", [dice.randbytes(2 * MIB)])
    put = await files.put_tree(tmp_path / "tree", f"{HOME}/tree")
    taken = sum(taken_bytes(one) for one in (tmp_path / "tree").rglob("*") if one.is_file())
    assert put.commits == 1
    # Only holes that are short, or a block's rest, go as zeros.
    assert put.sent_bytes <= taken + 50 * (HOLE_LEAST_BYTES + 8 * KIB)
    await files.get_tree(f"{HOME}/tree", tmp_path / "back")
    for one in sorted((tmp_path / "tree").rglob("*")):
        if not one.is_file():
            continue
        inside = one.relative_to(tmp_path / "tree")
        back = tmp_path / "back" / inside
        assert same(one, back), inside
        # An extent more or less costs a file system a block or two of its own.
        assert taken_bytes(back) <= await data_bytes(files, f"{HOME}/tree/{inside}") + 64 * KIB, inside
        await files.put_file(one, f"{HOME}/single")
        assert (await files.stat(f"{HOME}/single")).size == one.stat().st_size
        await files.get_file(f"{HOME}/single", tmp_path / "single")
        assert same(one, tmp_path / "single"), inside
    short = [part async for _, part in (await files.version(f"{HOME}/tree/short")).extents()]
    assert [part for part in short if isinstance(part, int)] == [508 * KIB]


async def test_a_tebibyte_of_nothing_goes_in_and_out_at_once(files: Filesystem, tmp_path: Path) -> None:
    half = 2**39
    local = make(tmp_path / "vast", [half, b"middle" + bytes(4090), half - 4096])
    began = SystemClock().monotonic()
    put = await files.put_file(local, f"{HOME}/vast")
    await files.get_file(f"{HOME}/vast", tmp_path / "back")
    took_s = SystemClock().monotonic() - began
    assert (put.bytes, put.sent_bytes) == (2**40, 4096)
    assert list(data_of(tmp_path / "back")) == [(half, b"middle" + bytes(4090))]
    assert (tmp_path / "back").stat().st_size == 2**40
    assert taken_bytes(tmp_path / "back") <= MIB
    assert took_s < 10, took_s  # a second on an idle machine; sent as zeros it would be an hour
    # A new version that shares the data needs it sent to nobody who has it, and the holes neither.
    with local.open("r+b") as stream:
        stream.seek(5 * MIB)
        stream.write(b"more")
    await files.put_file(local, f"{HOME}/vast")
    part = [piece async for piece in files.read_stream(f"{HOME}/vast", start=5 * MIB - 2, stop=5 * MIB + 6)]
    assert b"".join(part) == b"\0\0more\0\0"
    assert (
        b"".join([piece async for piece in files.read_stream(f"{HOME}/vast", start=half, stop=half + 6)])
        == b"middle"
    )


@pytest.mark.loud
async def test_a_hole_needs_no_fileserver(here: Cluster, files: Filesystem, tmp_path: Path) -> None:
    """It is durable without anybody, so it can be written and read when none is there."""
    local = make(tmp_path / "hole", [3 * HOLE_LEAST_BYTES])
    for number in range(3):
        await here.kill(number)
    await files.put_file(local, f"{HOME}/hole")
    await files.get_file(f"{HOME}/hole", tmp_path / "back")
    assert same(local, tmp_path / "back")
    for number in range(3):
        await here.start(number)
