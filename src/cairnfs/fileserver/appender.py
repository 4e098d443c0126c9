"""Appending records: one writev and one fdatasync for a whole batch.

What belongs here: the segment that is being written, rolling to the next, sealing after a failure.
What does not: which records to write (`store`) and finding them again (`index`). Threads: one writer.

A segment is written from front to back and never again once it was left: when it is full, when the
store closes, or when a write or an fsync of it failed. After a failure what was durable stays; the
rest is cut if the disk still obeys, and counts for nothing in any case: the next segment's header
says how far this one was durable.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cairnfs.fileserver.disk import Buffer, Disk, DiskFile
from cairnfs.fileserver.identity import Openings
from cairnfs.fileserver.records import (
    SEGMENT_BYTES,
    SegmentHeader,
    footprint,
    pack_record,
    pack_segment,
    padding,
)
from cairnfs.fileserver.reserve import Reserve
from cairnfs.fileserver.segments import Segments
from cairnfs.fileserver.trouble import StoreFull, WriteFailed

#: A batch is at most this large, so a torn end is too.
BATCH_MAX_BYTES = 64 * 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Draft(NamedTuple):
    """A record to be written."""

    kind: int
    hash: bytes
    begin: int
    payload: Buffer
    cold: bool = False


class Placed(NamedTuple):
    """Where a record of the batch came to lie, durably."""

    segment: int
    offset: int
    number: int


class Position(NamedTuple):
    """Everything before this place is durable (and, in a checkpoint, in the index)."""

    segment: int
    offset: int


class _Open(NamedTuple):
    file: DiskFile
    number: int
    nonce: int


class Appender:
    """Writes segments.

    `position` is the end of what is durable, `nonce` its segment's; `failures` counts sealed batches.
    """

    def __init__(
        self,
        disk: Disk,
        segments: Segments,
        reserve: Reserve,
        openings: Openings,
        *,
        owner: bytes,
        last: Position,
        highest_record: int,
        segment_bytes: int,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`last` is the end of the newest segment there is, (0, 0) for none."""
        self._disk = disk
        self._segments = segments
        self._reserve = reserve
        self._openings = openings
        self._owner = owner
        self._limit = segment_bytes
        self._entropy = entropy
        self._highest = highest_record
        self._next_record = 0  # none yet: the opening is counted with the first append
        self._next_segment = last.segment + 1
        self._open: _Open | None = None
        self.position = last
        self.nonce = 0
        self.failures = 0

    def append(self, drafts: Sequence[Draft]) -> list[Placed]:
        """Write the batch and have it durable, all of it, in one segment.

        Raises StoreFull or WriteFailed: then nothing of it counts, and no number of it is used again.
        """
        total = sum(footprint(len(draft.payload)) for draft in drafts)
        assert total <= BATCH_MAX_BYTES
        self._reserve.require(total)
        if not self._next_record:
            self._count_opening()
        fresh = self._open is None or self.position.offset + total > self._limit
        if fresh:
            self._roll()
        opened = self._open
        assert opened is not None
        start = SEGMENT_BYTES if fresh else self.position.offset
        before = [self._header(opened)] if fresh else []
        buffers, placed, end = self._lay_out(drafts, opened, start, 0 if fresh else start)
        try:
            self._write(opened.file, [*before, *buffers], 0 if fresh else start, end)
            if fresh:
                self._disk.sync_directory(self._segments.directory)
        except OSError as error:
            self._seal(opened, 0 if fresh else start)
            raise _failure(error, f"segment {opened.number}") from error
        self.position = Position(opened.number, end)
        self.nonce = opened.nonce
        _forget(opened.file, drafts, placed)
        return placed

    def _lay_out(
        self, drafts: Sequence[Draft], opened: _Open, start: int, confirmed: int
    ) -> tuple[list[Buffer], list[Placed], int]:
        buffers: list[Buffer] = []
        placed = []
        offset, number = start, self._next_record
        gap = b""
        for kind, chunk, begin, payload, _ in drafts:
            length = len(payload)
            head = pack_record(kind, opened.nonce, offset, confirmed, number, begin, length, chunk)
            buffers.append(gap + head)
            if length:
                buffers.append(payload)
            gap = padding(length)
            placed.append(Placed(opened.number, offset, number))
            offset += footprint(length)
            number += 1
        if gap:
            buffers.append(gap)
        # Used up before the write: whatever becomes of these records, their numbers are theirs.
        self._next_record = number
        return buffers, placed, offset

    def _write(self, file: DiskFile, buffers: list[Buffer], start: int, end: int) -> None:
        written = file.writev(buffers, start)
        if written != end - start:
            # A short write says nothing of its cause. Lack of space is by far the likeliest, and asking
            # costs less than a second write into a segment that is lost anyway.
            free = self._disk.space(self._segments.directory).free
            cause = errno.ENOSPC if free < end - start - written else errno.EIO
            raise OSError(cause, f"{written} of {end - start} bytes were written")
        file.fdatasync()

    def _roll(self) -> None:
        """Begin the next segment: create its file; its header goes out with the first batch."""
        self._open = None
        number = self._next_segment
        self._next_segment += 1
        try:
            file = self._disk.create(self._segments.path(number))
        except OSError as error:
            self.failures += 1
            raise _failure(error, f"segment {number}") from error
        self._open = _Open(file, number, int.from_bytes(self._entropy(8), "little"))

    def _header(self, opened: _Open) -> bytes:
        previous = self.position
        return pack_segment(
            SegmentHeader(
                opened.number, opened.nonce, self._owner, self._next_record, previous.segment, previous.offset
            )
        )

    def _seal(self, opened: _Open, durable: int) -> None:
        """Leave the segment for good; take its unconfirmed end away if the disk lets us."""
        self._open = None
        self.failures += 1
        try:
            if durable:
                opened.file.truncate(durable)
            else:
                self._disk.unlink(self._segments.path(opened.number))
        except OSError:
            pass

    def _count_opening(self) -> None:
        try:
            self._next_record = self._openings.begin(self._highest)
        except OSError as error:
            raise _failure(error, "the count of openings") from error


def _forget(file: DiskFile, drafts: Sequence[Draft], placed: Sequence[Placed]) -> None:
    """Keep in memory only what is likely to be read from here: for the rest the machine has better use."""
    start = end = 0
    for draft, place in zip(drafts, placed, strict=True):
        if not draft.cold:
            continue
        if place.offset != end:
            _drop(file, start, end)
            start = place.offset
        end = place.offset + footprint(len(draft.payload))
    _drop(file, start, end)


def _drop(file: DiskFile, start: int, end: int) -> None:
    if end > start:
        with contextlib.suppress(OSError):
            file.drop_cache(start, end - start)


def _failure(error: OSError, what: str) -> StoreFull | WriteFailed:
    if error.errno in _FULL:
        return StoreFull(f"{what}: the disk is full")
    return WriteFailed(f"{what}: {error}")
