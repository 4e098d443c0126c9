"""The index above its table: nothing is missed while entries move, and marks are not lost on the way."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cairnfs.fileserver.appender import Position
from cairnfs.fileserver.entries import ABSENT, BAD, Entry, merged, pack_entry, unpack_entry
from cairnfs.fileserver.index import Index
from cairnfs.fileserver.records import CHUNK, TOUCH, Record
from cairnfs.fileserver.table import Checkpoint, Table, Totals
from cairnfs.fileserver.trouble import IndexDamaged, StoreClosed, StoreFull
from cairnfs.ids import Hash
from tests.unit.fileserver.shelves import hash_of


def name(number: int) -> Hash:
    return hash_of(b"%d" % number)


def entry(number: int, *, flags: int = 0, begin: int = 1) -> Entry:
    return Entry(1, number + 1, 100, flags, number, begin)


def opened(path: Path, *, flush_entries: int = 8, background: bool = False) -> Index:
    table = Table(path / "i.sqlite")
    return Index(table, owner=b"me", flush_entries=flush_entries, release=lambda: None, background=background)


def apply(index: Index, changes: dict[bytes, Entry], before: dict[bytes, Entry] | None = None) -> None:
    at = Position(1, index.position.offset + 64)
    known = index.find_many(list(changes)) if before is None else before
    index.apply(changes, known, at, nonce=3, highest_record=max(e.number for e in changes.values()))


@pytest.fixture
def index(quick_path: Path) -> Iterator[Index]:
    index = opened(quick_path)
    yield index
    index.abandon()


def record(number: int, *, kind: int = CHUNK, begin: int = 1) -> Record:
    return Record(kind, 64 * number, 0, number, begin, 100, name(0), b"")


def test_the_highest_record_number_wins_and_the_highest_begin_stays() -> None:
    numbers = [record(4, begin=7), record(9, begin=2), record(6, begin=1), record(7, kind=TOUCH, begin=30)]
    for seed in range(24):
        order = random.Random(seed).sample(numbers, 4)
        now: Entry | None = None
        for one in order:
            now = merged(now, 5, one)
        assert now == Entry(5, 9, 100, 0, 9, 30)
    alone = merged(None, 5, record(7, kind=TOUCH, begin=30))
    assert (alone.flags, alone.begin) == (ABSENT, 30)


def test_an_entry_knows_its_hash_and_every_bit_of_itself() -> None:
    packed = pack_entry(name(1), entry(5))
    assert unpack_entry(name(1), packed) == entry(5)
    with pytest.raises(IndexDamaged):
        unpack_entry(name(2), packed)
    for bit in range(len(packed) * 8):
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IndexDamaged):
            unpack_entry(name(1), bytes(flipped))


def test_entries_are_found_in_memory_on_the_way_and_in_the_table(index: Index) -> None:
    for number in range(30):
        apply(index, {name(number): entry(number)})
    assert {index.find(name(number)) for number in range(30)} == {entry(number) for number in range(30)}
    found = index.find_many([name(number) for number in range(40)])
    assert found == {name(number): entry(number) for number in range(30)}
    assert index.totals == Totals(30, 30, 0, 3000)


def test_a_page_merges_memory_and_table_and_memory_wins(index: Index) -> None:
    for number in range(20):
        apply(index, {name(number): entry(number)})
    apply(index, {name(3): entry(3, begin=50)})
    hashes = sorted(name(number) for number in range(20))
    for limit in (1, 2, 7, 100):
        got: list[tuple[bytes, Entry]] = []
        low = bytes(32)
        while page := index.page(low, None, limit):
            got += page
            low = page[-1][0] + b"\0"
        assert [chunk for chunk, _ in got] == hashes
        assert dict(got)[name(3)].begin == 50
    assert [chunk for chunk, _ in index.page(hashes[4], hashes[9], 100)] == hashes[4:9]


def test_totals_follow_every_change(index: Index) -> None:
    apply(index, {name(1): entry(1), name(2): Entry(0, 0, 0, ABSENT, 0, 9)})
    assert index.totals == Totals(2, 1, 0, 100)
    apply(index, {name(2): entry(2)})
    assert index.totals == Totals(2, 2, 0, 200)
    assert index.mark_bad(name(1), entry(1))
    assert not index.mark_bad(name(1), entry(1))
    assert index.totals == Totals(2, 2, 1, 200)
    apply(index, {name(1): entry(7)})
    assert index.totals == Totals(2, 2, 0, 200)


@pytest.mark.parametrize("rewritten", [False, True])
def test_a_mark_set_while_a_batch_is_on_its_way_is_kept_unless_the_batch_rewrote(
    index: Index, rewritten: bool
) -> None:
    apply(index, {name(1): entry(1)})
    before = index.find_many([name(1)])
    assert index.mark_bad(name(1), entry(1))  # a reader, while the writer fsyncs
    apply(index, {name(1): entry(9 if rewritten else 1, begin=5)}, before)
    now = index.find(name(1))
    assert now is not None
    assert now.flags == (0 if rewritten else BAD)
    assert now.begin == 5
    assert index.totals.bad == (0 if rewritten else 1)


def test_the_checkpoint_is_never_ahead_of_what_is_in_the_table(quick_path: Path) -> None:
    index = opened(quick_path, flush_entries=5)
    for number in range(23):
        apply(index, {name(number): entry(number)})
        table = Table(quick_path / "i.sqlite")
        there = table.checkpoint()
        assert (there.totals.chunks, there.highest_record) == (
            there.offset // 64,
            max(there.offset // 64 - 1, 0),
        )
        assert len(table.find_many([name(n) for n in range(there.offset // 64)])) == there.offset // 64
        table.discard()
    index.close()
    again = opened(quick_path)
    assert again.position == Position(1, 23 * 64)
    assert again.totals == Totals(23, 23, 0, 2300)
    again.abandon()


def test_readers_never_miss_what_moves_into_the_table(quick_path: Path) -> None:
    index = opened(quick_path, flush_entries=40, background=True)
    applied = 0
    stop = threading.Event()

    def look(seed: int) -> int:
        chosen = random.Random(seed)
        looks = 0
        while not stop.is_set():
            if applied:
                number = chosen.randrange(applied)
                assert index.find(name(number)) is not None, number
                looks += 1
        return looks

    with ThreadPoolExecutor(3) as readers:
        looking = [readers.submit(look, seed) for seed in range(3)]
        for number in range(3000):
            apply(index, {name(number): entry(number)}, {})
            index.require_room()
            applied = number + 1
        stop.set()
        assert all(one.result() for one in looking)
    index.close()


def test_what_cannot_be_written_stays_in_memory_up_to_a_bound(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(Table, "write", full)
    for number in range(24):
        index.require_room()
        apply(index, {name(number): entry(number)})
    with pytest.raises(StoreFull):
        index.require_room()
    assert all(index.find(name(number)) == entry(number) for number in range(24))
    monkeypatch.undo()
    index.require_room()
    index.flush()
    assert len(index.find_many([name(number) for number in range(24)])) == 24


def test_a_full_disk_gives_the_reserve_once_and_then_fits(quick_path: Path) -> None:
    table = Table(quick_path / "i.sqlite")
    rows = {bytes(name(number)): pack_entry(name(number), entry(number)) for number in range(3000)}
    writer = table._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + 5}").fetchall()
    released = []

    def release() -> None:
        released.append(1)
        writer.execute("PRAGMA max_page_count = 100000").fetchall()

    table.write(rows, Checkpoint(totals=Totals(rows=3000)), release)
    assert released == [1]
    assert len(table.find_many(list(rows))) == 3000
    writer.execute(f"PRAGMA max_page_count = {writer.execute('PRAGMA page_count').fetchone()[0]}").fetchall()
    with pytest.raises(StoreFull):
        table.write({hash_of(b"%d" % n): b"x" * 36 for n in range(10_000, 13_000)}, Checkpoint(), None)
    assert table.damaged_rows() == ""
    table.close()


def test_damage_to_rows_is_told(quick_path: Path) -> None:
    table = Table(quick_path / "i.sqlite")
    rows = {bytes(name(number)): pack_entry(name(number), entry(number)) for number in range(50)}
    table.write(rows, Checkpoint(totals=Totals(rows=50)))
    assert table.damaged_rows() == ""
    table.close()
    connection = sqlite3.connect(quick_path / "i.sqlite")
    connection.execute("UPDATE chunk SET entry = zeroblob(36) WHERE hash = ?", (name(3),))
    connection.commit()
    connection.close()
    table = Table(quick_path / "i.sqlite")
    assert "1 of 50 rows" in table.damaged_rows()
    table.close()
    with pytest.raises(StoreClosed):
        table.find(name(1))
