"""Replaying segments into an index, so that it stands for exactly what is durable in them.

What belongs here: walking what was appended after the checkpoint (or everything), verifying the end
of a segment that nobody confirmed, cutting what is torn. What does not: the index file (`recovery`).
Called by one thread before the store is open to anybody.

What is confirmed: every record says how far its segment was durable when it was written, the next
segment's header says it of the segment before, and the index's checkpoint of all of them. What lies
after that is the last batch of a process that did not live to say so. It is made durable, read
again from the medium and verified; what fails at the very end is torn and cut, what fails before
something valid is damage and kept.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from cairnfs.fileserver.appender import BATCH_MAX_BYTES, Position
from cairnfs.fileserver.disk import Disk, DiskFile
from cairnfs.fileserver.entries import BAD, Entry, merged
from cairnfs.fileserver.index import Index
from cairnfs.fileserver.quarantine import Quarantine
from cairnfs.fileserver.records import (
    CHUNK,
    RECORD_BYTES,
    SEGMENT_BYTES,
    TOUCH,
    Record,
    parse_record,
    payload_fits,
)
from cairnfs.fileserver.segments import SegmentFile, Segments
from cairnfs.fileserver.walk import Gap, walk

log = structlog.get_logger("fileserver.replay")

_RECORDS_AT_ONCE = 4096


class Replay:
    """One run over segments, from their first byte or from the checkpoint, into an index.

    `records` and `cut_bytes` say afterwards how much was met and how much was torn.
    """

    def __init__(self, disk: Disk, segments: Segments, quarantine: Quarantine, index: Index) -> None:
        """`index` stands for what its checkpoint says."""
        self._disk = disk
        self._segments = segments
        self._quarantine = quarantine
        self._index = index
        self._number = self._nonce = 0
        self._pending: list[Record] = []
        self.records = 0
        self.cut_bytes = 0

    def run(self, found: list[SegmentFile]) -> Position:
        """Replay every segment from the checkpoint on; the end of the last one. Raises OSError, StoreFull."""
        start = self._index.position
        durable = _durable_by_successor(found)
        last = Position(0, 0)
        for segment in found:
            if segment.number < start.segment:
                self._require_header(segment)
                last = Position(segment.number, segment.size)
                continue
            begin = start.offset if segment.number == start.segment else 0
            self._number = segment.number
            self._nonce = segment.header.nonce if segment.header else 0
            end = self._segment(segment, begin, max(begin, durable.get(segment.number, 0)))
            if end == 0 and segment is found[-1]:
                # Its first batch never arrived: there is nothing in it that anybody was told of.
                self._segments.forget(segment.number)
                self._disk.unlink(self._segments.path(segment.number))
                self._disk.sync_directory(self._segments.directory)
                continue
            self._require_header(segment)
            last = Position(segment.number, end)
            self._flush_pending(end)
        return last

    def _require_header(self, segment: SegmentFile) -> None:
        if segment.header is None:
            reason = "the segment's header is damaged"
            self._quarantine.note("segment", reason, segment=segment.number, end=SEGMENT_BYTES)

    def _segment(self, segment: SegmentFile, start: int, confirmed: int) -> int:
        """Replay one segment from `start`; where its durable part ends (0: there is none)."""
        file = self._segments.file(segment.number)
        nonce = segment.header.nonce if segment.header else None
        unsure: list[Record | Gap] = []
        for found in walk(file, max(start, SEGMENT_BYTES), segment.size, nonce):
            if isinstance(found, Record) and found.confirmed > confirmed:
                confirmed = found.confirmed
                self._take(item for item in unsure if _place(item) < confirmed)
                unsure = [item for item in unsure if _place(item) >= confirmed]
            if _place(found) < confirmed:
                self._take([_clipped(found, confirmed, segment.size)])
            else:
                unsure.append(found)
        if segment.size < confirmed:
            self._note(Gap(segment.size, confirmed, "the file is shorter than it was"))
            return segment.size
        if unsure or segment.size > confirmed:
            return self._tail(segment, unsure, confirmed)
        return confirmed

    def _tail(self, segment: SegmentFile, unsure: list[Record | Gap], end: int) -> int:
        """Take of an unconfirmed end what can be verified, cut what is torn; where it ends now."""
        file = self._disk.open(self._segments.path(segment.number), write=True)
        try:
            file.fdatasync()
            file.drop_cache(0)
        except OSError as error:
            # The medium does not take it: nothing here may count. It stays, for a later opening to judge.
            log.warning("unconfirmed end not durable", segment=segment.number, error=str(error))
            self._note(Gap(end, segment.size, "its end could not be made durable"))
            return end
        fits = [isinstance(item, Record) and verify_record(file, item) for item in unsure]
        keep = max((place + 1 for place, good in enumerate(fits) if good), default=0)
        for item, good in zip(unsure[:keep], fits, strict=False):
            if isinstance(item, Record) and not good:
                self._note(Gap(item.offset, item.end, "its payload is not what was written"))
            self._take([item])
            end = item.end
        if segment.size > end:
            self._cut(file, end, segment.size)
        return end

    def _cut(self, file: DiskFile, end: int, size: int) -> None:
        if size - end > BATCH_MAX_BYTES + SEGMENT_BYTES:
            # No batch is that large: this was written long ago and is damaged, not torn.
            self._note(Gap(end, size, "no valid record header"))
            return
        log.info("cut a torn end", segment=self._number, offset=end, cut_bytes=size - end)
        self.cut_bytes += size - end
        file.truncate(end)
        file.fdatasync()

    def _take(self, items: Iterable[Record | Gap]) -> None:
        for item in items:
            if isinstance(item, Gap):
                self._note(item)
            elif item.kind in (CHUNK, TOUCH):
                self._pending.append(item)
                if len(self._pending) >= _RECORDS_AT_ONCE:
                    self._flush_pending(item.end)
            else:
                reason = f"record of kind {item.kind}"
                self._quarantine.note("kind", reason, segment=self._number, start=item.offset, end=item.end)

    def _note(self, gap: Gap) -> None:
        if self._quarantine.note("region", gap.reason, segment=self._number, start=gap.start, end=gap.end):
            log.warning(
                "damaged region", segment=self._number, start=gap.start, end=gap.end, reason=gap.reason
            )

    def _flush_pending(self, end: int) -> None:
        """Bring the records met so far, all of one segment and before `end`, into the index."""
        records, self._pending = self._pending, []
        before = self._index.find_many(list({record.hash for record in records}))
        changes: dict[bytes, Entry] = {}
        highest = 0
        for record in records:
            old = changes.get(record.hash) or before.get(record.hash)
            changes[record.hash] = self._judged(old, record)
            highest = max(highest, record.number)
        self.records += len(records)
        self._index.require_room()
        position = Position(self._number, end)
        self._index.apply(changes, before, position, nonce=self._nonce, highest_record=highest)

    def _judged(self, old: Entry | None, record: Record) -> Entry:
        """The entry after this record; one that was found bad before is verified first."""
        entry = merged(old, self._number, record)
        if record.kind != CHUNK or not self._quarantine.knows(self._number, record.offset):
            return entry
        if verify_record(self._segments.file(self._number), record):
            return entry
        if old is not None and old.good:
            return old._replace(begin=entry.begin)
        return entry._replace(flags=BAD)


def verify_record(file: DiskFile, record: Record) -> bool:
    """Read a record whole and check header and payload."""
    data = file.pread(RECORD_BYTES + record.length, record.offset)
    return parse_record(data, 0, record.offset, None) == record and payload_fits(
        record, memoryview(data)[RECORD_BYTES:]
    )


def _place(item: Record | Gap) -> int:
    return item.offset if isinstance(item, Record) else item.start


def _durable_by_successor(found: list[SegmentFile]) -> dict[int, int]:
    durable: dict[int, int] = {}
    for segment in found:
        if segment.header is not None:
            previous = segment.header.previous
            durable[previous] = max(durable.get(previous, 0), segment.header.previous_end)
    return durable


def _clipped(item: Record | Gap, confirmed: int, size: int) -> Record | Gap:
    """A gap that runs to the end of the file is damage only as far as the segment was confirmed."""
    if isinstance(item, Gap) and item.start < confirmed < item.end == size:
        return item._replace(end=confirmed)
    return item
