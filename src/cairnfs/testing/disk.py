"""A disk that fails as it is told to, and forgets what nobody fsynced when the power goes.

What belongs here: the second implementation of the disk seam (`cairnfs.fileserver.disk`), over real
files. What does not: SQLite's files, which do not go through the seam; tests copy those themselves.
Threads: any, as far as the plan makes sense there; a lock orders the operations.

Each planned fault is noted in `happened`, so that a test can see that it met what it planned.

What a power cut does here: bytes written since a file's last fdatasync are lost, wholly or in part,
a truncation may be undone, and a file whose directory was not synced may vanish. A failed
fdatasync, as on Linux, leaves its bytes readable in the cache until that is dropped and gives them up
for good: a later fdatasync that succeeds does not bring them to the medium. Renames and removals are
taken as durable at once.
"""

from __future__ import annotations

import errno
import os
import random
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cairnfs.fileserver.disk import Buffer, Disk, DiskFile, RealDisk, Space

SECTOR_BYTES = 512
_BOUNDLESS = Space(1 << 50, 1 << 50)


class DiskGone(OSError):
    """The process or the power is gone: nothing that comes after this operation happens."""

    def __init__(self) -> None:
        """Looks like EIO to who does not know it."""
        super().__init__(errno.EIO, "the disk is gone")


@dataclass(slots=True)
class _Inode:
    """What a file has beyond its bytes: how much of them would survive."""

    path: Path
    durable: int = 0
    named: bool = True
    #: Ranges that a failed fdatasync gave up: readable until the cache is dropped.
    lost: list[tuple[int, int]] = field(default_factory=list)
    #: What truncations since the last fdatasync took away: (offset, bytes).
    cut: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class _Plan:
    operation: str
    countdown: int
    number: int
    keep_bytes: int | None


class FlakyDisk:
    """A Disk over another one. Plans count from the moment they are made: `after=0` is the next."""

    def __init__(self, *, seed: int = 0, under: Disk | None = None) -> None:
        """`seed` decides what survives a power cut."""
        self._under = under or RealDisk()
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._plans: list[_Plan] = []
        self._inodes: dict[Path, _Inode] = {}
        self._files: weakref.WeakSet[FlakyFile] = weakref.WeakSet()
        self._room: int | None = None
        self._dies_in: int | None = None
        self._gone = False
        self.happened: list[str] = []
        self.operations = 0
        #: A planted bug: fdatasync answers without having done anything.
        self.lies_about_sync = False

    # -- plans ----------------------------------------------------------------------------------

    def fail_write(self, *, after: int = 0, number: int = errno.EIO, keep_bytes: int = 0) -> None:
        """A write raises `number` (an errno) after `keep_bytes` of it were written."""
        self._plans.append(_Plan("write", after, number, keep_bytes))

    def short_write(self, *, after: int = 0, keep_bytes: int = 0) -> None:
        """A write takes only `keep_bytes` and says so."""
        self._plans.append(_Plan("write", after, 0, keep_bytes))

    def fail_sync(self, *, after: int = 0, number: int = errno.EIO) -> None:
        """An fdatasync raises `number`; what it should have saved is lost with the cache."""
        self._plans.append(_Plan("sync", after, number, None))

    def fail_sync_directory(self, *, after: int = 0, number: int = errno.EIO) -> None:
        """Syncing a directory raises `number`."""
        self._plans.append(_Plan("sync_directory", after, number, None))

    def fail_read(self, *, after: int = 0, number: int = errno.EIO) -> None:
        """A read raises `number`."""
        self._plans.append(_Plan("read", after, number, None))

    def fill_up(self, free_bytes: int = 0) -> None:
        """From now on only so many more bytes fit; a write beyond gets what fits, the next ENOSPC."""
        self._room = free_bytes

    def make_room(self) -> None:
        """The disk is large again."""
        self._room = None

    def forget_plans(self) -> None:
        """No fault that has not happened yet will."""
        self._plans.clear()

    def die_in(self, operations: int) -> None:
        """So many more changing operations happen; the one after them and all that follow do not."""
        self._dies_in = operations

    # -- the end --------------------------------------------------------------------------------

    def kill(self) -> None:
        """The process dies, the machine lives on: every open file is dead, all that was written stays."""
        with self._lock:
            for file in list(self._files):
                file.close()
            self._files.clear()
            self._revive()

    def cut_power(self) -> None:
        """As `kill`, and what was not fsynced is lost, wholly or in part."""
        with self._lock:
            for inode in list(self._inodes.values()):
                self._forget_unsynced(inode)
            self.kill()
            self._inodes.clear()

    def _revive(self) -> None:
        self._gone = False
        self._dies_in = None
        self._plans.clear()

    def _forget_unsynced(self, inode: _Inode) -> None:
        path = inode.path
        if not path.exists():
            return
        if not inode.named and self._random.random() < 0.5:
            path.unlink()
            return
        with path.open("r+b") as file:
            for offset, taken in inode.cut:
                if self._random.random() < 0.5:
                    file.seek(offset)
                    file.write(taken)
            size = file.seek(0, os.SEEK_END)
            if size > inode.durable:
                self._tear(file.fileno(), inode.durable, size)
        self.lose(inode)

    def _tear(self, fd: int, durable: int, size: int) -> None:
        """Keep of the bytes from `durable` on: nothing, a part, or all with a hole of zeros."""
        kept = self._random.choice((durable, self._random.randint(durable, size), size))
        os.ftruncate(fd, kept)
        if kept == size:
            hole = self._random.randrange(durable, size) // SECTOR_BYTES * SECTOR_BYTES
            start, end = max(hole, durable), min(hole + SECTOR_BYTES, size)
            os.pwrite(fd, bytes(end - start), start)

    def lose(self, inode: _Inode) -> None:
        """Take away what a failed fdatasync gave up."""
        lost, inode.lost = inode.lost, []
        if not lost or not inode.path.exists():
            return
        with inode.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            for start, end in lost:
                if start < size:
                    file.seek(start)
                    file.write(bytes(min(end, size) - start))

    # -- what files ask -------------------------------------------------------------------------

    def step(self, operation: str, *, changes: bool) -> _Plan | None:
        """Count an operation; the fault planned for it, if any. Raises DiskGone at the end of the world."""
        with self._lock:
            if self._gone:
                raise DiskGone
            if changes:
                self.operations += 1
                if self._dies_in is not None:
                    if self._dies_in == 0:
                        self._gone = True
                        self.happened.append(f"died at {operation}")
                        raise DiskGone
                    self._dies_in -= 1
            for plan in self._plans:
                if plan.operation == operation:
                    if plan.countdown == 0:
                        self._plans.remove(plan)
                        self.happened.append(f"{operation} {errno.errorcode.get(plan.number, 'short')}")
                        return plan
                    plan.countdown -= 1
            return None

    def room_for(self, length: int) -> int:
        """How many of `length` bytes still fit; takes them."""
        with self._lock:
            if self._room is None:
                return length
            fits = min(length, self._room)
            self._room -= fits
            if fits < length:
                self.happened.append("full")
            return fits

    # -- the seam -------------------------------------------------------------------------------

    def make_directory(self, path: Path) -> None:
        """See Disk."""
        self._raise(self.step("make_directory", changes=True))
        self._under.make_directory(path)

    def names(self, path: Path) -> list[str]:
        """See Disk."""
        self.step("names", changes=False)
        return self._under.names(path)

    def create(self, path: Path) -> DiskFile:
        """See Disk."""
        self._raise(self.step("create", changes=True))
        if self.room_for(1) == 0:
            raise OSError(errno.ENOSPC, "the disk is full", str(path))
        inode = self._inodes[path] = _Inode(path, named=False)
        return self._opened(self._under.create(path), inode)

    def open(self, path: Path, *, write: bool = False) -> DiskFile:
        """See Disk."""
        self.step("open", changes=False)
        file = self._under.open(path, write=write)
        inode = self._inodes.setdefault(path, _Inode(path, durable=file.size()))
        return self._opened(file, inode)

    def _opened(self, file: DiskFile, inode: _Inode) -> FlakyFile:
        opened = FlakyFile(self, file, inode)
        with self._lock:
            self._files.add(opened)
        return opened

    def rename(self, source: Path, target: Path) -> None:
        """See Disk."""
        self._raise(self.step("rename", changes=True))
        self._under.rename(source, target)
        inode = self._inodes.pop(source, None)
        self._inodes.pop(target, None)
        if inode is not None:
            inode.path, inode.named = target, True
            self._inodes[target] = inode

    def unlink(self, path: Path) -> None:
        """See Disk."""
        self._raise(self.step("unlink", changes=True))
        self._under.unlink(path)
        self._inodes.pop(path, None)

    def sync_directory(self, path: Path) -> None:
        """See Disk."""
        self._raise(self.step("sync_directory", changes=True))
        for inode in self._inodes.values():
            if inode.path.parent == path:
                inode.named = True

    def space(self, path: Path) -> Space:
        """See Disk. Boundless until `fill_up`."""
        self.step("space", changes=False)
        return _BOUNDLESS if self._room is None else Space(1 << 50, self._room)

    def lock(self, path: Path) -> DiskFile:
        """See Disk."""
        return self._opened(self._under.lock(path), _Inode(path))

    @staticmethod
    def _raise(plan: _Plan | None) -> None:
        if plan is not None:
            raise OSError(plan.number, "planned")


class FlakyFile:
    """A file of a FlakyDisk."""

    def __init__(self, disk: FlakyDisk, file: DiskFile, inode: _Inode) -> None:
        """For FlakyDisk only."""
        self._disk = disk
        self._file = file
        self._inode = inode

    def writev(self, buffers: Sequence[Buffer], offset: int) -> int:
        """See DiskFile."""
        plan = self._disk.step("write", changes=True)
        data = b"".join(buffers)
        keep = len(data) if plan is None or plan.keep_bytes is None else min(plan.keep_bytes, len(data))
        fits = self._disk.room_for(keep)
        if keep and not fits:
            raise OSError(errno.ENOSPC, "the disk is full")
        written = self._file.writev([data[:fits]], offset) if fits else 0
        if offset < self._inode.durable:
            self._inode.durable = offset
        if plan is not None and plan.number:
            raise OSError(plan.number, "planned")
        return written

    def pread(self, length: int, offset: int) -> bytes:
        """See DiskFile."""
        plan = self._disk.step("read", changes=False)
        if plan is not None:
            raise OSError(plan.number, "planned")
        return self._file.pread(length, offset)

    def pread_cached(self, length: int, offset: int) -> bytes | None:
        """See DiskFile. Nothing is in memory here: every read goes where faults are planned."""
        return None

    def fdatasync(self) -> None:
        """See DiskFile."""
        plan = self._disk.step("sync", changes=True)
        if self._disk.lies_about_sync:
            return
        size = self._file.size()
        if plan is not None:
            if size > self._inode.durable:
                self._inode.lost.append((self._inode.durable, size))
            # As on Linux the pages are clean now: nobody will write them any more.
            self._inode.durable = size
            raise OSError(plan.number, "planned")
        self._inode.durable = size
        self._inode.cut.clear()

    def truncate(self, length: int) -> None:
        """See DiskFile."""
        self._disk.step("truncate", changes=True)
        size = self._file.size()
        if length < size:
            self._inode.cut.append((length, self._file.pread(size - length, length)))
        self._file.truncate(length)
        self._inode.durable = min(self._inode.durable, length)
        self._inode.lost = [(start, min(end, length)) for start, end in self._inode.lost if start < length]

    def allocate(self, length: int) -> None:
        """See DiskFile."""
        self._disk.step("allocate", changes=True)
        more = length - self._file.size()
        if more > 0 and self._disk.room_for(more) < more:
            raise OSError(errno.ENOSPC, "the disk is full")
        self._file.truncate(length)

    def size(self) -> int:
        """See DiskFile."""
        self._disk.step("size", changes=False)
        return self._file.size()

    def drop_cache(self, offset: int, length: int = 0) -> None:
        """See DiskFile. Here, unlike there, it always works."""
        self._disk.step("drop_cache", changes=False)
        self._disk.lose(self._inode)

    def close(self) -> None:
        """See DiskFile."""
        self._file.close()
