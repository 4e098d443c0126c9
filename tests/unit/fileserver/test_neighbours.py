"""Many small chunks in few reads, and none of them worse checked than one by one."""

from __future__ import annotations

import random

import pytest

from cairnfs.fileserver.neighbours import GAP_BYTES, RUN_MAX_BYTES, TOGETHER_MAX_BYTES
from cairnfs.fileserver.records import footprint
from cairnfs.fileserver.store import Options, Store
from cairnfs.fileserver.trouble import ChunkMissing, CorruptChunk
from cairnfs.testing.disk import FlakyFile
from tests.unit.fileserver.shelves import Shelf, datum, flip, hash_of, stored


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of reads of files."""
    seen: list[int] = []
    pread = FlakyFile.pread

    def noted(file: FlakyFile, length: int, offset: int) -> bytes:
        seen.append(length)
        return pread(file, length, offset)

    monkeypatch.setattr(FlakyFile, "pread", noted)
    return seen


@pytest.fixture
def store(shelf: Shelf) -> Store:
    shelf.options = Options(background=False)
    return shelf.open()


def test_what_was_put_together_is_read_at_once(store: Store, reads: list[int]) -> None:
    data = [datum(number, 1 + number * 7) for number in range(200)]
    stored(store, *data)
    asked = [hash_of(one) for one in data]
    random.Random(3).shuffle(asked)
    reads.clear()
    assert store.get_together(asked) == {hash_of(one): one for one in data}
    assert len(reads) == 1


def test_what_lies_apart_is_read_apart_and_no_read_is_too_large(store: Store, reads: list[int]) -> None:
    wanted = [datum(number, 4096) for number in range(4)]
    stored(store, wanted[0])
    stored(store, datum(90, GAP_BYTES - footprint(0)), wanted[1])
    stored(store, datum(91, GAP_BYTES + 64), wanted[2], wanted[3])
    reads.clear()
    assert len(store.get_together([hash_of(one) for one in wanted])) == 4
    assert len(reads) == 2, "a small gap is read along"
    many = [datum(number, 60_000) for number in range(100, 140)]
    stored(store, *many)
    reads.clear()
    assert store.get_together([hash_of(one) for one in many]) == {hash_of(one): one for one in many}
    assert len(reads) == 3
    assert max(reads) <= RUN_MAX_BYTES


def test_chunks_of_several_segments_come_together(shelf: Shelf) -> None:
    store = shelf.open()
    data = [datum(number, 3000) for number in range(20)]
    for one in data:
        stored(store, one)
    assert len(shelf.segments()) > 5
    assert store.get_together([hash_of(one) for one in data]) == {hash_of(one): one for one in data}


def test_large_ones_and_strangers_are_left_to_others(store: Store) -> None:
    small, large = datum(1, TOGETHER_MAX_BYTES), datum(2, TOGETHER_MAX_BYTES + 1)
    stored(store, small, large)
    asked = [hash_of(one) for one in (small, large, b"nobody's")]
    assert store.get_together(asked) == {hash_of(small): small}
    with pytest.raises(ChunkMissing):
        store.get(asked[2])


@pytest.mark.loud
@pytest.mark.parametrize("place", [-200, -4190], ids=("payload", "header"))
def test_a_rotten_one_is_left_out_and_found_rotten_by_itself(shelf: Shelf, store: Store, place: int) -> None:
    data = [datum(number, 4096) for number in range(3)]
    stored(store, *data)
    (segment,) = shelf.segments()
    flip(segment, segment.stat().st_size + place)
    found = store.get_together([hash_of(one) for one in data])
    assert found == {hash_of(one): one for one in data[:2]}
    assert store.stats().corrupt_reads == 0
    if place == -200:
        with pytest.raises(CorruptChunk):
            store.get(hash_of(data[2]))
    else:
        assert store.get(hash_of(data[2])) == data[2], "the hash proves the bytes"
    assert store.stats().corrupt_reads == 1


def test_a_disk_that_fails_spoils_nothing_else(shelf: Shelf, store: Store) -> None:
    data = [datum(number) for number in range(3)]
    stored(store, *data)
    asked = [hash_of(one) for one in data]
    shelf.disk.fail_read()
    assert store.get_together(asked) == {}
    assert [store.get(chunk) for chunk in asked] == data
