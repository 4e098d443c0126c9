"""Files of this machine, as sources and targets of transfers.

What belongs here: finding what lies below a local directory, and local failures as Cairn's errors. What
does not: writing a file (`draft.py`) or anything else (`places.py`), what stands beside content
(`attributes.py`), what names can be held (`naming.py`).
Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

from cairnfs.client.results import Skipped
from cairnfs.core.chunking import HOLE_LEAST_BYTES
from cairnfs.errors import (
    BadName,
    CairnError,
    Exists,
    Forbidden,
    IsADirectory,
    NoSpace,
    NotADirectory,
    NotEmpty,
    NotFound,
)

LocalPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_ERRORS: dict[int, type[CairnError]] = {
    errno.ENOENT: NotFound,
    errno.EACCES: Forbidden,
    errno.EPERM: Forbidden,
    errno.EROFS: Forbidden,
    errno.EEXIST: Exists,
    errno.ENOTDIR: NotADirectory,
    errno.EISDIR: IsADirectory,
    errno.ENOTEMPTY: NotEmpty,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EFBIG: NoSpace,
    errno.ENAMETOOLONG: BadName,
    errno.EILSEQ: BadName,
    errno.EINVAL: BadName,
}
Kind = Literal["file", "directory", "symlink"]
_KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
#: How a file is opened that was found, whatever is there by now, and what says that it is no file.
_REGULAR = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_OTHER = (errno.ELOOP, errno.ENXIO)
#: Why something is left out that was there a moment ago.
GONE = "it went away meanwhile"


@dataclass(frozen=True, slots=True)
class Found:
    """Something local to transfer. `path` is where it lies, `inside` its path below the tree's root."""

    path: bytes
    inside: bytes
    kind: Kind
    size: int
    #: All twelve bits.
    mode: int
    mtime_ns: int
    #: Bytes that it takes on its disk.
    stored: int
    uid: int
    gid: int
    #: What says that two names lead to one file; None where it has one name.
    twins: tuple[int, int] | None = None
    #: Where a symlink leads.
    target: bytes = b""

    @property
    def directory(self) -> bool:
        """Whether it is one."""
        return self.kind == "directory"

    @property
    def sparse(self) -> bool:
        """Whether it takes so little room that it may have a hole worth keeping.

        What is stored counts whole blocks, and some of the system's own: more than the bytes of data.
        """
        return self.size >= HOLE_LEAST_BYTES and self.size > self.stored


@contextmanager
def local_errors(path: LocalPath, *, only: bool = False) -> Iterator[None]:
    """Turn the body's OSErrors into Cairn's errors about the local path they name; `only` about this one."""
    try:
        yield
    except OSError as error:
        kind = _ERRORS.get(error.errno or 0, CairnError)
        named = isinstance(error.filename, (str, bytes)) and not only
        shown = os.fsdecode(error.filename if named else path)
        raise kind(f"local: {error.strerror or error}", path=shown, hint="") from error


def look(path: LocalPath, inside: bytes = b"") -> Found:
    """What lies at this path, links followed."""
    raw = os.fsencode(path)
    with local_errors(raw):
        return _found(raw, inside, os.stat(raw))


def scan(root: LocalPath) -> Iterator[Found | Skipped]:
    """Everything below a local directory, by name, parents before what is in them.

    Symlinks are found as such and not followed. Sockets, pipes, devices and what goes away meanwhile are
    told as skipped.
    """
    stack = [_entries(os.fsencode(root), b"")]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        yield found
        if isinstance(found, Found) and found.directory:
            stack.append(_entries(found.path, found.inside + b"/"))


def _entries(directory: bytes, inside: bytes) -> Iterator[Found | Skipped]:
    with local_errors(directory):
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except FileNotFoundError:
            yield Skipped(directory, GONE)
            return
    for entry in entries:
        with local_errors(entry.path):
            yield _classify(entry, inside)


def _classify(entry: os.DirEntry[bytes], inside: bytes) -> Found | Skipped:
    try:
        status = entry.stat(follow_symlinks=False)
        target = os.readlink(entry.path) if stat.S_ISLNK(status.st_mode) else b""
    except FileNotFoundError:
        return Skipped(entry.path, GONE)
    if stat.S_IFMT(status.st_mode) not in _KINDS:
        return Skipped(entry.path, "neither a file, a directory nor a symlink")
    return _found(entry.path, inside + entry.name, status, target)


def _found(path: bytes, inside: bytes, status: os.stat_result, target: bytes = b"") -> Found:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), "file")
    return Found(
        path,
        inside,
        kind,
        status.st_size if stat.S_ISREG(status.st_mode) else 0,
        stat.S_IMODE(status.st_mode),
        status.st_mtime_ns,
        _stored(status),
        status.st_uid,
        status.st_gid,
        (status.st_dev, status.st_ino) if kind != "directory" and status.st_nlink > 1 else None,
        target,
    )


def _stored(status: os.stat_result) -> int:
    """By POSIX's blocks of 512 bytes; where the system does not tell, what a file without holes takes."""
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * 512


def read_short(path: bytes, most: int) -> bytes | None:
    """A regular file's bytes; None where they are more than `most`. Raises as `open_regular`."""
    try:
        descriptor = os.open(path, _REGULAR)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _no_file(path)
            if status.st_size > most:
                return None
            # A regular file gives all at once, unless it is shorter than asked for.
            content = os.read(descriptor, status.st_size + 1)
            if len(content) > status.st_size:
                content += os.read(descriptor, most + 1 - len(content))
            return None if len(content) > most else content
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _OTHER:
            raise _no_file(path) from error
        with local_errors(path):
            raise


def open_to_read(path: LocalPath) -> BinaryIO:
    """The file, to be read."""
    with local_errors(path):
        return open(path, "rb", buffering=0)


def open_regular(path: bytes) -> BinaryIO:
    """The regular file that was found there, to be read.

    Raises NotFound where something else is there by now: a symlink would lead out of the tree, and a pipe
    would keep its reader waiting.
    """
    with local_errors(path):
        try:
            descriptor = os.open(path, _REGULAR)
        except OSError as error:
            if error.errno not in _OTHER:
                raise
            raise _no_file(path) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _no_file(path)
        return os.fdopen(descriptor, "rb", buffering=0)


def _no_file(path: bytes) -> NotFound:
    return NotFound("local: no file is there any more", path=os.fsdecode(path))
