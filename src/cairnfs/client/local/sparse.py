"""Reading a local file as its system keeps it: pieces of data, and holes between them.

What belongs here: asking the system where the holes are, and which of them count. What does not: cutting
data into chunks (`sources.py`). Where the system cannot tell, everything is data. The file may change
meanwhile: a hole is told only where zeros could have been read at that moment, and the end is where
reading finds it. Synchronous: callers run it on another thread, one step at a time.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import Final, Protocol, cast

from cairnfs.core.chunking import CUT_MAX_BYTES, HOLE_LEAST_BYTES, hole

#: What a system says that cannot tell holes from data.
_CANNOT_TELL: Final = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))
_FAR: Final = 2**63 - 1
#: After so many holes of a file only long ones count: every one is an entry, and so is the run before it,
#: of which a file may have only so many.
HOLES_MAX: Final = 2**17


class LocalFile(Protocol):
    """What is needed of an open local file."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def fileno(self) -> int: ...


def local_file(content: object) -> LocalFile | None:
    """The content, where it is a regular local file whose holes can be asked for; else None.

    Only Python's own files: others with a file number may read something else than is in that file
    (what a compressed one holds, say).
    """
    raw = content
    if type(content) in (io.BufferedReader, io.BufferedRandom):
        raw = cast(io.BufferedReader, content).raw
    if type(raw) is not io.FileIO or not hasattr(os, "SEEK_HOLE"):
        return None
    if not raw.readable() or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    return cast(LocalFile, content)


class SparseReader:
    """A regular local file from its present position to its end, step by step."""

    def __init__(self, stream: LocalFile, piece_bytes: int) -> None:
        """A step reads `piece_bytes` at most, and looks that far ahead for holes."""
        self._stream = stream
        self._piece = piece_bytes
        self._at = stream.tell()
        self._data_to = self._at
        self._hole: tuple[int, int] | None = None
        self._holes = 0
        self._blind = False

    def step(self) -> bytes | int:
        """Some data, or the length of a hole; b"" at the end."""
        if self._at >= self._data_to:
            if self._hole is None:
                self._look()
            if self._hole is not None and self._hole[0] == self._at:
                return self._pass_hole(self._hole)
        self._stream.seek(self._at)
        content = self._stream.read(min(self._piece, self._data_to - self._at)) or b""
        self._at += len(content)
        return content

    def _pass_hole(self, found: tuple[int, int]) -> int:
        start, self._at = found
        self._hole = None
        self._holes += 1
        # Whoever goes on with this file is to find it where a reader would have left it.
        self._stream.seek(self._at)
        return self._at - start

    def _look(self) -> None:
        """Find the next hole that counts and begins within a piece from here, and how far data goes."""
        limit = self._at + self._piece
        self._data_to, self._hole = limit, None
        position = self._at
        while position < limit:
            size = self._size()
            start = self._seek(position, os.SEEK_HOLE)
            if start is None or start >= limit:
                self._data_to = max(limit, start or 0)
                return
            stop = self._seek(start, os.SEEK_DATA)
            last = stop is None
            if stop is None:
                # No data up to the end, which may have moved just now: only what was the end before and
                # after is known to have been a hole.
                stop = min(size, self._size())
            least = HOLE_LEAST_BYTES if self._holes < HOLES_MAX else CUT_MAX_BYTES
            self._hole = hole(start, stop, last=last, least=least)
            if self._hole is not None:
                self._data_to = self._hole[0]
                return
            if last or stop <= position:
                return
            position = stop

    def _size(self) -> int:
        return os.fstat(self._stream.fileno()).st_size

    def _seek(self, position: int, whence: int) -> int | None:
        """Where the next hole or data begins; None where there is none before the end."""
        if self._blind:
            return _FAR if whence == os.SEEK_HOLE else position
        try:
            return self._stream.seek(position, whence)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            if error.errno not in _CANNOT_TELL:
                raise
        self._blind = True
        return self._seek(position, whence)
