"""Rows of the record while files come in any order: in the walk's order, sure only where that is sure."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cairnfs.client.get.recording import Recording, Remembered, Row, settled_before
from cairnfs.client.record.record import Pair, Record

PATIENCE_S = 10.0


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    (tmp_path / "tree" / "d").mkdir(parents=True)
    return Record.open(tmp_path / "records", "c" * 32, "7").pair(tmp_path / "tree", b"/t")


def row(pair: Pair, path: bytes, content: bytes = b"x") -> Row:
    """A file of the tree, which is here."""
    place = os.path.join(pair.local, path)
    Path(os.fsdecode(place)).write_bytes(content)
    return Row(path, place, "file", f"1.{len(path)}.1", 0o644, len(content), b"name of it")


def wait_for_the_clock(pair: Pair) -> None:
    """Until what was written is settled."""
    last = max(entry.stat().st_ctime_ns for entry in Path(os.fsdecode(pair.local)).rglob("*"))
    until = time.monotonic() + PATIENCE_S
    while settled_before(pair.local) <= last:
        assert time.monotonic() < until


async def test_rows_come_in_the_walks_order_whatever_was_done_first(pair: Pair) -> None:
    recording = Recording(pair, 5, 1, kept=False)
    rows = [recording.expect(row(pair, path)) for path in (b"a", b"d/1", b"d/2", b"e")]
    for one in (rows[2], rows[0], rows[3]):
        one.done = True
    await recording.flush(all_of_them=True)
    assert recording.waiting == 3
    rows[1].done = True
    wait_for_the_clock(pair)
    await recording.finish()
    recording.abandon()
    assert (pair.commit, pair.incarnation, pair.count) == (5, 1, 4)
    assert [known.path for known in pair.known()] == [b"a", b"d/1", b"d/2", b"e"]
    assert all(known.sure for known in list(pair.known())[1:])


async def test_what_is_given_up_leaves_the_record_as_it_was(pair: Pair) -> None:
    first = Recording(pair, 5, 1, kept=True)
    first.expect(row(pair, b"a")).done = True
    await first.finish()
    second = Recording(pair, 6, 1, kept=False)
    second.expect(row(pair, b"b")).done = True
    await second.flush(all_of_them=True)
    second.abandon()
    assert (pair.commit, pair.kept, [known.path for known in pair.known()]) == (5, True, [b"a"])


async def test_what_is_no_longer_what_was_put_here_is_only_known_to_be_there(pair: Pair) -> None:
    recording = Recording(pair, 5, 1, kept=False)
    changed, gone = recording.expect(row(pair, b"a")), recording.expect(row(pair, b"b"))
    status = os.lstat(changed.local)
    changed.placed = (status.st_ino, status.st_size, status.st_mtime_ns - 1)
    os.unlink(gone.local)
    changed.done = gone.done = True
    await recording.finish()
    for known in pair.known():
        assert not known.sure
        assert not known.is_still(status)
        assert known.content == b"name of it"


async def test_rows_are_found_on_the_way(pair: Pair) -> None:
    recording = Recording(pair, 5, 1, kept=False)
    for path in (b"a", b"d/1", b"d-1"):
        recording.expect(row(pair, path)).done = True
    await recording.finish()
    remembered = Remembered(pair)
    first = remembered.find([b"0", b"a", b"d"])
    assert [known and known.path for known in first] == [None, b"a", None]
    second = remembered.find([b"d/1", b"d/2", b"d-1", b"z"])
    assert [known and known.path for known in second] == [b"d/1", None, b"d-1", None]


def test_asking_the_file_systems_clock_changes_nothing(pair: Pair) -> None:
    before = os.stat(pair.local).st_mtime_ns
    assert settled_before(pair.local) > 0
    assert os.stat(pair.local).st_mtime_ns == before
    assert os.listdir(pair.local) == [b"d"]
