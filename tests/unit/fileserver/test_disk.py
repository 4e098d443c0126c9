"""The disk seam: both disks keep its contract, and the flaky one fails exactly as planned."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cairnfs.fileserver.disk import Disk, RealDisk, read_whole, replace_whole
from cairnfs.testing.disk import DiskGone, FlakyDisk


@pytest.fixture(params=[RealDisk, FlakyDisk])
def disk(request: pytest.FixtureRequest) -> Disk:
    made: Disk = request.param()
    return made


def test_a_file_reads_what_was_written_where_it_was_written(disk: Disk, tmp_path: Path) -> None:
    file = disk.create(tmp_path / "f")
    assert file.writev([b"abc", bytearray(b"de"), memoryview(b"f")], 0) == 6
    assert file.writev([b"XY"], 2) == 2
    file.fdatasync()
    assert (file.size(), file.pread(100, 0), file.pread(2, 2), file.pread(5, 6)) == (6, b"abXYef", b"XY", b"")
    file.truncate(3)
    file.drop_cache(0)
    assert disk.open(tmp_path / "f").pread(100, 0) == b"abX"


def test_what_is_in_memory_is_read_exactly_or_not_at_all(disk: Disk, tmp_path: Path) -> None:
    file = disk.create(tmp_path / "f")
    file.writev([b"abcdef"], 0)
    assert file.pread_cached(3, 2) in (b"cde", None)
    assert file.pread_cached(3, 4) is None, "fewer bytes than asked are none"


def test_one_write_takes_more_buffers_than_one_system_call(disk: Disk, tmp_path: Path) -> None:
    buffers = [b"%05d" % number for number in range(5000)]
    file = disk.create(tmp_path / "f")
    assert file.writev(buffers, 0) == 25_000
    assert file.pread(25_000, 0) == b"".join(buffers)


def test_names_and_their_errors(disk: Disk, tmp_path: Path) -> None:
    disk.make_directory(tmp_path / "a" / "b")
    disk.make_directory(tmp_path / "a" / "b")
    disk.create(tmp_path / "a" / "two")
    disk.create(tmp_path / "a" / "one")
    assert disk.names(tmp_path / "a") == ["b", "one", "two"]
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "a" / "one")
    disk.rename(tmp_path / "a" / "one", tmp_path / "a" / "two")
    disk.sync_directory(tmp_path / "a")
    disk.unlink(tmp_path / "a" / "two")
    for operation in (disk.open, disk.unlink, disk.names):
        with pytest.raises(FileNotFoundError):
            operation(tmp_path / "a" / "two")


def test_an_open_file_outlives_its_name(disk: Disk, tmp_path: Path) -> None:
    disk.create(tmp_path / "f").writev([b"still here"], 0)
    file = disk.open(tmp_path / "f")
    disk.unlink(tmp_path / "f")
    assert file.pread(100, 0) == b"still here"


def test_a_file_opened_for_reading_refuses_writes(disk: Disk, tmp_path: Path) -> None:
    disk.create(tmp_path / "f")
    with pytest.raises(OSError, match="Bad file descriptor"):
        disk.open(tmp_path / "f").writev([b"x"], 0)
    disk.open(tmp_path / "f", write=True).writev([b"x"], 0)


def test_space_and_allocation(disk: Disk, tmp_path: Path) -> None:
    space = disk.space(tmp_path)
    assert 0 < space.free <= space.total
    file = disk.create(tmp_path / "f")
    file.allocate(10_000)
    assert file.size() == 10_000


def test_a_lock_is_held_once(disk: Disk, tmp_path: Path) -> None:
    held = disk.lock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        disk.lock(tmp_path / "lock")
    held.close()
    disk.lock(tmp_path / "lock").close()


def test_small_files_are_replaced_whole(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "f.new").write_bytes(b"left by a death")
    for content in (b"one", b"two"):
        replace_whole(disk, tmp_path / "f", content)
        assert read_whole(disk, tmp_path / "f", limit_bytes=100) == content
    assert disk.names(tmp_path) == ["f"]


# -- the flaky disk's own word -----------------------------------------------------------------


def test_planned_faults_happen_when_planned_and_are_reported(tmp_path: Path) -> None:
    disk = FlakyDisk()
    file = disk.create(tmp_path / "f")
    disk.fail_write(after=1, number=errno.EIO, keep_bytes=2)
    disk.short_write(keep_bytes=1)
    disk.fail_sync(after=1)
    disk.fail_read(number=errno.EIO)
    assert file.writev([b"abcd"], 0) == 1
    with pytest.raises(OSError, match="planned"):
        file.writev([b"bcd"], 1)
    assert disk.happened == ["write short", "write EIO"]
    file.fdatasync()
    with pytest.raises(OSError, match="planned"):
        file.fdatasync()
    with pytest.raises(OSError, match="planned"):
        file.pread(1, 0)
    assert file.pread(10, 0) == b"abc"
    assert disk.happened == ["write short", "write EIO", "sync EIO", "read EIO"]


def test_a_full_disk_takes_what_fits(tmp_path: Path) -> None:
    disk = FlakyDisk()
    file = disk.create(tmp_path / "f")
    disk.fill_up(5)
    assert file.writev([b"abc"], 0) == 3
    assert file.writev([b"defg"], 3) == 2
    with pytest.raises(OSError, match="full") as caught:
        file.writev([b"fg"], 5)
    assert caught.value.errno == errno.ENOSPC
    assert disk.space(tmp_path).free == 0
    disk.make_room()
    assert file.writev([b"fg"], 5) == 2


@pytest.mark.parametrize("seed", range(12))
def test_a_power_cut_takes_only_what_was_not_synced(tmp_path: Path, seed: int) -> None:
    disk = FlakyDisk(seed=seed)
    file = disk.create(tmp_path / "f")
    disk.sync_directory(tmp_path)
    file.writev([b"k" * 1000], 0)
    file.fdatasync()
    file.writev([b"l" * 3000], 1000)
    disk.cut_power()
    left = (tmp_path / "f").read_bytes()
    assert left[:1000] == b"k" * 1000
    assert left != b"k" * 1000 + b"l" * 3000
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.pread(1, 0)


def test_a_kill_takes_nothing(tmp_path: Path) -> None:
    disk = FlakyDisk()
    disk.create(tmp_path / "f").writev([b"unsynced"], 0)
    disk.kill()
    assert (tmp_path / "f").read_bytes() == b"unsynced"


def test_a_file_nobody_synced_the_name_of_may_vanish(tmp_path: Path) -> None:
    there = set()
    for seed in range(20):
        disk = FlakyDisk(seed=seed)
        disk.create(tmp_path / "f")
        disk.cut_power()
        there.add((tmp_path / "f").exists())
        (tmp_path / "f").unlink(missing_ok=True)
    assert there == {False, True}


def test_what_a_failed_fsync_gave_up_is_gone_with_the_cache(tmp_path: Path) -> None:
    disk = FlakyDisk()
    file = disk.create(tmp_path / "f")
    file.writev([b"abc"], 0)
    disk.fail_sync()
    with pytest.raises(OSError, match="planned"):
        file.fdatasync()
    assert file.pread(3, 0) == b"abc"
    file.fdatasync()  # succeeds, and has saved nothing
    file.drop_cache(0)
    assert file.pread(3, 0) == b"\0\0\0"


def test_after_its_last_operation_nothing_happens_any_more(tmp_path: Path) -> None:
    disk = FlakyDisk()
    file = disk.create(tmp_path / "f")
    disk.die_in(1)
    file.writev([b"last"], 0)
    for operation in (file.fdatasync, file.size, lambda: disk.names(tmp_path)):
        with pytest.raises(DiskGone):
            operation()
    assert disk.happened == ["died at sync"]
    disk.kill()
    assert disk.open(tmp_path / "f").pread(10, 0) == b"last"
