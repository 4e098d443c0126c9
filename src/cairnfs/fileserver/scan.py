"""A scan of the whole store: every header of every segment, and with `deep` every byte of what is live.

What belongs here: finding damage and telling of it. What does not: when to scan and how fast (the
caller takes one step after another) and mending (a put of the chunk does). Threads: any one thread,
beside the writer and readers; it sees each segment as far as it was durable when it came to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from cairnfs.fileserver.disk import DiskFile
from cairnfs.fileserver.entries import Entry
from cairnfs.fileserver.index import Index
from cairnfs.fileserver.quarantine import Quarantine
from cairnfs.fileserver.records import CHUNK, SEGMENT_BYTES, Record, parse_segment
from cairnfs.fileserver.replay import verify_record
from cairnfs.fileserver.segments import Segments
from cairnfs.fileserver.trouble import CorruptChunk
from cairnfs.fileserver.walk import Gap, walk
from cairnfs.ids import Hash

_RECORDS_PER_STEP = 256
_BYTES_PER_STEP = 16 * 1024 * 1024


class ScanProgress(msgspec.Struct, frozen=True):
    """How far a scan is. `corrupt` live chunks were newly found damaged; `gaps` regions hold no record.

    `lost` chunks are in the index although no record of theirs is where it says. `unindexed` records are
    chunks that the index does not know: then, or when `index_damage` says something, the next opening
    of the store builds the index anew.
    """

    segment: int = 0
    segments: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    records: int = 0
    live: int = 0
    corrupt: int = 0
    lost: int = 0
    gaps: int = 0
    unindexed: int = 0
    index_damage: str = ""
    done: bool = False


class Scan:
    """One scan. Its counts are in the progress that `run` yields."""

    def __init__(
        self,
        segments: Segments,
        index: Index,
        quarantine: Quarantine,
        mark_bad: Callable[[Hash, Entry, str], None],
        distrust: Callable[[], None],
    ) -> None:
        """`mark_bad` marks, counts and notes a chunk whose bytes are wrong; `distrust` gives up the index."""
        self._segments = segments
        self._index = index
        self._quarantine = quarantine
        self._mark_bad = mark_bad
        self._distrust = distrust
        self._now = ScanProgress()

    def run(self, *, deep: bool) -> Iterator[ScanProgress]:
        """Segments in order, as far as they were durable when the scan began."""
        yield self._add(index_damage=self._index.damage())
        durable = self._index.durable()
        there = set(self._segments.numbers())
        self._add(segments=len(durable), bytes_total=sum(durable.values()))
        for number, end in sorted(durable.items()):
            self._add(segment=1)
            if number in there:
                yield from self._segment(number, end, deep=deep)
            else:
                self._gap(number, Gap(0, end, "the segment's file is gone"))
                self._look_into_gaps(number)
                yield self._add(bytes_done=end)
        if self._now.unindexed or self._now.index_damage:
            self._distrust()
        yield self._add(done=True)

    def _segment(self, number: int, end: int, *, deep: bool) -> Iterator[ScanProgress]:
        file = self._segments.file(number)
        header = parse_segment(file.pread(SEGMENT_BYTES, 0))
        size = min(end, file.size())
        gaps = self._now.gaps
        done = 0
        step: list[Record] = []
        for found in walk(file, SEGMENT_BYTES, size, header.nonce if header else None):
            if isinstance(found, Gap):
                self._gap(number, found)
                continue
            step.append(found)
            if len(step) >= _RECORDS_PER_STEP or found.end - done >= _BYTES_PER_STEP:
                self._judge(number, file, step, deep=deep)
                yield self._add(bytes_done=found.end - done)
                step, done = [], found.end
        self._judge(number, file, step, deep=deep)
        if size < end:
            self._gap(number, Gap(size, end, "the file is shorter than it was"))
        if self._now.gaps > gaps:
            self._look_into_gaps(number)
        yield self._add(bytes_done=end - done)

    def _gap(self, number: int, gap: Gap) -> None:
        self._quarantine.note("region", gap.reason, segment=number, start=gap.start, end=gap.end)
        self._add(gaps=1)

    def _judge(self, number: int, file: DiskFile, records: list[Record], *, deep: bool) -> None:
        chunks = [record for record in records if record.kind == CHUNK]
        entries = self._index.find_many([record.hash for record in chunks])
        self._add(records=len(records))
        for record in chunks:
            entry = entries.get(record.hash)
            if entry is None:
                self._add(unindexed=1)
            elif (entry.segment, entry.offset) == (number, record.offset):
                self._add(live=1)
                if deep and entry.good and not verify_record(file, record):
                    self._mark_bad(record.hash, entry, "the payload has another BLAKE3 hash")
                    self._add(corrupt=1)

    def _look_into_gaps(self, number: int) -> None:
        """Mark every chunk that the index places where this segment has no valid record."""
        for chunk, entry in self._index.in_segment(number):
            if entry.good and not self._is_there(Hash(chunk), entry):
                self._mark_bad(Hash(chunk), entry, "there is no valid record where the index says")
                self._add(lost=1)

    def _is_there(self, chunk: Hash, entry: Entry) -> bool:
        try:
            _, fits = self._segments.read(chunk, entry)
        except CorruptChunk:
            return False
        return fits

    def _add(self, *, done: bool = False, index_damage: str = "", **counts: int) -> ScanProgress:
        now = {name: getattr(self._now, name) + count for name, count in counts.items()}
        self._now = msgspec.structs.replace(
            self._now, done=done, index_damage=index_damage or self._now.index_damage, **now
        )
        return self._now
