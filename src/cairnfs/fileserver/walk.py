"""A walk along a segment: its valid records in order, and the gaps between them.

What belongs here: reading headers and resynchronising after damage. What does not: what a record
or a gap means for the store (`recovery`, `scan`). Reads through the disk seam in windows, so that a
walk over small chunks costs few system calls and one over large chunks reads only headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cairnfs.fileserver.disk import DiskFile
from cairnfs.fileserver.records import (
    ALIGN,
    RECORD_BYTES,
    RECORD_MAGIC,
    Record,
    footprint,
    parse_record,
    record_nonce,
)

_WINDOW_BYTES = 256 * 1024
#: After a record longer than this the next window is only as long as a header.
_STRIDE_BYTES = 32 * 1024


class Gap(NamedTuple):
    """Bytes from `start` to `end` in which there is no valid record."""

    start: int
    end: int
    reason: str


class _Window:
    """The piece of the file that was read last."""

    def __init__(self, file: DiskFile, end: int) -> None:
        self._file = file
        self._end = end
        self.start = 0
        self.data = b""

    def cover(self, offset: int, ahead: int) -> int:
        """Have a header's bytes from `offset` in `data`, if the file has them; their place there."""
        at = offset - self.start
        if at < 0 or at + RECORD_BYTES > len(self.data):
            self.data = self._file.pread(min(ahead, self._end - offset), offset)
            self.start = offset
            at = 0
        return at


def walk(file: DiskFile, start: int, end: int, nonce: int | None) -> Iterator[Record | Gap]:
    """Valid records and gaps between `start` and `end`, in order, without touching payloads.

    With `nonce` None the first valid header's nonce is taken as the segment's. A record whose payload
    runs past `end` is a gap. Raises OSError.
    """
    window = _Window(file, end)
    offset, ahead = start, _WINDOW_BYTES
    while offset < end:
        at = window.cover(offset, ahead)
        record = parse_record(window.data, at, offset, nonce)
        if record is None:
            found = _resynchronise(window, offset + ALIGN, end, nonce)
            yield Gap(offset, found, "no valid record header")
            offset, ahead = found, _WINDOW_BYTES
            continue
        if nonce is None:
            nonce = record_nonce(window.data, at)
        after = offset + footprint(record.length)
        if after > end:
            yield Gap(offset, end, "the record is cut off")
            return
        yield record
        offset = after
        ahead = RECORD_BYTES if record.length > _STRIDE_BYTES else _WINDOW_BYTES


def _resynchronise(window: _Window, offset: int, end: int, nonce: int | None) -> int:
    """Where the next valid header stands, or `end`."""
    while offset + RECORD_BYTES <= end:
        at = window.cover(offset, _WINDOW_BYTES)
        limit = len(window.data) - RECORD_BYTES
        if limit < at:
            return end  # the file ends before `end`
        found = window.data.find(RECORD_MAGIC, at, limit + len(RECORD_MAGIC))
        while found >= 0:
            place = window.start + found
            if place % ALIGN == 0 and parse_record(window.data, found, place, nonce) is not None:
                return place
            found = window.data.find(RECORD_MAGIC, found + 1, limit + len(RECORD_MAGIC))
        offset = (window.start + limit + ALIGN) & -ALIGN
    return end
