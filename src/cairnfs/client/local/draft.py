"""A local file being written, whole or not at all, with the holes that it is given.

What belongs here: where the bytes go (a new file beside the target, or what is there and is no regular
file), and how a hole is left. What does not: finding and reading local files (`files.py`).
Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable

from cairnfs.client.local import draft_locks
from cairnfs.client.local.attributes import Kept, give
from cairnfs.client.local.files import LocalPath, local_errors
from cairnfs.client.local.places import Aside
from cairnfs.client.zeros import zeros
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes
from cairnfs.errors import IsADirectory

_OPEN_FILE = re.compile(rb"/(?:dev|proc/self)/fd/([0-9]+)|/dev/std(in|out|err)")


class Draft:
    """A local file being written: it takes its place when it is whole.

    What is there and is no regular file (a pipe, /dev/null) is written to instead, and so is an open
    file of this process (/dev/stdout); a link keeps leading where it leads, and the file there is replaced.
    """

    def __init__(
        self,
        target: LocalPath,
        mode: int,
        *,
        follow: bool = True,
        aside: Aside | None = None,
        known_as: bytes | None = None,
    ) -> None:
        """`mode` counts, less the process's mask, where no file is there; else the file's own stays.

        Without `follow` whatever is there is replaced; a directory only where `aside` takes it. Where the
        content has a name (`known_as`) it may go on with a draft that was left behind: it is `resumed` then.
        """
        self.resumed = False
        self._aside = aside
        self._named = os.fsencode(target)
        self._target = os.path.realpath(self._named) if follow else self._named
        self._draft: bytes | None = None
        self._ends_in_hole = False
        with local_errors(target, only=True):
            try:
                status = os.stat(self._named, follow_symlinks=follow)
            except FileNotFoundError:
                status = None
            if not follow and status is not None and not _stays(status, aside):
                status = None
            descriptor = _descriptor(self._named) if follow else None
            if status is not None and descriptor is not None:
                self._stream = os.fdopen(os.dup(descriptor), "wb", buffering=0)
                return
            if status is not None and stat.S_ISDIR(status.st_mode):
                raise IsADirectory("local: a directory is there", path=os.fsdecode(target))
            if status is not None and not stat.S_ISREG(status.st_mode):
                self._stream = os.fdopen(os.open(self._named, os.O_WRONLY), "wb", buffering=0)
                return
            draft, opened, self.resumed = draft_locks.open_draft(self._target, mode & 0o777, known_as)
            self._stream = os.fdopen(opened, "wb", buffering=0)
            self._draft = draft
            if status is not None:
                try:
                    # Not all file systems have modes to be set; theirs are all the same.
                    if os.fstat(opened).st_mode != status.st_mode:
                        os.chmod(draft, stat.S_IMODE(status.st_mode))
                except OSError:
                    self.discard()
                    raise

    def write(self, content: bytes) -> None:
        """Append."""
        with local_errors(self._named, only=True):
            rest = memoryview(content)
            while rest:
                rest = rest[self._stream.write(rest) or 0 :]
        self._ends_in_hole = self._ends_in_hole and not content

    def skip(self, length: int) -> None:
        """Append a hole of `length` bytes; zeros where what is written to cannot hold one."""
        if self._draft is None:
            for piece in zeros(length):
                self.write(piece)
            return
        with local_errors(self._named, only=True):
            try:
                self._stream.seek(length, os.SEEK_CUR)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    # What going beyond the file system's longest file is called; writing says it better.
                    error.errno, error.strerror = errno.EFBIG, os.strerror(errno.EFBIG)
                raise
        self._ends_in_hole = self._ends_in_hole or length > 0

    def taken(self, part: bytes | int) -> Iterable[bytes | int]:
        """The same in what is short to append: a hole becomes zeros here where it cannot be kept."""
        return zeros(part) if isinstance(part, int) and self._draft is None else (part,)

    def append(self, part: bytes | int) -> None:
        """Append data, or a hole of that length."""
        if isinstance(part, int):
            self.skip(part)
        else:
            self.write(part)

    def publish(self, kept: Kept | None = None) -> list[str]:
        """Take the target's place, with what the file has beside its content. What it lost, in words."""
        lost: list[str] = []
        with local_errors(self._named, only=True):
            if self._ends_in_hole:
                # Going beyond the end makes no file longer; only a write or this does.
                self._stream.truncate()
            self._stream.close()
            if self._draft is not None:
                if kept is not None:
                    lost = give(self._draft, kept, "file")
                if self._aside is not None:
                    self._aside.directory(self._target)
                os.replace(self._draft, self._target)
                self._draft = None
        return lost

    def has(self, at: int, chunks: Iterable[Chunk]) -> int:
        """Where the bytes of a resumed draft end that are as these chunks, which begin at `at`."""
        for digest, size in chunks:
            if digest == HOLE or hash_bytes(os.pread(self._stream.fileno(), size, at)) != digest:
                break
            at += size
        return at

    def go_on(self, at: int) -> None:
        """Keep the bytes up to there, and go on behind them."""
        with local_errors(self._named, only=True):
            self._stream.truncate(at)
            self._stream.seek(at)

    def discard(self, *, keep: bool = False) -> None:
        """Leave nothing behind, unless it is to be resumed; after `publish` this does nothing."""
        self._stream.close()
        if self._draft is not None and not keep:
            try:
                os.unlink(self._draft)
            except OSError:
                return


def _stays(status: os.stat_result, aside: Aside | None) -> bool:
    """Whether it is what only a file's content replaces, or what stands in the way."""
    return stat.S_ISREG(status.st_mode) or (stat.S_ISDIR(status.st_mode) and aside is None)


def _descriptor(path: bytes) -> int | None:
    """The number of the open file of this process that a path names: /dev/stdout, /dev/fd/63."""
    found = _OPEN_FILE.fullmatch(os.path.abspath(path))
    if found is None:
        return None
    return int(found[1]) if found[1] is not None else (b"in", b"out", b"err").index(found[2])
