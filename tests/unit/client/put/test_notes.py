"""Notes of unfinished puts: for their owner, held by one, whole or not at all, and never in the way."""

from __future__ import annotations

import stat
from pathlib import Path as LocalPath

from cairnfs.client.caller import Caller
from cairnfs.client.put.notes import Noted, PutNote
from cairnfs.ids import Path

ANN = Caller("cluster", "7")
TARGET = Path(b"/home/ann/t")


def opened(directory: LocalPath, caller: Caller = ANN, target: Path = TARGET) -> PutNote:
    note = PutNote.open(directory, caller, target)
    assert note is not None
    return note


def test_a_note_is_found_by_whoever_repeats_the_put_and_by_nobody_else(tmp_path: LocalPath) -> None:
    directory = tmp_path / "notes"
    first = opened(directory)
    first.add(Noted("one", pieces=False))
    first.add(Noted("two", pieces=True))
    first.close()
    (file,) = directory.glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    others = [
        opened(directory, Caller("cluster", "8")),
        opened(directory, Caller("another", "7")),
        opened(directory, target=Path(b"/home/ann/u")),
    ]
    assert [other.trees for other in others] == [[], [], []]
    again = opened(directory)
    assert again.trees == [Noted("one", pieces=False), Noted("two", pieces=True)]
    again.forget()
    for note in (*others, again):
        note.close()
    assert list(directory.iterdir()) == []


def test_two_at_once_do_not_share_a_note(tmp_path: LocalPath) -> None:
    first = opened(tmp_path)
    assert PutNote.open(tmp_path, ANN, TARGET) is None
    first.close()
    opened(tmp_path).close()


def test_what_cannot_be_read_or_written_is_no_note(tmp_path: LocalPath) -> None:
    note = opened(tmp_path)
    note.add(Noted("one", pieces=True))
    note.close()
    (file,) = tmp_path.glob("*.json")
    for content in (b"", b"{", b'{"trees":[{"handle":1}]}', b"\xff" * 100_000):
        file.write_bytes(content)
        again = opened(tmp_path)
        assert again.trees == []
        again.close()
    (tmp_path / "file").write_bytes(b"")
    assert PutNote.open(tmp_path / "file" / "below", ANN, TARGET) is None


def test_only_the_last_few_trees_are_noted(tmp_path: LocalPath) -> None:
    note = opened(tmp_path)
    for number in range(9):
        note.add(Noted(str(number), pieces=False))
    note.close()
    again = opened(tmp_path)
    assert [one.handle for one in again.trees] == ["5", "6", "7", "8"]
    again.close()
