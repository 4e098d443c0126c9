"""A scan of the whole store: every header of every segment, and with `deep` every byte of what is live.

What belongs here: finding damage and telling of it. What does not: when to scan and how fast (the
caller takes one step after another) and mending (a put of the chunk does). Threads: any one thread,
beside the writer and readers; it sees each segment as far as it was durable when it came to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from cairnfs.fileserver.appender import Position
from cairnfs.fileserver.disk import DiskFile
from cairnfs.fileserver.entries import BAD, Entry
from cairnfs.fileserver.index import Index
from cairnfs.fileserver.quarantine import Quarantine
from cairnfs.fileserver.records import CHUNK, SEGMENT_BYTES, Record, parse_segment
from cairnfs.fileserver.replay import verify_record
from cairnfs.fileserver.segments import Segments
from cairnfs.fileserver.walk import Gap, walk
from cairnfs.ids import Hash

_RECORDS_PER_STEP = 256
_BYTES_PER_STEP = 16 * 1024 * 1024


class ScanProgress(msgspec.Struct, frozen=True):
    """How far a scan is. `corrupt` live chunks were newly found damaged; `gaps` regions hold no record.

    `lost` chunks are in the index although no record of theirs is where it says. `unindexed` records are
    chunks that the index does not know: then, or when `index_damage` says something, open the store
    anew after removing its index file (`Store.distrust_index` sees to that at the next opening).
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
    ) -> None:
        """`mark_bad` marks, counts and notes a chunk whose bytes are wrong."""
        self._segments = segments
        self._index = index
        self._quarantine = quarantine
        self._mark_bad = mark_bad
        self._now = ScanProgress()

    def run(self, position: Callable[[], Position], *, deep: bool) -> Iterator[ScanProgress]:
        """Segments in order up to `position()`, as of the moment each is reached."""
        yield self._add(index_damage=self._index.damage())
        numbers = self._segments.numbers()
        sizes = {number: self._end(number, position()) for number in numbers}
        self._add(segments=len(numbers), bytes_total=sum(sizes.values()))
        for number in numbers:
            self._add(segment=1)
            yield from self._segment(number, sizes[number], deep=deep)
        yield self._add(done=True)

    def _end(self, number: int, position: Position) -> int:
        if number > position.segment:
            return 0
        size = self._segments.file(number).size()
        return min(size, position.offset) if number == position.segment else size

    def _segment(self, number: int, end: int, *, deep: bool) -> Iterator[ScanProgress]:
        file = self._segments.file(number)
        header = parse_segment(file.pread(SEGMENT_BYTES, 0))
        gaps = self._now.gaps
        done = SEGMENT_BYTES
        step: list[Record] = []
        for found in walk(file, SEGMENT_BYTES, end, header.nonce if header else None):
            if isinstance(found, Gap):
                self._quarantine.note(
                    "region", found.reason, segment=number, start=found.start, end=found.end
                )
                self._add(gaps=1)
                continue
            step.append(found)
            if len(step) >= _RECORDS_PER_STEP or found.end - done >= _BYTES_PER_STEP:
                self._judge(number, file, step, deep=deep)
                yield self._add(bytes_done=found.end - done)
                step, done = [], found.end
        self._judge(number, file, step, deep=deep)
        if self._now.gaps > gaps:
            self._look_into_gaps(number, file)
        yield self._add(bytes_done=max(end - done, 0))

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

    def _look_into_gaps(self, number: int, file: DiskFile) -> None:
        """Mark every chunk that the index places where this segment has no valid record."""
        for chunk, entry in self._index.in_segment(number):
            if entry.flags & BAD or not entry.good:
                continue
            _, fits = self._segments.read(Hash(chunk), entry)
            if not fits:
                self._mark_bad(Hash(chunk), entry, "there is no valid record where the index says")
                self._add(lost=1)

    def _add(self, *, done: bool = False, index_damage: str = "", **counts: int) -> ScanProgress:
        now = {name: getattr(self._now, name) + count for name, count in counts.items()}
        self._now = msgspec.structs.replace(
            self._now, done=done, index_damage=index_damage or self._now.index_damage, **now
        )
        return self._now
