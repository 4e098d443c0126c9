"""The index is a cache: lost, old, rotten or another's, it is found out and made anew from the segments."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from cairnfs.fileserver.puts import Outcome
from cairnfs.fileserver.recovery import CLEAN, FILE
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.trouble import ChunkMissing, CorruptChunk, IndexDamaged
from cairnfs.ids import Hash
from tests.unit.fileserver.shelves import Shelf, begins, datum, flip, hash_of, put, stored

pytestmark = pytest.mark.loud  # a rebuilt index is warned of

NUMBERS = range(30)


def fill(shelf: Shelf) -> dict[Hash, int]:
    """A store of several segments, part of it in the index file and part in memory; what it lists."""
    store = shelf.open()
    for number in NUMBERS:
        stored(store, datum(number, 900), begin=number + 1)
    for number in (3, 8, 20):
        stored(store, datum(number, 900), begin=number + 100)
    assert len(shelf.segments()) > 3
    return begins(store)


def readable(store: Store) -> None:
    for number in NUMBERS:
        assert store.get(hash_of(datum(number, 900))) == datum(number, 900)


@pytest.mark.parametrize("end", ["close", "kill"])
def test_a_deleted_index_is_rebuilt(shelf: Shelf, end: str) -> None:
    before = fill(shelf)
    stats = shelf.store.stats() if shelf.store else None
    shelf.close() if end == "close" else shelf.die()
    shelf.lose_index()
    store = shelf.open()
    assert store.stats().index_rebuilt == "there is none"
    assert begins(store) == before
    assert stats is not None
    assert (store.stats().chunks, store.stats().chunk_bytes) == (stats.chunks, stats.chunk_bytes)
    readable(store)


def test_an_old_index_is_brought_up_to_date(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, *(datum(number, 900) for number in range(5)))
    store.flush()
    shelf.die()
    shelf.keep_index()
    before = fill(shelf)
    shelf.die()
    shelf.index_back()
    store = shelf.open()
    assert store.stats().index_rebuilt == ""
    assert store.stats().replayed == 30 - 5 + 5 + 3 - 1  # what was appended or touched since
    assert begins(store) == before
    readable(store)


@pytest.mark.parametrize("end", ["close", "kill"])
def test_a_byte_flipped_anywhere_in_the_index_changes_nothing(quick_path: Path, end: str, seed: int) -> None:
    shelf = Shelf(quick_path / "fileserver")
    before = fill(shelf)
    assert shelf.store is not None
    if end == "kill":
        shelf.store.flush()
    shelf.close() if end == "close" else shelf.die()
    shelf.keep_index()
    chosen = random.Random(seed)
    size = (shelf.index / FILE).stat().st_size
    rebuilt = 0
    for _ in range(60):
        shelf.index_back()
        flip(shelf.index / FILE, chosen.randrange(size), 1 << chosen.randrange(8))
        store = shelf.open()
        rebuilt += store.stats().index_rebuilt != ""
        assert begins(store) == before
        readable(store)
        shelf.die()
    assert rebuilt > 0


def test_damage_that_sqlite_quotes_as_it_is_changes_nothing(shelf: Shelf) -> None:
    """Its message is then no UTF-8: found once by a byte flipped in the text of the schema."""
    before = fill(shelf)
    shelf.close()
    content = (shelf.index / FILE).read_bytes()
    assert content.count(b"CREATE TABLE") >= 1
    (shelf.index / FILE).write_bytes(content.replace(b"CREATE TABLE", b"CREATE T\xccBLE"))
    store = shelf.open()
    assert "damaged" in store.stats().index_rebuilt
    assert begins(store) == before
    readable(store)


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0", b"?" * 50_000], ids=["empty", "short", "junk"]
)
def test_an_index_that_is_no_database_is_rebuilt(shelf: Shelf, content: bytes) -> None:
    before = fill(shelf)
    shelf.die()
    for name in shelf.index.iterdir():
        name.unlink()
    (shelf.index / FILE).write_bytes(content)
    store = shelf.open()
    assert store.stats().index_rebuilt != ""
    assert begins(store) == before


@pytest.mark.parametrize("value", [7, "text", b"", b"?"], ids=["number", "text", "empty", "junk"])
def test_a_checkpoint_that_is_none_is_rebuilt(shelf: Shelf, value: object) -> None:
    """A flipped byte can make anything of a row, also what is no bytes."""
    before = fill(shelf)
    shelf.close()
    connection = sqlite3.connect(shelf.index / FILE)
    with connection:
        connection.execute("UPDATE state SET value = ?", (value,))
    connection.close()
    store = shelf.open()
    assert store.stats().index_rebuilt != ""
    assert begins(store) == before


def test_a_row_that_vanished_is_missed(shelf: Shelf) -> None:
    before = fill(shelf)
    shelf.close()
    (shelf.index / CLEAN).unlink()
    connection = sqlite3.connect(shelf.index / FILE)
    connection.execute("DELETE FROM chunk WHERE hash = ?", (hash_of(datum(4, 900)),))
    connection.commit()
    connection.close()
    store = shelf.open()
    assert "rows instead of" in store.stats().index_rebuilt
    assert begins(store) == before


def test_the_index_of_another_fileserver_is_not_believed(quick_path: Path) -> None:
    one, other = Shelf(quick_path / "one"), Shelf(quick_path / "other")
    fill(one)
    one.close()
    store = other.open()
    stored(store, datum(77))
    other.close()
    one.lose_index()
    (other.path / "index").rename(one.path / "index")
    store = one.open()  # both say fileserver 7, so only the segments can tell
    assert "another" in store.stats().index_rebuilt or "not what it was" in store.stats().index_rebuilt
    readable(store)
    one.close()


def test_a_segment_that_disappeared_takes_only_its_own_chunks_along(shelf: Shelf) -> None:
    before = fill(shelf)
    assert shelf.store is not None
    inside = {chunk for chunk in before if (entry := shelf.store._index.find(chunk)) and entry.segment == 2}
    assert inside
    shelf.close()
    shelf.segments()[1].unlink()
    store = shelf.open()
    assert "segment 2" in store.stats().index_rebuilt
    assert set(begins(store)) == set(before) - inside
    for number in NUMBERS:
        if hash_of(datum(number, 900)) in inside:
            with pytest.raises(ChunkMissing):
                store.get(hash_of(datum(number, 900)))
            assert store.put_many([put(datum(number, 900))]) == [Outcome.STORED]
    readable(store)
    shelf.close()
    assert shelf.open().stats().index_rebuilt == ""


def test_a_begin_number_outlives_its_chunk_s_record(shelf: Shelf) -> None:
    # The touch is in another segment than the bytes: when those are lost, the number must not be.
    store = shelf.open()
    stored(store, datum(0, 900), begin=1)
    for number in range(1, 12):
        stored(store, datum(number, 900))
    stored(store, datum(0, 900), begin=40)
    shelf.die()
    shelf.segments()[0].unlink()
    shelf.lose_index()
    store = shelf.open()
    with pytest.raises(ChunkMissing):
        store.get(hash_of(datum(0, 900)))
    assert hash_of(datum(0, 900)) not in begins(store)
    assert store.put_many([put(datum(0, 900), 2)]) == [Outcome.STORED]
    assert begins(store)[hash_of(datum(0, 900))] == 40


def test_segments_put_back_from_a_backup_are_met_again(shelf: Shelf) -> None:
    before = fill(shelf)
    shelf.close()
    moved = shelf.segments()[1]
    data = moved.read_bytes()
    moved.unlink()
    shelf.open()
    shelf.close()
    moved.write_bytes(data)
    store = shelf.open()
    assert "segment 2" in store.stats().index_rebuilt
    assert begins(store) == before


def test_damage_in_the_middle_is_noted_and_nothing_is_cut(shelf: Shelf) -> None:
    before = fill(shelf)
    shelf.close()
    sizes = [path.stat().st_size for path in shelf.segments()]
    flip(shelf.segments()[1], 64 + 20)
    shelf.lose_index()
    store = shelf.open()
    assert [path.stat().st_size for path in shelf.segments()] == sizes
    assert store.stats().quarantined == 1
    assert store.stats().cut_bytes == 0
    assert len(begins(store)) == len(before) - 1


def test_a_rotten_payload_is_found_by_the_reader_of_a_rebuilt_index(shelf: Shelf) -> None:
    before = fill(shelf)
    shelf.close()
    flip(shelf.segments()[1], 64 + 96 + 20)
    shelf.lose_index()
    store = shelf.open()
    rotten = 0
    for chunk in before:
        try:
            assert hash_of(store.get(chunk)) == chunk
        except CorruptChunk:
            rotten += 1
    assert rotten == 1
    assert len(begins(store)) == len(before) - 1


def test_a_segment_whose_header_is_damaged_keeps_its_chunks(shelf: Shelf) -> None:
    before = fill(shelf)
    shelf.close()
    for place in (0, 9, 20, 62):
        flip(shelf.segments()[2], place)
        shelf.lose_index()
        store = shelf.open()
        assert begins(store) == before
        readable(store)
        assert store.stats().quarantined == 1
        shelf.die()


def test_a_failed_rebuild_leaves_a_directory_that_opens(shelf: Shelf) -> None:
    before = fill(shelf)
    shelf.die()
    shelf.lose_index()
    shelf.disk.fail_read(after=12)
    with pytest.raises(OSError, match="planned"):
        shelf.open()
    shelf.store = None
    store = shelf.open()
    assert begins(store) == before


def test_an_index_that_was_found_wrong_in_use_is_rebuilt_at_the_next_opening(shelf: Shelf) -> None:
    before = fill(shelf)
    assert shelf.store is not None
    shelf.store.flush()
    chunk = hash_of(datum(3, 900))
    shelf.store._index._table._writer.execute(
        "UPDATE chunk SET entry = zeroblob(36) WHERE hash = ?", (chunk,)
    )
    with pytest.raises(IndexDamaged):
        shelf.store.get(chunk)
    with pytest.raises(IndexDamaged):
        shelf.store.put_many([put(datum(3, 900))])
    readable_but(shelf.store, 3)
    shelf.close()
    store = shelf.open()
    assert store.stats().index_rebuilt == "it was found damaged"
    assert begins(store) == before
    readable(store)


def readable_but(store: Store, hidden: int) -> None:
    for number in NUMBERS:
        if number != hidden:
            assert store.get(hash_of(datum(number, 900))) == datum(number, 900)
