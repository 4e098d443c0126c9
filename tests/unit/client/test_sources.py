"""Sources: what local files with holes are cut into, and what can be read twice."""

from __future__ import annotations

import io
import random
import tempfile
from pathlib import Path

import pytest

from cairnfs.client import sources
from cairnfs.client.sources import Content, chunks_of, position, replayable, rewind
from cairnfs.core.chunking import split
from cairnfs.core.manifest import HOLE, HOLE_MAX_BYTES, Chunk, hash_bytes
from cairnfs.errors import TooLarge
from tests.sparse import GIB, KIB, MIB, make, need_holes


async def cut(content: Content) -> list[Chunk]:
    found = []
    async for chunk, data in chunks_of(content):
        assert len(data) == (0 if chunk.hash == HOLE else chunk.size)
        found.append(chunk)
    return found


def named(content: bytes) -> list[Chunk]:
    return [Chunk(hash_bytes(view), len(view)) for view in split(content)]


async def test_each_run_between_holes_is_cut_like_a_file(tmp_path: Path, seed: int) -> None:
    need_holes(tmp_path)
    dice = random.Random(seed)
    long, short = dice.randbytes(5 * MIB), dice.randbytes(8 * KIB)
    path = make(tmp_path / "f", [long, 5 * GIB, short, 64 * KIB])
    with path.open("rb", buffering=0) as stream:
        found = await cut(stream)
    left = 5 * GIB - HOLE_MAX_BYTES
    # A hole begins where the system's block ends.
    assert found == [
        *named(long),
        Chunk(HOLE, HOLE_MAX_BYTES),
        Chunk(HOLE, left),
        *named(short),
        Chunk(HOLE, 65536),
    ]


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 7 * MIB + 5])
async def test_a_file_of_data_alone_is_cut_as_its_bytes_are(tmp_path: Path, seed: int, size: int) -> None:
    data = random.Random(seed).randbytes(size)
    path = make(tmp_path / "f", [data])
    with path.open("rb", buffering=0) as stream:
        assert await cut(stream) == named(data) == await cut(data)


async def test_zeros_that_are_stored_stay_data(tmp_path: Path) -> None:
    path = make(tmp_path / "f", [bytes(3 * MIB)])
    with path.open("rb") as stream:
        assert await cut(stream) == named(bytes(3 * MIB))
    assert await cut(io.BytesIO(bytes(MIB))) == named(bytes(MIB))


async def test_a_hole_longer_than_any_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_holes(tmp_path)
    monkeypatch.setattr(sources, "FILE_CHUNKS_MAX", 2)
    path = make(tmp_path / "f", [9 * GIB])
    with path.open("rb") as stream, pytest.raises(TooLarge):
        await cut(stream)


async def test_what_stands_for_a_file_is_read_again_from_where_it_began() -> None:
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(b"0123456789")
        stream.seek(4)
        assert replayable(stream)
        start = position(stream)
        first = await cut(stream)
        rewind(stream, start)
        assert await cut(stream) == first == named(b"456789")
