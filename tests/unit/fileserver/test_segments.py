"""Which files are segments, which are not, and what becomes of those."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from cairnfs.fileserver.records import (
    RECORD_BYTES,
    SEGMENT_BYTES,
    SegmentHeader,
    footprint,
    owner_tag,
    pack_record,
    pack_segment,
    padding,
)
from cairnfs.ids import CommitNumber
from tests.unit.fileserver.shelves import Shelf, begins, datum, hash_of, put, stored

pytestmark = pytest.mark.loud
LATER_KIND = 200


def reasons(shelf: Shelf) -> list[tuple[str, str]]:
    assert shelf.store is not None
    return [(note.what, note.reason) for note in shelf.store._quarantine.read()]


def test_a_segment_is_left_when_it_is_full_and_never_written_again(shelf: Shelf) -> None:
    store = shelf.open()
    for number in range(12):
        stored(store, datum(number, 2000))
    paths = shelf.segments()
    assert [path.name for path in paths] == [f"{number:08d}.seg" for number in range(1, len(paths) + 1)]
    assert len(paths) >= 3
    assert all(path.stat().st_size <= 8192 for path in paths)
    sealed = {path: path.read_bytes() for path in paths[:-1]}
    stored(store, datum(99, 2000))
    shelf.close()
    stored(shelf.open(), datum(98, 2000))
    assert all(path.read_bytes() == data for path, data in sealed.items())


def test_a_batch_larger_than_a_segment_gets_one_to_itself(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(0))
    stored(store, *(datum(number, 3000) for number in range(1, 9)))
    assert len(shelf.segments()) == 2
    assert store.get(hash_of(datum(5, 3000))) == datum(5, 3000)


def test_strange_files_are_moved_to_quarantine_with_a_reason(shelf: Shelf) -> None:
    stored(shelf.open(), datum(1))
    shelf.close()
    folder = shelf.path / "segments"
    foreign = SegmentHeader(40, 1, owner_tag("other", 7), 0, 0, 0)
    later = bytearray(pack_segment(foreign))
    later[8] = 2
    (folder / "notes.txt").write_text("what is this?")
    (folder / "00000040.seg").write_bytes(pack_segment(foreign) + b"theirs")
    (folder / "00000041.seg").write_bytes(later)
    (folder / "00000042.seg").write_bytes(shelf.segments()[0].read_bytes())
    store = shelf.open()
    kept = shelf.path / "quarantine"
    assert [path.name for path in shelf.segments()] == ["00000001.seg"]
    assert (kept / "notes.txt.0").read_text() == "what is this?"
    assert (kept / "00000040.seg.0").read_bytes().endswith(b"theirs")
    assert sorted(reasons(shelf)) == [
        ("file", "a segment of another fileserver or cluster"),
        ("file", "its header says segment 1"),
        ("file", "not a segment's name"),
        ("file", "segment format 2, this Cairn knows 1"),
    ]
    assert begins(store) == {hash_of(datum(1)): 1}


def test_a_second_stranger_of_the_same_name_keeps_its_bytes_too(shelf: Shelf) -> None:
    for text in ("first", "second"):
        shelf.open()
        shelf.close()
        (shelf.path / "segments" / "x").write_text(text)
    shelf.open()
    found = sorted((shelf.path / "quarantine").glob("x.*"))
    assert [path.read_text() for path in found] == ["first", "second"]


def test_records_of_a_later_kind_are_stepped_over_noted_and_kept(shelf: Shelf) -> None:
    store = shelf.open()
    stored(store, datum(1))
    shelf.die()
    path = shelf.segments()[0]
    data = path.read_bytes()
    nonce = int.from_bytes(data[16:24], "little")
    payload = b"from the future"
    strange = pack_record(LATER_KIND, nonce, len(data), 0, 1 << 40, 9, len(payload), hash_of(datum(1)))
    data += strange[:84] + hash_of(payload)[:8] + strange[92:]
    # The checksum of the changed header: only the payload's check was put in by hand.
    at = len(data) - RECORD_BYTES
    data = data[: at + 92] + zlib.crc32(data[at : at + 92]).to_bytes(4, "little")
    data += payload + padding(len(payload))
    chunk = put(datum(2))
    end = len(data)
    data += pack_record(1, nonce, end, end, (1 << 40) + 1, CommitNumber(3), 100, chunk.hash)
    data += datum(2) + padding(100)
    path.write_bytes(data)
    shelf.lose_index()
    store = shelf.open()
    assert begins(store) == {hash_of(datum(1)): 1, chunk.hash: 3}
    assert ("kind", f"record of kind {LATER_KIND}") in reasons(shelf)
    assert path.read_bytes() == data
    assert len(data) == SEGMENT_BYTES + 2 * footprint(100) + footprint(len(payload))
    stored(store, datum(3))
    entry = store._index.find(hash_of(datum(3)))
    assert entry is not None
    assert entry.number > (1 << 40) + 1


def test_reading_many_segments_keeps_few_files_open(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnfs.fileserver.segments._HANDLES_MAX", 4)
    store = shelf.open()
    for number in range(40):
        stored(store, datum(number, 5000))
    assert len(shelf.segments()) == 40
    for turn in range(2):
        for number in range(turn, 40):
            assert store.get(hash_of(datum(number, 5000))) == datum(number, 5000)
    assert len(store._segments._handles) == 4
    opened = [str(path.resolve(strict=False)) for path in Path("/proc/self/fd").iterdir()]
    held = sum(path.startswith(str(shelf.path)) and ".seg" in path for path in opened)
    assert held <= 6
