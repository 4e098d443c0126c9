"""The segment files of one directory: their names and headers, and reading from them.

What belongs here: which segments there are, open handles (bounded), one record's bytes. What does
not: writing (`appender`), walking (`walk`), judging (`recovery`). Threads: reading by any; a lock
orders the handles. A handle that falls out while a reader uses it closes when the reader is done.
"""

from __future__ import annotations

import errno
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from cairnfs.fileserver.disk import Disk, DiskFile
from cairnfs.fileserver.entries import Entry
from cairnfs.fileserver.quarantine import Quarantine
from cairnfs.fileserver.records import (
    CHUNK,
    FORMAT,
    RECORD_BYTES,
    SEGMENT_BYTES,
    SegmentHeader,
    parse_record,
    parse_segment,
    segment_format,
)
from cairnfs.fileserver.trouble import CorruptChunk, ReadFailed
from cairnfs.ids import Hash

_NAME = re.compile(r"(\d{8,10})\.seg")
_HANDLES_MAX = 128
_COPY_MAX_BYTES = 64 * 1024
#: What the medium says when the bytes are gone, as opposed to a lack of handles or memory.
_LOST = {errno.EIO, errno.ENOENT, errno.EUCLEAN, errno.EBADMSG, errno.ENXIO}


class SegmentFile(NamedTuple):
    """A segment as it was found: `header` is None if it is damaged."""

    number: int
    size: int
    header: SegmentHeader | None


class Segments:
    """The files below `segments/`."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        """Makes the directory if it is not there."""
        self._disk = disk
        self.directory = directory
        self._lock = threading.Lock()
        self._handles: OrderedDict[int, DiskFile] = OrderedDict()
        disk.make_directory(directory)

    def path(self, number: int) -> Path:
        """Where segment `number` is kept."""
        return self.directory / f"{number:08d}.seg"

    def numbers(self) -> list[int]:
        """Of every segment file, ascending."""
        found = (_NAME.fullmatch(name) for name in self._disk.names(self.directory))
        return sorted(int(match[1]) for match in found if match)

    def survey(self, owner: bytes, quarantine: Quarantine) -> list[SegmentFile]:
        """Every segment with its header, ascending; what is not ours to read is moved to quarantine."""
        kept = []
        for name in self._disk.names(self.directory):
            match = _NAME.fullmatch(name)
            if match is None:
                quarantine.take(self.directory / name, "not a segment's name")
                continue
            number = int(match[1])
            file = self._disk.open(self.directory / name)
            head = file.pread(SEGMENT_BYTES, 0)
            header = parse_segment(head)
            strange = _strange(number, head, header, owner)
            if strange:
                quarantine.take(self.directory / name, strange)
                continue
            kept.append(SegmentFile(number, file.size(), header))
        return sorted(kept)

    def file(self, number: int) -> DiskFile:
        """A handle for reading. Raises OSError."""
        with self._lock:
            file = self._handles.get(number)
            if file is not None:
                self._handles.move_to_end(number)
                return file
        file = self._disk.open(self.path(number))
        with self._lock:
            self._handles[number] = file
            if len(self._handles) > _HANDLES_MAX:
                self._handles.popitem(last=False)
        return file

    def forget(self, number: int) -> None:
        """Keep no handle of this segment."""
        with self._lock:
            self._handles.pop(number, None)

    def close(self) -> None:
        """Keep no handle at all."""
        with self._lock:
            self._handles.clear()

    def read(self, chunk: Hash, entry: Entry) -> tuple[bytes, bool]:
        """The payload an entry points to, and whether the header before it is the right one.

        Raises CorruptChunk (bytes not there, or unreadable), ReadFailed. The payload is not verified.
        """
        try:
            file = self.file(entry.segment)
            if entry.length <= _COPY_MAX_BYTES:
                data = file.pread(RECORD_BYTES + entry.length, entry.offset)
                head, payload = data[:RECORD_BYTES], data[RECORD_BYTES:]
            else:  # two calls cost less than copying
                head = file.pread(RECORD_BYTES, entry.offset)
                payload = file.pread(entry.length, entry.offset + RECORD_BYTES)
        except OSError as error:
            if error.errno in _LOST:
                raise CorruptChunk(chunk) from error
            raise ReadFailed(f"reading {chunk.hex()}: {error}") from error
        if len(payload) != entry.length:
            raise CorruptChunk(chunk)
        return payload, fits(chunk, entry, head)

    def read_cached(self, chunk: Hash, entry: Entry) -> tuple[bytes, bool] | None:
        """As `read`, if the record is in memory; None where the medium would have to be asked."""
        try:
            data = self.file(entry.segment).pread_cached(RECORD_BYTES + entry.length, entry.offset)
        except OSError:
            return None
        return None if data is None else (data[RECORD_BYTES:], fits(chunk, entry, data))


def fits(chunk: Hash, entry: Entry, data: bytes, at: int = 0) -> bool:
    """Whether the header at `data[at:]` is the one that the entry points to."""
    record = parse_record(data, at, entry.offset, None)
    return (
        record is not None
        and record.kind == CHUNK
        and record.hash == chunk
        and record.length == entry.length
        and record.number == entry.number
    )


def _strange(number: int, head: bytes, header: SegmentHeader | None, owner: bytes) -> str:
    """Why this file is not one of ours; empty if it is (or may be, damaged)."""
    if header is None:
        version = segment_format(head)
        # A version beyond ours with nothing else wrong: written by a later Cairn. Damage to a header of
        # ours can look the same, so only versions that a later Cairn may plausibly have are believed.
        if version is not None and FORMAT < version < FORMAT + 64:
            return f"segment format {version}, this Cairn knows {FORMAT}"
        return ""
    if header.owner != owner:
        return "a segment of another fileserver or cluster"
    if header.number != number:
        return f"its header says segment {header.number}"
    return ""
