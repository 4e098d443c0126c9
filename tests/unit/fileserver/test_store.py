"""The store as its users meet it: put, get, list, close, open again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from cairnfs.fileserver.identity import claim
from cairnfs.fileserver.puts import Outcome, Put
from cairnfs.fileserver.records import SEGMENT_BYTES, footprint
from cairnfs.fileserver.store import Held, Store
from cairnfs.fileserver.trouble import ChunkMissing, ChunkRefused, CorruptChunk, StoreClosed, WrongHash
from cairnfs.ids import CommitNumber, Hash
from cairnfs.testing.disk import FlakyFile
from tests.unit.fileserver.shelves import (
    CLUSTER,
    SERVER,
    SMALL,
    Shelf,
    begins,
    datum,
    flip,
    hash_of,
    put,
    stored,
)


def test_what_was_put_is_got_by_its_hash(shelf: Shelf) -> None:
    store = shelf.open()
    for size in (1, 63, 64, 4096, 70_000, 4 * 1024 * 1024):
        data = datum(size, size)
        assert stored(store, data) == [Outcome.STORED]
        assert store.get(hash_of(data)) == data
        assert store.get(hash_of(data), verify=False) == data


def test_it_is_there_after_closing_and_opening_with_nothing_to_replay(shelf: Shelf) -> None:
    store = shelf.open()
    everything = [datum(number) for number in range(40)]
    stored(store, *everything)
    before = (begins(store), store.stats().chunk_bytes)
    shelf.close()
    store = shelf.open()
    assert store.stats().replayed == 0
    assert store.stats().index_rebuilt == ""
    assert [store.get(hash_of(data)) for data in everything] == everything
    assert (begins(store), store.stats().chunk_bytes) == before


def test_nobody_else_on_the_machine_can_look_inside(tmp_path: Path) -> None:
    claim(tmp_path / "d", CLUSTER, SERVER)
    store = Store.open(tmp_path / "d")
    stored(store, b"x")
    store.close()
    inside = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert len(inside) == 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in inside)


def test_each_opening_has_a_boot_id_of_its_own(shelf: Shelf) -> None:
    first = shelf.open().boot_id
    shelf.close()
    assert shelf.open().boot_id != first
    assert len(bytes.fromhex(first)) == 16


def test_a_batch_is_one_write_and_one_fsync(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(0, 200))
    before = shelf.disk.operations
    stored(store, *(datum(number, 200) for number in range(1, 10)))
    assert shelf.disk.operations - before == 2


def test_what_is_not_here_is_missing(shelf: Shelf) -> None:
    store = shelf.open()
    with pytest.raises(ChunkMissing):
        store.get(hash_of(b"never put"))
    assert store.find_many([hash_of(b"never put")]) == [None]


def test_bytes_under_a_wrong_hash_are_refused_and_their_neighbours_kept(shelf: Shelf) -> None:
    store = shelf.open()
    wrong = Put(hash_of(b"promised"), b"given", CommitNumber(1))
    outcomes = store.put_many([put(b"one"), wrong, put(b"two")])
    assert [isinstance(outcome, WrongHash) for outcome in outcomes] == [False, True, False]
    assert store.get(hash_of(b"two")) == b"two"
    with pytest.raises(ChunkMissing):
        store.get(hash_of(b"promised"))


@pytest.mark.parametrize("data", [b"", bytes(4 * 1024 * 1024 + 1)])
def test_a_chunk_of_an_impossible_length_is_refused(shelf: Shelf, data: bytes) -> None:
    (outcome,) = shelf.open().put_many([put(data)])
    assert isinstance(outcome, ChunkRefused)


def test_what_is_no_hash_or_no_commit_number_is_refused(shelf: Shelf) -> None:
    bad = [Put(Hash(b"short"), b"x", CommitNumber(1), checked=True)]
    bad += [Put(hash_of(b"x"), b"x", CommitNumber(begin)) for begin in (-1, 2**63, 2**64)]
    assert all(isinstance(outcome, ChunkRefused) for outcome in shelf.open().put_many(bad))


def test_what_is_too_much_for_one_append_takes_several(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnfs.fileserver.puts._RECORDS_MAX", 7)
    monkeypatch.setattr("cairnfs.fileserver.puts.BATCH_MAX_BYTES", 2000)
    store = shelf.open()
    stored(store, b"before")
    before = shelf.disk.operations
    everything = [datum(number, 10) for number in range(20)] + [datum(number, 900) for number in range(4)]
    stored(store, *everything)
    assert all(store.get(hash_of(data)) == data for data in everything)
    # 7 + 7 + 6 small ones with one large, then one and two large ones; one segment is begun in between.
    assert shelf.disk.operations - before == 2 * 5 + 2


def test_a_put_again_writes_a_touch_only_if_the_begin_number_grew(shelf: Shelf) -> None:
    store = shelf.open()
    chunk = hash_of(b"again and again")
    answers = []
    for begin in (5, 5, 3, 9, 7, 9, 10):
        (outcome,) = store.put_many([put(b"again and again", begin)])
        answers.append((outcome, begins(store)[chunk]))
    assert answers == [
        (Outcome.STORED, 5),
        (Outcome.PRESENT, 5),
        (Outcome.PRESENT, 5),
        (Outcome.TOUCHED, 9),
        (Outcome.PRESENT, 9),
        (Outcome.PRESENT, 9),
        (Outcome.TOUCHED, 10),
    ]
    assert (store.stats().appended, store.stats().touched) == (1, 2)


@pytest.mark.loud
@pytest.mark.parametrize("how", ["close", "kill", "power", "rebuild"])
def test_the_highest_begin_number_outlives_everything(shelf: Shelf, how: str) -> None:
    store = shelf.open()
    stored(store, b"x", begin=4)
    stored(store, b"x", begin=50)
    stored(store, b"x", begin=7)
    if how == "close":
        shelf.close()
    else:
        shelf.die(power=how == "power")
    if how == "rebuild":
        shelf.lose_index()
    assert begins(shelf.open()) == {hash_of(b"x"): 50}


def test_a_put_without_growth_touches_the_disk_not_at_all(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, b"x", begin=4)
    before = shelf.disk.operations
    assert stored(store, b"x", begin=4) == [Outcome.PRESENT]
    assert shelf.disk.operations == before


def test_one_batch_may_hold_a_chunk_several_times(shelf: Shelf) -> None:
    store = shelf.open()
    outcomes = store.put_many([put(b"x", 3), put(b"y", 1), put(b"x", 8), put(b"x", 5)])
    assert set(outcomes) == {Outcome.STORED}
    assert store.stats().appended == 2
    assert begins(store)[hash_of(b"x")] == 8
    assert set(store.put_many([put(b"x", 9), put(b"x", 11), put(b"x", 2)])) == {Outcome.TOUCHED}
    assert begins(store)[hash_of(b"x")] == 11
    assert store.stats().touched == 1


@pytest.mark.loud
def test_rewrite_appends_anew_and_keeps_the_highest_begin(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, b"x", begin=9)
    assert store.put_many([put(b"x", 2, rewrite=True)]) == [Outcome.STORED]
    assert store.stats().appended == 2
    assert store.stats().chunks == 1
    assert begins(store) == {hash_of(b"x"): 9}
    shelf.die()
    shelf.lose_index()
    store = shelf.open()
    assert begins(store) == {hash_of(b"x"): 9}
    assert store.get(hash_of(b"x")) == b"x"


@pytest.mark.loud
def test_checked_puts_are_not_hashed_again_but_never_served_wrong(shelf: Shelf) -> None:
    store = shelf.open()
    lie = Put(hash_of(b"promised"), b"given", CommitNumber(1), checked=True)
    assert store.put_many([lie]) == [Outcome.STORED]
    with pytest.raises(CorruptChunk):
        store.get(hash_of(b"promised"))


def test_the_inventory_goes_through_the_hashes_in_order_page_by_page(shelf: Shelf) -> None:
    store = shelf.open()
    data = {hash_of(datum(number)): datum(number) for number in range(50)}
    stored(store, *data.values(), begin=3)
    wanted = sorted(data)
    seen: list[Held] = []
    low: bytes | None = bytes(32)
    while low is not None:
        page = store.inventory(low, None, 7)
        assert len(page.chunks) <= 7
        seen += page.chunks
        low = page.next
    assert seen == [Held(chunk, 100, CommitNumber(3)) for chunk in wanted]
    low, high = wanted[10], wanted[30]
    assert [held.hash for held in store.inventory(low, high).chunks] == wanted[10:30]
    assert store.inventory(low, high).next is None


def test_the_inventory_ends_at_the_last_hash_there_can_be(shelf: Shelf) -> None:
    store = shelf.open()
    last = Hash(b"\xff" * 32)
    store.put_many([Put(last, b"unchecked", CommitNumber(1), checked=True)])
    page = store.inventory(bytes(32), None, 1)
    assert [held.hash for held in page.chunks] == [last]
    assert page.next is None


def test_find_many_answers_in_the_order_of_the_question(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, *(datum(number) for number in range(20)), begin=2)
    asked = [hash_of(datum(number)) for number in (7, 99, 3)]
    assert store.find_many(asked) == [
        Held(asked[0], 100, CommitNumber(2)),
        None,
        Held(asked[2], 100, CommitNumber(2)),
    ]


@pytest.mark.loud
def test_a_rotten_chunk_is_never_served_and_no_longer_listed_until_it_is_put_again(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(1), datum(2), begin=6)
    chunk = hash_of(datum(1))
    flip(shelf.segments()[0], 64 + 96 + 50)
    with pytest.raises(CorruptChunk):
        store.get(chunk)
    with pytest.raises(CorruptChunk):
        store.get(chunk, verify=False)  # once it is known, it is verified all the same
    page = store.inventory(bytes(32))
    assert [held.hash for held in page.chunks] == [hash_of(datum(2))]
    assert page.corrupt == [chunk]
    assert (store.stats().chunks, store.stats().corrupt, store.stats().quarantined) == (1, 1, 1)
    assert store.put_many([put(datum(1), 2)]) == [Outcome.STORED]
    assert store.get(chunk) == datum(1)
    assert begins(store)[chunk] == 6
    assert (store.stats().chunks, store.stats().corrupt) == (2, 0)


@pytest.mark.loud
@pytest.mark.parametrize("how", ["close", "kill", "rebuild"])
def test_a_mark_is_remembered(shelf: Shelf, how: str) -> None:
    store = shelf.open()
    stored(store, datum(1), datum(2), begin=6)
    flip(shelf.segments()[0], 64 + 96 + 50)
    with pytest.raises(CorruptChunk):
        store.get(hash_of(datum(1)))
    if how == "close":
        shelf.close()
    else:
        shelf.die()
    if how == "rebuild":
        shelf.lose_index()
    store = shelf.open()
    if how != "kill":  # then the mark was in memory only, and the next read finds out again
        assert begins(store) == {hash_of(datum(2)): 6}
    with pytest.raises(CorruptChunk):
        store.get(hash_of(datum(1)))
    assert store.put_many([put(datum(1), 1)]) == [Outcome.STORED]
    assert begins(store) == {hash_of(datum(1)): 6, hash_of(datum(2)): 6}


@pytest.mark.loud
def test_right_bytes_below_a_rotten_header_are_served_but_do_not_count(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(1))
    flip(shelf.segments()[0], 64 + 30)
    assert store.get(hash_of(datum(1))) == datum(1)
    assert store.inventory(bytes(32)).chunks == []
    assert store.get(hash_of(datum(1))) == datum(1)
    assert store.put_many([put(datum(1))]) == [Outcome.STORED]
    assert len(store.inventory(bytes(32)).chunks) == 1


@pytest.mark.loud
def test_an_unreadable_sector_is_corruption_but_a_lack_of_handles_is_not(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(1))
    shelf.disk.fail_read(number=24)  # EMFILE
    with pytest.raises(Exception, match="planned"):
        store.get(hash_of(datum(1)))
    assert store.stats().corrupt == 0
    shelf.disk.fail_read()
    with pytest.raises(CorruptChunk):
        store.get(hash_of(datum(1)))
    assert store.stats().corrupt == 1
    assert shelf.disk.happened == ["read EMFILE", "read EIO"]


@pytest.mark.loud
def test_a_deep_inventory_reads_every_byte(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(1), datum(2))
    flip(shelf.segments()[0], 64 + 96 + 50)
    assert len(store.inventory(bytes(32)).chunks) == 2
    page = store.inventory(bytes(32), deep=True)
    assert [held.hash for held in page.chunks] == [hash_of(datum(2))]
    assert page.corrupt == [hash_of(datum(1))]


def test_a_closed_store_says_so(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, b"x")
    shelf.close()
    for call in (lambda: store.get(hash_of(b"x")), lambda: store.put_many([put(b"y")]), store.flush):
        with pytest.raises(StoreClosed):
            call()
    store.close()  # twice is harmless


def test_record_numbers_grow_over_segments_and_openings(shelf: Shelf) -> None:
    numbers = []
    for opening in range(3):
        store = shelf.open()
        for number in range(5):
            data = datum(opening * 10 + number, 3000)
            stored(store, data)
            entry = store._index.find(hash_of(data))
            assert entry is not None
            numbers.append(entry.number)
        shelf.die(power=opening == 1)
    assert numbers == sorted(set(numbers))
    assert len({number >> 32 for number in numbers}) == 3


def test_readers_and_the_writer_do_not_disturb_each_other(shelf: Shelf) -> None:
    shelf.options = msgspec.structs.replace(SMALL, segment_bytes=1 << 18, flush_entries=50, background=True)
    store = shelf.open()
    acknowledged: list[int] = []
    stop = threading.Event()

    def read(start: int) -> int:
        reads = 0
        while not stop.is_set():
            for number in acknowledged[start % 3 :: 3]:
                assert store.get(hash_of(datum(number))) == datum(number)
                reads += 1
            page = store.inventory(bytes([start * 60] + [0] * 31), None, 40)
            assert [held.hash for held in page.chunks] == sorted(held.hash for held in page.chunks)
        return reads

    with ThreadPoolExecutor(4) as readers:
        reading = [readers.submit(read, start) for start in range(4)]
        for batch in range(120):
            numbers = range(batch * 10, batch * 10 + 10)
            stored(store, *(datum(number) for number in numbers), begin=batch)
            acknowledged.extend(numbers)
        stop.set()
        assert all(one.result() > 0 for one in reading)
    assert len(begins(store)) == 1200


def test_memory_is_given_back_of_what_others_are_asked_for_first(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[tuple[int, int]] = []
    monkeypatch.setattr(FlakyFile, "drop_cache", lambda _, offset, length=0: dropped.append((offset, length)))
    store = shelf.open()
    data = [datum(number, 1000) for number in range(5)]
    cold = {0, 1, 3}
    store.put_many(
        [msgspec.structs.replace(put(one), cold=number in cold) for number, one in enumerate(data)]
    )
    each = footprint(1000)
    assert dropped == [(SEGMENT_BYTES, 2 * each), (SEGMENT_BYTES + 3 * each, each)], "neighbours together"
    assert [store.get(hash_of(one)) for one in data] == data


def test_a_disk_that_gives_no_memory_back_does_not_spoil_a_put(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(FlakyFile, "drop_cache", refuse)
    store = shelf.open()
    assert store.put_many([msgspec.structs.replace(put(b"cold"), cold=True)]) == [Outcome.STORED]
