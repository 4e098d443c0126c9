"""The local record: what was written is what is read, or nothing is."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cairnfs.client.record import table as record_table
from cairnfs.client.record.record import RACY_NS, Known, Pair, Record, Torn, content_of, known, walk_key
from cairnfs.core.manifest import HOLE
from cairnfs.testing.clock import ManualClock

REMOTE = b"/home/ann/site"


def opened(place: Path, **options: object) -> Record:
    return Record.open(place / "records", "cluster", "ann", clock=ManualClock())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def rows(count: int, seed: int = 0) -> list[Known]:
    dice = random.Random(seed)
    made = [
        Known(
            path=b"d%d/%d" % (number % 7, number),
            kind="file",
            mode=0o644,
            device=2**63 + 1,
            inode=dice.getrandbits(63),
            size=dice.randrange(10**12),
            mtime_ns=-dice.randrange(10**18),
            ctime_ns=dice.randrange(10**18),
            links=2,
            etag=f"1.{number}.7",
            content=dice.randbytes(32),
            sure=number % 3 > 0,
        )
        for number in range(count)
    ]
    return sorted(made, key=lambda row: walk_key(row.path))


def fill(pair: Pair, held: Sequence[Known], commit: int = 7) -> None:
    with pair.writer(commit, 1) as writer:
        for row in held:
            writer.add(row)


def test_what_was_written_is_read_by_others_later(tmp_path: Path, root: Path) -> None:
    held = rows(3000)
    first = opened(tmp_path).pair(root, REMOTE)
    assert (first.commit, first.incarnation, first.count, list(first.known())) == (None, None, 0, [])
    fill(first, held)
    for pair in (first, opened(tmp_path).pair(root, REMOTE)):
        assert (pair.commit, pair.incarnation, pair.count, pair.kept) == (7, 1, 3000, False)
        assert list(pair.known()) == held
        assert list(pair.load()) == [row.path for row in held]
    fill(first, held[:5], commit=9)
    again = opened(tmp_path).pair(root, REMOTE)
    assert (again.commit, list(again.known())) == (9, held[:5])


def test_it_is_for_one_user_of_one_cluster_one_directory_and_one_remote_path(
    tmp_path: Path, root: Path
) -> None:
    fill(opened(tmp_path).pair(root, REMOTE), rows(3))
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(root)
    assert opened(tmp_path).pair(tmp_path / "link", REMOTE).commit == 7, "it is the same directory"
    others = [
        Record.open(tmp_path / "records", "cluster", "ben").pair(root, REMOTE),
        Record.open(tmp_path / "records", "another", "ann").pair(root, REMOTE),
        opened(tmp_path).pair(root, REMOTE + b"/x"),
        opened(tmp_path).pair(tmp_path / "other", REMOTE),
    ]
    assert [pair.commit for pair in others] == [None] * 4
    root.rename(tmp_path / "moved")
    root.mkdir()
    assert opened(tmp_path).pair(root, REMOTE).commit is None, "another directory is at its place"


def test_it_is_private(tmp_path: Path, root: Path) -> None:
    before = os.umask(0)
    try:
        fill(opened(tmp_path).pair(root, REMOTE), rows(2))
    finally:
        os.umask(before)
    directory = tmp_path / "records"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()] == [0o600]


def test_rows_come_in_the_order_of_a_walk(tmp_path: Path, root: Path) -> None:
    pair = opened(tmp_path).pair(root, REMOTE)
    with pytest.raises(AssertionError):
        fill(pair, rows(2)[::-1])
    assert opened(tmp_path).pair(root, REMOTE).commit is None, "a writer that failed leaves nothing"


@given(some.sets(some.lists(some.binary(min_size=1, max_size=3), min_size=1, max_size=3).map(tuple)))
def test_the_key_orders_as_components_do(paths: set[tuple[bytes, ...]]) -> None:
    clean = {tuple(part.translate(None, b"/\0") or b"x" for part in path) for path in paths}
    by_key = sorted((b"/".join(path) for path in clean), key=walk_key)
    assert by_key == [b"/".join(path) for path in sorted(clean)]


def test_a_reader_goes_on_while_the_rows_are_replaced_once(tmp_path: Path, root: Path) -> None:
    held = rows(3000)
    fill(opened(tmp_path).pair(root, REMOTE), held)
    reading = opened(tmp_path).pair(root, REMOTE).known()
    assert next(reading) == held[0]
    fill(opened(tmp_path).pair(root, REMOTE), held[:1], commit=8)
    assert list(reading) == held[1:], "those before are there until the next time"
    late = opened(tmp_path).pair(root, REMOTE)
    for commit in (9, 10):
        fill(opened(tmp_path).pair(root, REMOTE), held[:2], commit=commit)
    with pytest.raises(Torn):
        list(late.known())
    assert late.load() == {}


def test_no_flipped_byte_is_ever_believed(tmp_path: Path, root: Path, seed: int) -> None:
    """Every page of the file in turn gets a wrong byte: what is read is right, or is nothing."""
    held = rows(2500)
    fill(opened(tmp_path).pair(root, REMOTE), held)
    (file,) = (tmp_path / "records").iterdir()
    whole = file.read_bytes()
    dice = random.Random(seed)
    spoilt = 0
    for start in range(0, len(whole), 4096):
        at = start + dice.randrange(4096)
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        pair = opened(tmp_path).pair(root, REMOTE)
        found = pair.load()
        assert list(found.values()) in ([], held)
        spoilt += not found
        for left in (tmp_path / "records").iterdir():
            left.unlink()
    assert spoilt > 10, "most bytes matter"


@pytest.mark.parametrize("damage", ["cut", "foreign", "empty", "directory", "unreadable pages"])
def test_a_damaged_file_is_no_record_and_is_made_anew(tmp_path: Path, root: Path, damage: str) -> None:
    fill(opened(tmp_path).pair(root, REMOTE), rows(2000))
    (file,) = (tmp_path / "records").iterdir()
    match damage:
        case "cut":
            os.truncate(file, file.stat().st_size // 2)
        case "foreign":
            file.write_bytes(b"not a database at all" * 1000)
        case "empty":
            file.write_bytes(b"")
        case "directory":
            file.unlink()
            file.mkdir()
        case _:
            with sqlite3.connect(file) as database:
                database.execute("update page set content = zeroblob(100)")
            database.close()
    pair = opened(tmp_path).pair(root, REMOTE)
    assert pair.load() == {}
    for _ in range(2):
        # The first may only find out what is wrong.
        fill(opened(tmp_path).pair(root, REMOTE), rows(3))
    again = opened(tmp_path).pair(root, REMOTE)
    assert (again.commit, again.count) == ((None, 0) if damage == "directory" else (7, 3))


def test_a_place_that_cannot_be_written_is_done_without(tmp_path: Path, root: Path) -> None:
    (tmp_path / "records").write_bytes(b"a file is in the way")
    pair = opened(tmp_path).pair(root, REMOTE)
    fill(pair, rows(2000))
    assert pair.commit is None
    assert pair.load() == {}


def test_the_oldest_pairs_are_forgotten(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_table, "PAIRS_MAX", 3)
    clock = ManualClock()
    record = Record.open(tmp_path / "records", "cluster", "ann", clock=clock)
    for number in range(5):
        fill(record.pair(root, b"/%d" % number), rows(2000))
        clock.advance(1)
    assert [record.pair(root, b"/%d" % number).commit for number in range(5)] == [None, None, 7, 7, 7]
    monkeypatch.setattr(record_table, "PAGES_MAX_BYTES", 1)
    fill(record.pair(root, b"/5"), rows(2000))
    assert [record.pair(root, b"/%d" % number).commit for number in range(6)] == [None] * 5 + [7]
    (file,) = (tmp_path / "records").iterdir()
    with sqlite3.connect(file) as database:
        ((generations,),) = database.execute("select count(distinct generation) from page")
    database.close()
    assert generations == 1, "their pages are gone too"


def test_pages_of_a_killed_writer_are_forgotten_after_a_day(tmp_path: Path, root: Path) -> None:
    clock = ManualClock()
    record = Record.open(tmp_path / "records", "cluster", "ann", clock=clock)
    pair = record.pair(root, REMOTE)
    killed = pair.writer(7, 1)
    writer = killed.__enter__()
    for row in rows(2000):
        writer.add(row)
    fill(record.pair(root, b"/else"), rows(3))
    (file,) = (tmp_path / "records").iterdir()

    def pages() -> int:
        database = sqlite3.connect(file)
        ((count,),) = database.execute("select count(*) from page").fetchall()
        database.close()
        return int(count)

    assert pages() == 2
    clock.advance(24 * 3600 + 1)
    fill(record.pair(root, b"/else"), rows(3))
    assert pages() == 2, "the one of now and the one before"


def test_a_file_changed_just_now_is_not_sure(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    status = file.lstat()
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    for after_ns, sure in ((0, False), (RACY_NS, False), (RACY_NS + 1, True), (-RACY_NS, False)):
        assert known(b"file", "file", status, now_ns=newest + after_ns).sure is sure
    row = known(b"file", "file", status, now_ns=newest)
    assert row.is_still(file.lstat())
    os.utime(file, ns=(0, status.st_mtime_ns))
    assert not row.is_still(file.lstat()), "its time of change of attributes tells"


def test_content_has_one_name() -> None:
    one, other = b"\1" * 32, b"\2" * 32
    assert content_of([(one, 5)]) == one
    names = {
        content_of(chunks)
        for chunks in (
            [],
            [(one, 5)],
            [(one, 5), (other, 5)],
            [(other, 5), (one, 5)],
            [(HOLE, 5)],
            [(HOLE, 6)],
        )
    }
    assert len(names) == 6


WRITER = """
import sys
from pathlib import Path
from cairnfs.client.record.record import Known, Record
place, root, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rows = [Known(b"%05d" % row, "file", 0, 0, row, 0, 0, 0, content=bytes([number]) * 32) for row in range(3000)]
record = Record.open(place, "cluster", "ann")
print("ready", flush=True)
while True:
    with record.pair(root, b"/home/ann/site").writer(number, 1) as writer:
        for row in rows:
            writer.add(row)
"""


def test_several_writers_are_killed_at_any_moment(tmp_path: Path, root: Path, seed: int) -> None:
    """Two write without pause, one after the other is killed; what is read is all of one of them."""
    dice = random.Random(seed)

    def start(number: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path / "records", root, str(number)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    writers = {number: start(number) for number in (1, 2)}
    seen = torn = 0
    try:
        for kill in range(4):
            for _ in range(dice.randrange(5, 40)):
                pair = opened(tmp_path).pair(root, REMOTE)
                if pair.commit is None:
                    continue
                try:
                    held = list(pair.known())
                except Torn:
                    torn += 1
                    continue
                assert [row.inode for row in held] == list(range(3000))
                assert {row.content for row in held} == {bytes([pair.commit]) * 32}
                seen += 1
            number = kill % 2 + 1
            writers[number].kill()
            writers[number].communicate()
            writers[number] = start(number)
    finally:
        for process in writers.values():
            process.kill()
            process.communicate()
    assert seen > 0, f"{torn} were replaced while they were read"
