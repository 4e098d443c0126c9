"""Reading many small chunks: records that lie close together in one read of the disk.

What was put in one batch lies side by side, and is mostly asked for together. What belongs here: which
records go together, and cutting them out. What does not: what to do about a record that is not as it should
be (`store.py`). Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from blake3 import blake3

from cairnfs.fileserver.entries import Entry
from cairnfs.fileserver.records import RECORD_BYTES, footprint
from cairnfs.fileserver.segments import Segments, fits
from cairnfs.ids import Hash

#: A larger chunk is read by itself: cutting it out would cost a copy.
TOGETHER_MAX_BYTES = 64 * 1024
#: Reading this much more than was asked for costs less than another call.
GAP_BYTES = 8 * 1024
RUN_MAX_BYTES = 1024 * 1024

Record = tuple[Hash, Entry]


def read_together(segments: Segments, wanted: Mapping[Hash, Entry]) -> dict[Hash, bytes]:
    """The verified bytes of those small chunks whose records are as they should be; without the others."""
    small = ((chunk, entry) for chunk, entry in wanted.items() if entry.length <= TOGETHER_MAX_BYTES)
    found: dict[Hash, bytes] = {}
    for run in _runs(small):
        first, last = run[0][1], run[-1][1]
        start = first.offset
        try:
            data = segments.file(first.segment).pread(last.offset + footprint(last.length) - start, start)
        except OSError:
            continue
        for chunk, entry in run:
            at = entry.offset - start
            payload = data[at + RECORD_BYTES : at + RECORD_BYTES + entry.length]
            if blake3(payload).digest() == chunk and fits(chunk, entry, data, at):
                found[chunk] = payload
    return found


def _runs(records: Iterable[Record]) -> Iterator[list[Record]]:
    run: list[Record] = []
    start = end = 0
    for record in sorted(records, key=_place):
        entry = record[1]
        begins, ends = entry.offset, entry.offset + footprint(entry.length)
        near = run and run[0][1].segment == entry.segment and begins - end <= GAP_BYTES
        if not near or ends - start > RUN_MAX_BYTES:
            if run:
                yield run
            run, start = [], begins
        run.append(record)
        end = ends
    if run:
        yield run


def _place(record: Record) -> tuple[int, int]:
    return record[1].segment, record[1].block
