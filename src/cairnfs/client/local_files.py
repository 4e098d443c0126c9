"""Files of this machine, as sources and targets of transfers.

What belongs here: finding what lies below a local directory, and local failures as Cairn's errors. What
does not: the network, writing a file (`draft.py`), what names can be held (`local_naming.py`).
Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

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
#: Why something is left out that was there a moment ago.
GONE = "it went away meanwhile"


@dataclass(frozen=True, slots=True)
class Found:
    """Something local to transfer. `path` is where it lies, `inside` its path below the tree's root."""

    path: bytes
    inside: bytes
    directory: bool
    size: int
    mode: int
    mtime_us: int
    #: Bytes that it takes on its disk.
    stored: int

    @property
    def sparse(self) -> bool:
        """Whether it takes so little room that it may have a hole worth keeping."""
        return self.size - self.stored >= HOLE_LEAST_BYTES


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

    Links to regular files are followed; links to directories (which may go in circles), links to
    nothing, sockets, pipes, devices and what goes away meanwhile are told as skipped.
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
    link = entry.is_symlink()
    try:
        status = entry.stat()
    except OSError as error:
        if link:
            return Skipped(entry.path, "a link that leads nowhere")
        if isinstance(error, FileNotFoundError):
            return Skipped(entry.path, GONE)
        raise
    if stat.S_ISREG(status.st_mode) or (stat.S_ISDIR(status.st_mode) and not link):
        return _found(entry.path, inside + entry.name, status)
    if stat.S_ISDIR(status.st_mode):
        return Skipped(entry.path, "a link to a directory")
    return Skipped(entry.path, "neither a file nor a directory")


def _found(path: bytes, inside: bytes, status: os.stat_result) -> Found:
    return Found(
        path,
        inside,
        stat.S_ISDIR(status.st_mode),
        status.st_size if stat.S_ISREG(status.st_mode) else 0,
        stat.S_IMODE(status.st_mode) & 0o777,
        status.st_mtime_ns // 1000,
        _stored(status),
    )


def _stored(status: os.stat_result) -> int:
    """By POSIX's blocks of 512 bytes; where the system does not tell, what a file without holes takes."""
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * 512


def read_short(path: bytes, most: int) -> bytes | None:
    """The file's bytes; None where they are more than `most`."""
    with local_errors(path), open(path, "rb", buffering=0) as stream:
        content = stream.read(most + 1)
        # A regular file gives all at once, unless it is shorter than asked for.
        return None if len(content) > most else content


def open_to_read(path: LocalPath) -> BinaryIO:
    """The file, to be read."""
    with local_errors(path):
        return open(path, "rb", buffering=0)


def make_directory(path: bytes, mode: int) -> None:
    """Make a local directory, and those on the way; one that is there is fine.

    Its owner may always write into it: the files come after it.
    """
    with local_errors(path):
        if not os.path.isdir(path):
            os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
            os.mkdir(path, (mode & 0o777) | 0o700)
