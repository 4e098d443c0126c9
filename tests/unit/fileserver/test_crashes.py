"""Nothing acknowledged is lost: not by a death between any two operations, nor by a disk that fails.

A batch counts as acknowledged when `put_many` returned. After every death the directory is opened
again and judged by what was acknowledged; what was not may be there or not, but never wrong.
"""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import pytest

from cairnfs.fileserver.puts import Outcome
from cairnfs.fileserver.records import SEGMENT_BYTES, footprint
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.trouble import ChunkMissing, StoreError, StoreFull, WriteFailed
from cairnfs.testing.disk import FlakyDisk
from tests.unit.fileserver.shelves import SMALL, Shelf, begins, datum, hash_of, put, stored

pytestmark = pytest.mark.loud  # failing disks are warned of

#: What a scenario puts, batch by batch: (number of the datum, begin number).
BATCHES = (
    [(1, 1), (2, 1)],
    [(3, 2), (1, 5)],
    [(4, 3), (5, 3), (6, 3)],
    [(2, 9), (7, 4)],
    [(1, 6), (3, 7)],
    [(8, 8)],
    [(9, 9), (10, 9), (4, 11)],
    [(11, 10)],
)


def write_on(store: Store, acknowledged: dict[int, int]) -> bool:
    """Put the batches, noting what was acknowledged with which begin number; False if the disk failed."""
    for batch in BATCHES:
        try:
            outcomes = store.put_many([put(datum(number, 1500), begin) for number, begin in batch])
        except StoreError:
            return False
        assert all(isinstance(outcome, Outcome) for outcome in outcomes)
        for number, begin in batch:
            acknowledged[number] = max(begin, acknowledged.get(number, 0))
    return True


def fill(store: Store) -> None:
    """Put one chunk after the other until the store refuses."""
    for number in range(20, 40):
        stored(store, datum(number, 1500))


def judge(store: Store, acknowledged: dict[int, int]) -> None:
    """Everything acknowledged is there and listed; everything listed is right."""
    listed = begins(store)
    for number, begin in acknowledged.items():
        data = datum(number, 1500)
        assert store.get(hash_of(data)) == data, f"acknowledged chunk {number} is lost"
        assert listed[hash_of(data)] >= begin, f"the begin number of chunk {number} fell"
    for chunk in listed:
        assert hash_of(store.get(chunk)) == chunk


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@pytest.mark.parametrize("lose_index", [False, True], ids=["index-kept", "index-lost"])
def test_death_between_any_two_operations(quick_path: Path, power: bool, lose_index: bool) -> None:
    deaths = 0
    while True:
        shelf = Shelf(quick_path / f"{deaths}", disk=FlakyDisk(seed=deaths))
        shelf.disk.die_in(deaths)
        acknowledged: dict[int, int] = {}
        try:
            alive = write_on(shelf.open(), acknowledged)
        except OSError:
            alive = False  # it died while the directory was opened
        shelf.die(power=power)
        if lose_index:
            shelf.lose_index()
        store = shelf.open()
        judge(store, acknowledged)
        assert write_on(store, acknowledged)
        judge(store, acknowledged)
        shelf.close()
        if alive:
            break
        deaths += 1
    assert deaths > 20  # every write, fsync, creation, rename of the scenario was the last once


@pytest.mark.parametrize(
    ("cause", "kind"), [(errno.EIO, WriteFailed), (errno.ENOSPC, StoreFull)], ids=["EIO", "ENOSPC"]
)
@pytest.mark.parametrize("after", range(len(BATCHES)))
def test_a_failed_fsync_is_never_acknowledged(
    shelf: Shelf, after: int, cause: int, kind: type[StoreError]
) -> None:
    store = shelf.open()
    stored(store, datum(0, 1500))
    shelf.disk.fail_sync(after=after, number=cause)
    acknowledged: dict[int, int] = {}
    for turn, batch in enumerate(BATCHES):
        puts = [put(datum(number, 1500), begin) for number, begin in batch]
        if turn == after:
            with pytest.raises(kind):
                store.put_many(puts)
            for number in {number for number, _ in batch} - acknowledged.keys():
                with pytest.raises(ChunkMissing):
                    store.get(hash_of(datum(number, 1500)))
        else:
            store.put_many(puts)
            for number, begin in batch:
                acknowledged[number] = max(begin, acknowledged.get(number, 0))
    assert shelf.disk.happened == [f"sync {errno.errorcode[cause]}"]
    judge(store, acknowledged)
    shelf.die(power=True)
    judge(shelf.open(), acknowledged)


def test_a_failed_fsync_seals_the_segment(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(1))
    first = shelf.segments()
    size = first[0].stat().st_size
    shelf.disk.fail_sync()
    with pytest.raises(WriteFailed):
        stored(store, datum(2))
    stored(store, datum(3))
    assert len(shelf.segments()) == 2
    assert first[0].stat().st_size == size  # what is durable is kept, the rest is cut
    entry = store._index.find(hash_of(datum(3)))
    assert entry is not None
    assert entry.segment == 2
    assert store.stats().failed_batches == 1


def left_by_a_failed_fsync(shelf: Shelf) -> Store:
    """Open a directory whose last record can be read from the cache only: the medium never got it.

    An fsync by the next process would succeed and prove nothing.
    """
    store = shelf.open()
    stored(store, datum(1))
    shelf.disk.fail_sync()
    shelf.disk.die_in(2)  # after the write and the fsync, before the end could be cut
    with pytest.raises(WriteFailed):
        stored(store, datum(2))
    assert shelf.segments()[0].stat().st_size > SEGMENT_BYTES + footprint(100)
    shelf.die()
    return shelf.open()


def test_an_end_that_a_failed_fsync_gave_up_is_not_believed_after_a_kill(shelf: Shelf) -> None:
    store = left_by_a_failed_fsync(shelf)
    with pytest.raises(ChunkMissing):
        store.get(hash_of(datum(2)))
    assert begins(store) == {hash_of(datum(1)): 1}
    assert store.put_many([put(datum(2))]) == [Outcome.STORED]  # written, not merely touched


def test_believing_it_would_be_noticed(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnfs.fileserver.replay.verify_record", lambda file, record: True)
    store = left_by_a_failed_fsync(shelf)
    assert hash_of(datum(2)) in begins(store)
    assert store.put_many([put(datum(2))]) == [Outcome.PRESENT]  # and the chunk would be lost


@pytest.mark.parametrize("keep_bytes", [0, 1, 64, 100, 300, 511])
def test_a_short_write_is_a_failed_one(shelf: Shelf, keep_bytes: int) -> None:
    store = shelf.open()
    stored(store, datum(1))
    shelf.disk.short_write(keep_bytes=keep_bytes)
    with pytest.raises(WriteFailed):
        stored(store, datum(2), datum(3))
    for number in (2, 3):
        with pytest.raises(ChunkMissing):
            store.get(hash_of(datum(number)))
    assert stored(store, datum(2), datum(3)) == [Outcome.STORED] * 2
    shelf.die(power=True)
    judge(shelf.open(), {})


@pytest.mark.parametrize("free_bytes", [0, 10, 500, 1500, 3000, 4500])
def test_a_full_disk_says_so_keeps_serving_and_takes_again_when_there_is_room(
    shelf: Shelf, free_bytes: int
) -> None:
    store = shelf.open()
    stored(store, datum(1, 1500))
    shelf.disk.fill_up(free_bytes)
    with pytest.raises(StoreFull):
        fill(store)
    taken = store.stats().chunks
    assert store.get(hash_of(datum(1, 1500))) == datum(1, 1500)
    files = len(shelf.segments())
    for _ in range(20):
        with pytest.raises(StoreFull):
            stored(store, datum(99, 1500), datum(98, 1500), datum(97, 1500))
    assert len(shelf.segments()) <= files + 1  # trying again does not litter
    assert stored(store, datum(1, 1500)) == [Outcome.PRESENT]  # needs no room
    shelf.disk.make_room()
    assert stored(store, datum(99, 1500)) == [Outcome.STORED]
    shelf.die(power=True)
    store = shelf.open()
    assert store.stats().chunks >= taken + 1
    judge(store, {1: 1, 99: 1})


def test_a_disk_that_fills_up_in_the_middle_of_a_write_is_full(shelf: Shelf) -> None:
    # The margin is checked before, but others may fill the disk in between: here it lies.
    shelf.options = msgspec.structs.replace(SMALL, min_free_bytes=0)
    store = shelf.open()
    stored(store, datum(1, 1500))
    shelf.disk.fill_up(2000)
    store._reserve.require = lambda length: None  # type: ignore[method-assign]
    with pytest.raises(StoreFull):
        stored(store, datum(2, 1500), datum(3, 1500))
    assert "full" in shelf.disk.happened
    assert store.get(hash_of(datum(1, 1500))) == datum(1, 1500)


def test_a_directory_that_cannot_be_synced_fails_the_batch(shelf: Shelf) -> None:
    store = shelf.open()
    shelf.disk.fail_sync_directory(after=1)  # the first is that of the count of openings
    with pytest.raises(WriteFailed):
        stored(store, datum(1))
    with pytest.raises(ChunkMissing):
        store.get(hash_of(datum(1)))
    assert stored(store, datum(1)) == [Outcome.STORED]
    assert shelf.disk.happened == ["sync_directory EIO"]


def test_a_torn_end_is_cut_at_every_byte_and_nothing_else(quick_path: Path) -> None:
    whole = Shelf(quick_path / "whole")
    store = whole.open()
    stored(store, datum(1, 50), begin=3)
    stored(store, datum(2, 80), begin=4)
    whole.die()
    data = whole.segments()[0].read_bytes()
    second = SEGMENT_BYTES + footprint(50)
    assert len(data) == second + footprint(80)
    for length in range(len(data) + 1):
        shelf = Shelf(quick_path / str(length))
        shelf.open()
        shelf.die()
        (shelf.path / "segments" / "00000001.seg").write_bytes(data[:length])
        store = shelf.open()
        count = (length >= second) + (length == len(data))
        assert begins(store) == {hash_of(datum(n, n * 30 + 20)): n + 2 for n in range(1, count + 1)}
        sizes = [path.stat().st_size for path in shelf.segments()]
        assert sizes == [[], [second], [len(data)]][count]
        assert store.stats().cut_bytes == length - sum(sizes)
        assert store.stats().quarantined == 0
        stored(store, datum(3))
        shelf.close()


def test_only_the_last_batch_may_be_torn(shelf: Shelf) -> None:
    # Three batches: the third says that the first two were durable. Damage in the second is no torn end.
    store = shelf.open()
    for number in (1, 2, 3):
        stored(store, datum(number, 100))
    shelf.die()
    segment = shelf.segments()[0]
    data = segment.read_bytes()
    start = SEGMENT_BYTES + footprint(100)
    segment.write_bytes(data[: start + 10] + b"?" * (len(data) - start - 10))
    size = segment.stat().st_size
    shelf.lose_index()
    store = shelf.open()
    # Nothing valid follows, and no header is left to say what was confirmed: it looks torn, and is cut.
    assert (store.stats().cut_bytes, store.stats().quarantined) == (size - start, 0)
    shelf.die()
    segment.write_bytes(data[: start + 10] + b"?" * 40 + data[start + 50 :])
    shelf.lose_index()
    store = shelf.open()
    # The third record is valid: what lies before it is damage, is noted, and stays.
    assert (store.stats().cut_bytes, store.stats().quarantined) == (0, 1)
    assert segment.stat().st_size == size
    judge(store, {})
    assert set(begins(store)) == {hash_of(datum(1)), hash_of(datum(3))}
