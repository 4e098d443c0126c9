"""The disk seam: every file operation of the chunk store except those of its index.

What belongs here: the protocol and the real disk. What does not: retries and judgement; an
operation does one thing and raises OSError. The flaky disk of the tests (`cairnfs.testing.disk`)
is the second implementation. Threads: files may be read by many threads while one writes.
A file closes when the last reference to it goes, so that a handle that a reader still uses is
never closed under it (its number could by then mean another file).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

Buffer = bytes | bytearray | memoryview
_IOV_MAX = 1024
#: "Only what is in memory"; where the system has no such flag, one that it refuses.
_NOWAIT: int = getattr(os, "RWF_NOWAIT", -1)


class Space(NamedTuple):
    """Of a filesystem, in bytes: its size, and what may still be written."""

    total: int
    free: int


class DiskFile(Protocol):
    """An open file. Every method raises OSError."""

    def writev(self, buffers: Sequence[Buffer], offset: int) -> int:
        """Write at `offset`; the number of bytes written, which may be fewer than given."""
        ...

    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""
        ...

    def pread_cached(self, length: int, offset: int) -> bytes | None:
        """Exactly these bytes if they are in memory; None where the medium would have to be asked.

        Never waits; never raises OSError; may give None always.
        """
        ...

    def fdatasync(self) -> None:
        """Return when the data, and the size needed to read it, are on the medium."""
        ...

    def truncate(self, length: int) -> None:
        """Cut to `length`. Durable after the next fdatasync."""
        ...

    def allocate(self, length: int) -> None:
        """Take `length` bytes of the disk for this file, really."""
        ...

    def size(self) -> int:
        """Its length in bytes."""
        ...

    def drop_cache(self, offset: int, length: int = 0) -> None:
        """Ask that reads from `offset` on (of `length` bytes, 0: to the end) come from the medium again.

        Advice only; it gives memory back of what is durable.
        """
        ...

    def close(self) -> None:
        """Close now: for a lock, which must be free at a known moment. Others are just let go."""
        ...


class Disk(Protocol):
    """A filesystem. Every method raises OSError."""

    def make_directory(self, path: Path) -> None:
        """Make it and its parents; no error if it is there."""
        ...

    def names(self, path: Path) -> list[str]:
        """The names in a directory, sorted."""
        ...

    def create(self, path: Path) -> DiskFile:
        """A new file, open for reading and writing. FileExistsError if it is there."""
        ...

    def open(self, path: Path, *, write: bool = False) -> DiskFile:
        """An existing file."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Atomically; replaces a file that has the target's name."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Make created, renamed and removed names durable."""
        ...

    def space(self, path: Path) -> Space:
        """Of the filesystem that holds `path`."""
        ...

    def lock(self, path: Path) -> DiskFile:
        """Hold an exclusive lock until the last reference goes. BlockingIOError if another has it."""
        ...


class RealFile:
    """A file descriptor."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        """Owns `fd`."""
        self._fd = fd

    def close(self) -> None:
        """See DiskFile."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close

    def writev(self, buffers: Sequence[Buffer], offset: int) -> int:
        """See DiskFile. One system call for each 1,024 buffers."""
        if len(buffers) <= _IOV_MAX:
            return os.pwritev(self._fd, buffers, offset)
        done = 0
        for start in range(0, len(buffers), _IOV_MAX):
            part = buffers[start : start + _IOV_MAX]
            written = os.pwritev(self._fd, part, offset + done)
            done += written
            if written < sum(len(buffer) for buffer in part):
                break
        return done

    def pread(self, length: int, offset: int) -> bytes:
        """See DiskFile."""
        piece = os.pread(self._fd, length, offset)
        if len(piece) == length or not piece:
            return piece
        pieces = [piece]
        got = len(piece)
        while got < length:
            piece = os.pread(self._fd, length - got, offset + got)
            if not piece:
                break
            pieces.append(piece)
            got += len(piece)
        return b"".join(pieces)

    def pread_cached(self, length: int, offset: int) -> bytes | None:
        """See DiskFile. Where the kernel or the filesystem cannot tell, None."""
        buffer = bytearray(length)
        try:
            got = os.preadv(self._fd, [buffer], offset, _NOWAIT)
        except (OSError, NotImplementedError):
            return None
        return bytes(buffer) if got == length else None

    def fdatasync(self) -> None:
        """See DiskFile."""
        os.fdatasync(self._fd)

    def truncate(self, length: int) -> None:
        """See DiskFile."""
        os.ftruncate(self._fd, length)

    def allocate(self, length: int) -> None:
        """See DiskFile."""
        os.posix_fallocate(self._fd, 0, length)

    def size(self) -> int:
        """See DiskFile."""
        return os.fstat(self._fd).st_size

    def drop_cache(self, offset: int, length: int = 0) -> None:
        """See DiskFile."""
        os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_DONTNEED)


class RealDisk:
    """The operating system's filesystem."""

    def make_directory(self, path: Path) -> None:
        """See Disk. For its owner only: names of chunks are nobody else's business."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        """See Disk."""
        return sorted(os.listdir(path))

    def create(self, path: Path) -> RealFile:
        """See Disk. Readable by its owner only."""
        return RealFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def open(self, path: Path, *, write: bool = False) -> RealFile:
        """See Disk."""
        return RealFile(os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC))

    def rename(self, source: Path, target: Path) -> None:
        """See Disk."""
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        """See Disk."""
        os.unlink(path)

    def sync_directory(self, path: Path) -> None:
        """See Disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def space(self, path: Path) -> Space:
        """See Disk. Free is what an ordinary user may take."""
        found = os.statvfs(path)
        return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def lock(self, path: Path) -> RealFile:
        """See Disk. flock: the kernel frees it when the process ends, however it ends."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return RealFile(fd)


def read_whole(disk: Disk, path: Path, *, limit_bytes: int) -> bytes:
    """A small file. Raises OSError; a larger file is cut at the limit."""
    return disk.open(path).pread(limit_bytes, 0)


def replace_whole(disk: Disk, path: Path, content: bytes) -> None:
    """Give `path` this content durably: after a crash it holds the old content or the new one."""
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(fresh)
    file = disk.create(fresh)
    if file.writev([content], 0) != len(content):
        raise OSError(errno.ENOSPC, "short write", str(fresh))
    file.fdatasync()
    disk.rename(fresh, path)
    disk.sync_directory(path.parent)
