"""A scan finds every kind of damage, whoever reads or not, and leaves the store knowing of it."""

from __future__ import annotations

import pytest

from cairnfs.fileserver.puts import Outcome
from cairnfs.fileserver.records import footprint
from cairnfs.fileserver.scan import ScanProgress
from cairnfs.fileserver.store import Store
from tests.unit.fileserver.shelves import Shelf, begins, datum, flip, hash_of, put, stored

pytestmark = pytest.mark.loud


def scanned(store: Store, *, deep: bool = True) -> ScanProgress:
    *_, last = store.scan(deep=deep)
    assert last.done
    return last


def filled(shelf: Shelf) -> Store:
    store = shelf.open()
    for number in range(20):
        stored(store, datum(number, 900), begin=number + 1)
    return store


def test_a_sound_store_has_nothing_to_tell(shelf: Shelf) -> None:
    store = filled(shelf)
    stored(store, datum(3, 900), begin=90)
    store.put_many([put(datum(4, 900), rewrite=True)])
    steps = list(store.scan(deep=True))
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
    assert [step.bytes_done for step in steps] == sorted(step.bytes_done for step in steps)
    last = steps[-1]
    assert (last.records, last.live) == (22, 20)
    assert last.bytes_done == last.bytes_total == sum(p.stat().st_size for p in shelf.segments())
    assert (last.corrupt, last.lost, last.gaps, last.unindexed, last.index_damage) == (0, 0, 0, 0, "")


@pytest.mark.parametrize("deep", [False, True])
def test_a_rotten_payload_is_found_by_the_deep_scan_only(shelf: Shelf, deep: bool) -> None:
    store = filled(shelf)
    flip(shelf.segments()[0], 64 + 96 + 300)
    assert scanned(store, deep=deep).corrupt == deep
    assert store.stats().corrupt == deep
    assert len(begins(store)) == 20 - deep
    assert scanned(store, deep=deep).corrupt == 0  # it is known now


@pytest.mark.parametrize("deep", [False, True])
def test_a_rotten_header_is_found_by_every_scan(shelf: Shelf, deep: bool) -> None:
    store = filled(shelf)
    flip(shelf.segments()[0], 64 + footprint(900) + 40)
    last = scanned(store, deep=deep)
    assert (last.gaps, last.lost) == (1, 1)
    assert hash_of(datum(1, 900)) not in begins(store)
    assert store.put_many([put(datum(1, 900))]) == [Outcome.STORED]
    assert begins(store)[hash_of(datum(1, 900))] == 2


def test_a_segment_cut_short_or_gone_is_found(shelf: Shelf) -> None:
    store = filled(shelf)
    store._segments.close()
    first, second = shelf.segments()[:2]
    entries = [store._index.find(hash_of(datum(number, 900))) for number in range(20)]
    inside = [sum(entry is not None and entry.segment == number for entry in entries) for number in (1, 2)]
    first.write_bytes(first.read_bytes()[: 64 + footprint(900)])
    second.unlink()
    last = scanned(store)
    assert last.lost == inside[0] - 1 + inside[1]
    assert len(begins(store)) == 20 - last.lost


def test_a_chunk_that_the_index_does_not_know_is_found_and_known_after_the_next_opening(shelf: Shelf) -> None:
    store = filled(shelf)
    store.flush()
    store._index._table._writer.execute("DELETE FROM chunk WHERE hash = ?", (hash_of(datum(5, 900)),))
    last = scanned(store)
    assert last.unindexed == 1
    assert "rows instead of" in last.index_damage
    shelf.close()
    store = shelf.open()
    assert store.stats().index_rebuilt == "it was found damaged"
    assert len(begins(store)) == 20


def test_a_scan_runs_beside_the_writer(shelf: Shelf) -> None:
    store = filled(shelf)
    for number, progress in enumerate(store.scan(deep=True), start=100):
        stored(store, datum(number, 900))
        assert (progress.corrupt, progress.gaps, progress.lost, progress.unindexed) == (0, 0, 0, 0)
