"""Where a file's bytes are cut into chunks.

A file of up to 1 MiB is one chunk; a longer one is cut by FastCDC where its content says so, into
chunks of 256 KiB to 4 MiB, about 1 MiB each. The cut points are part of what is stored: golden
vectors in the tests freeze them. Where a file is cut depends on its bytes alone, never on how they
were fed. In a sparse file each run of data between two holes is cut as if it were a file. What does not
belong here: hashing (`core/manifest.py`), reading. Pure; a splitter serves one file and one thread at a
time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyfastcdc

SINGLE_MAX_BYTES = 1024 * 1024
CUT_MIN_BYTES = 256 * 1024
CUT_AVERAGE_BYTES = 1024 * 1024
CUT_MAX_BYTES = 4 * 1024 * 1024
#: A shorter hole is cut into chunks like the zeros that it reads as: it would end a run of data, and runs
#: far below a chunk's usual length cost more (an entry, a row, a record at each holder) than zeros do.
HOLE_LEAST_BYTES = 64 * 1024
#: Holes begin and end at multiples of this (the last may end with its file), so that the file systems
#: of most machines can keep what one of them had.
HOLE_ALIGN_BYTES = 4096
#: Normalised chunking, level 2: of the four levels the one whose sizes scatter little (0.4 MiB
#: about the mean, no cut forced at the maximum in random bytes) at full speed.
_LEVEL: Final = 2
_BUFFER_BYTES = 2 * CUT_MAX_BYTES

if not pyfastcdc.FastCDC.__module__.startswith("pyfastcdc.cy"):
    raise ImportError(
        "Cairn needs the compiled pyfastcdc; what is installed is its pure-Python fallback, a hundred "
        "times slower: install a wheel of pyfastcdc for this platform"
    )

_cutter = pyfastcdc.FastCDC(
    CUT_AVERAGE_BYTES, min_size=CUT_MIN_BYTES, max_size=CUT_MAX_BYTES, normalized_chunking=_LEVEL
)


class Splitter:
    """Takes a file's bytes in pieces of any size, gives its chunks; holds 8 MiB at most.

    The first cut waits for 4 MiB or the end, since only the end tells that a file is a single chunk.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0
        self._end = 0
        self._cut_any = False

    def feed(self, piece: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take a piece in; give the chunks that it completes. The iterator must be read to its end."""
        rest = memoryview(piece).cast("B")
        while rest:
            rest = rest[self._take(rest) :]
            while self._end - self._start >= CUT_MAX_BYTES:
                yield self._cut()

    def finish(self) -> Iterator[bytes]:
        """Say that the file is over; give the last chunks. An empty file has none."""
        held = self._end - self._start
        if not self._cut_any and 0 < held <= SINGLE_MAX_BYTES:
            yield self._give(held)
        while self._end > self._start:
            yield self._cut()

    def _take(self, rest: memoryview) -> int:
        """Copy as much as fits behind what is held; say how much that was."""
        if self._end == _BUFFER_BYTES:
            held = self._end - self._start
            with memoryview(self._buffer) as view:
                view[:held] = view[self._start : self._end]
            self._start, self._end = 0, held
        taken = min(len(rest), _BUFFER_BYTES - self._end)
        after = self._end + taken
        if after > len(self._buffer):
            self._buffer[self._end :] = rest[:taken]
        else:
            self._buffer[self._end : after] = rest[:taken]
        self._end = after
        return taken

    def _cut(self) -> bytes:
        with memoryview(self._buffer) as view:
            return self._give(first_cut(view[self._start : self._end]))

    def _give(self, length: int) -> bytes:
        with memoryview(self._buffer) as view:
            chunk = bytes(view[self._start : self._start + length])
        self._start += length
        self._cut_any = True
        return chunk


def split(content: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    """The chunks of a whole file that is in memory, as views of it; the same as a Splitter gives."""
    rest = memoryview(content).cast("B")
    if 0 < len(rest) <= SINGLE_MAX_BYTES:
        yield rest
        return
    while rest:
        length = first_cut(rest)
        yield rest[:length]
        rest = rest[length:]


def hole(start: int, stop: int, *, last: bool, least: int = HOLE_LEAST_BYTES) -> tuple[int, int] | None:
    """What of a gap in a file's data is kept as a hole, as (start, stop); None where it is too short.

    `last` says that the file ends with the gap; `least` is the bytes of the shortest that counts.
    """
    start = -(-start // HOLE_ALIGN_BYTES) * HOLE_ALIGN_BYTES
    stop = stop if last else stop // HOLE_ALIGN_BYTES * HOLE_ALIGN_BYTES
    return (start, stop) if stop - start >= least else None


def first_cut(content: memoryview) -> int:
    """The length of the first chunk of content that is at least 4 MiB long, or ends where its file ends."""
    return next(iter(_cutter.cut_buf(content))).length
