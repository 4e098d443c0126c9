"""Opening the index of a directory: taking the file that is there if it is sound, else building anew.

What belongs here: the index's own files (`index/`) and whether to trust them. What does not: what
is in the segments (`replay`). These files are outside the disk seam, SQLite opens them itself.
Called by one thread before the store is open to anybody.

A file is trusted when its digest is the one noted at the last close; after any other end every row
of it is checked. It is rebuilt when it is missing, damaged, another server's, or does not fit the
segments that are there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from cairnfs.fileserver.appender import Position
from cairnfs.fileserver.disk import Disk
from cairnfs.fileserver.index import Index
from cairnfs.fileserver.quarantine import Quarantine
from cairnfs.fileserver.replay import Replay
from cairnfs.fileserver.segments import SegmentFile, Segments
from cairnfs.fileserver.table import TABLE_FORMAT, Checkpoint, Table, file_digest
from cairnfs.fileserver.trouble import IndexDamaged

log = structlog.get_logger("fileserver.recovery")

FILE = "chunks.sqlite"
CLEAN = "clean"
DISTRUSTED = "distrusted"
_BUILDING = "chunks.building"
_REBUILD_FLUSH_ENTRIES = 65_536


@dataclass(frozen=True, slots=True)
class Opened:
    """An index that stands for everything durable, and the end of the newest segment.

    `rebuilt` says why the index was built anew; empty if it was not.
    """

    index: Index
    last: Position
    replayed: int
    cut_bytes: int
    rebuilt: str


class Recovery:
    """What opening needs to know of the directory."""

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        segments: Segments,
        quarantine: Quarantine,
        *,
        owner: bytes,
        flush_entries: int,
        release: Callable[[], None],
        background: bool,
    ) -> None:
        """`directory` is the index's own; see Index for the rest."""
        self._directory = directory
        self._disk = disk
        self._segments = segments
        self._quarantine = quarantine
        self._owner = owner
        self._flush_entries = flush_entries
        self._release = release
        self._background = background
        directory.mkdir(mode=0o700, exist_ok=True)

    def open(self) -> Opened:
        """The index, complete. Raises OSError, StoreFull."""
        found = self._segments.survey(self._owner, self._quarantine)
        try:
            index = self._index(self._take_table(found))
            try:
                return self._replay(index, found, "")
            except BaseException:
                index.abandon()
                raise
        except IndexDamaged as error:
            if found:
                log.warning("building the index anew", reason=str(error), segments=len(found))
            return self._rebuild(found, str(error))

    def _take_table(self, found: list[SegmentFile]) -> Table:
        """The table as it is, if it can be believed. Raises IndexDamaged saying why not."""
        path = self._directory / FILE
        if not path.exists():
            raise IndexDamaged("there is none")
        if (self._directory / DISTRUSTED).exists():
            raise IndexDamaged("it was found damaged")
        trusted = self._was_closed_cleanly(path)
        table = Table(path)
        try:
            wrong = self._misfit(table.checkpoint(), found) or ("" if trusted else table.damaged_rows())
            if wrong:
                raise IndexDamaged(wrong)
        except BaseException:
            table.discard()
            raise
        return table

    def _was_closed_cleanly(self, path: Path) -> bool:
        mark = self._directory / CLEAN
        try:
            noted = mark.read_bytes()
            mark.unlink()
        except FileNotFoundError:
            return False
        return noted == file_digest(path) and not path.with_name(path.name + "-wal").exists()

    def _misfit(self, checkpoint: Checkpoint, found: list[SegmentFile]) -> str:
        """How the table's checkpoint contradicts the segments; empty if it does not."""
        if checkpoint.format != TABLE_FORMAT or checkpoint.owner != self._owner:
            return "it is another server's or of another format"
        sizes = {segment.number: segment for segment in found}
        for number, durable in checkpoint.durable.items():
            if number not in sizes or sizes[number].size < durable:
                return f"segment {number} is not what it was"
        for segment in found:
            if segment.number <= checkpoint.segment and segment.number not in checkpoint.durable:
                return f"it does not know segment {segment.number}"
        header = sizes[checkpoint.segment].header if checkpoint.segment else None
        if header is not None and header.nonce != checkpoint.nonce:
            return f"segment {checkpoint.segment} is another one"
        return ""

    def _rebuild(self, found: list[SegmentFile], reason: str) -> Opened:
        for name in os.listdir(self._directory):
            if name.startswith((FILE, _BUILDING, CLEAN, DISTRUSTED)):
                (self._directory / name).unlink()
        path = self._directory / _BUILDING
        index = Index(
            Table(path, building=True),
            owner=self._owner,
            flush_entries=_REBUILD_FLUSH_ENTRIES,
            release=self._release,
            background=False,
        )
        try:
            opened = self._replay(index, found, reason)
            index.close()
        except BaseException:
            index.abandon()
            raise
        _sync(path)
        path.rename(self._directory / FILE)
        _sync(self._directory)
        return replace(opened, index=self._index(Table(self._directory / FILE)))

    def _index(self, table: Table) -> Index:
        return Index(
            table,
            owner=self._owner,
            flush_entries=self._flush_entries,
            release=self._release,
            background=self._background,
        )

    def _replay(self, index: Index, found: list[SegmentFile], reason: str) -> Opened:
        replay = Replay(self._disk, self._segments, self._quarantine, index)
        last = replay.run(found)
        return Opened(index, last, replay.records, replay.cut_bytes, reason)


def distrust(directory: Path) -> None:
    """Have the next opening build the index anew."""
    (directory / DISTRUSTED).touch()


def note_clean(directory: Path) -> None:
    """After the index was closed: note its digest, so that the next opening may trust it."""
    (directory / CLEAN).write_bytes(file_digest(directory / FILE))


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
