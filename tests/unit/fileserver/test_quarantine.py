"""Notes of damage are kept durably, once each, and a full disk makes them fewer, not fatal."""

from __future__ import annotations

from pathlib import Path

from cairnfs.fileserver.disk import RealDisk
from cairnfs.fileserver.quarantine import NOTES, Quarantine
from cairnfs.testing.disk import FlakyDisk


def opened(path: Path, disk: FlakyDisk | None = None) -> Quarantine:
    return Quarantine(disk or RealDisk(), path, lambda: 5)


def test_a_note_is_kept_once_and_over_openings(tmp_path: Path) -> None:
    notes = opened(tmp_path)
    assert notes.note("record", "rotten", segment=3, start=64, chunk=b"\1" * 32)
    assert not notes.note("record", "rotten again", segment=3, start=64)
    assert notes.note("region", "no header", segment=3, start=640, end=704)
    again = opened(tmp_path)
    assert [(n.what, n.segment, n.start, n.hash[:4], n.at_us) for n in again.read()] == [
        ("record", 3, 64, "0101", 5),
        ("region", 3, 640, "", 5),
    ]
    assert again.notes == 2
    assert again.knows(3, 64)
    assert not again.knows(3, 128)
    assert not again.note("record", "rotten", segment=3, start=64)


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    opened(tmp_path).note("region", "one", segment=1, start=64)
    with (tmp_path / NOTES).open("ab") as file:
        file.write(b'{"at_us": 7, "what": "reg')
    notes = opened(tmp_path)
    assert notes.notes == 1
    notes.note("region", "two", segment=1, start=128)
    assert [note.reason for note in opened(tmp_path).read()] == ["one", "two"]


def test_a_note_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    disk = FlakyDisk()
    notes = opened(tmp_path, disk)
    notes.note("region", "one", segment=1, start=64)
    disk.fill_up()
    assert notes.note("region", "two", segment=1, start=128)
    assert notes.unwritten == 1
    assert notes.knows(1, 128)
    disk.make_room()
    notes.note("region", "three", segment=1, start=192)
    assert [note.reason for note in opened(tmp_path).read()] == ["one", "three"]
