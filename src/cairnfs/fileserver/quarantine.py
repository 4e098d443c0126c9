"""The quarantine: what the store found damaged or does not understand, with the reason for each.

What belongs here: the notes (`quarantine/reasons.jsonl`, one JSON object a line) and moving strange
files aside. Nothing in quarantine is ever served or deleted by Cairn. Threads: any; a lock orders them.
A note that cannot be written is counted: a full disk must not make damage fatal.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from cairnfs.fileserver.disk import Disk, DiskFile

NOTES = "reasons.jsonl"
_NOTES_MAX_BYTES = 16 * 1024 * 1024
_NOTES_MAX = 20_000


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """`what`: file, segment, region, kind or record. Places are in bytes; `hash` is hexadecimal."""

    at_us: int
    what: str
    reason: str
    segment: int = 0
    start: int = 0
    end: int = 0
    hash: str = ""
    file: str = ""

    def key(self) -> tuple[str, int, int, str]:
        """Equal for two notes about the same thing."""
        return (self.what, self.segment, self.start, self.file)


class Quarantine:
    """One directory's quarantine. `notes` counts the notes kept, `unwritten` those that could not be."""

    def __init__(self, disk: Disk, directory: Path, now_us: Callable[[], int]) -> None:
        """Reads the notes that are there; a torn last line is passed over."""
        self._disk = disk
        self._directory = directory
        self._now_us = now_us
        self._lock = threading.Lock()
        self._file: DiskFile | None = None
        self._size = 0
        self._known: set[tuple[str, int, int, str]] = set()
        self._places: set[tuple[int, int]] = set()
        self.unwritten = 0
        disk.make_directory(directory)
        for note in self.read():
            self._remember(note)

    @property
    def notes(self) -> int:
        """How many different things are noted."""
        return len(self._known)

    def knows(self, segment: int, offset: int) -> bool:
        """Whether something that begins at this place was found damaged before."""
        return (segment, offset) in self._places

    def read(self) -> Iterator[Note]:
        """Every note that can be read, oldest first."""
        if NOTES not in self._disk.names(self._directory):
            return
        data = self._disk.open(self._directory / NOTES).pread(_NOTES_MAX_BYTES, 0)
        for line in data.split(b"\n"):
            try:
                yield msgspec.json.decode(line, type=Note)
            except msgspec.MsgspecError:
                continue

    def note(
        self,
        what: str,
        reason: str,
        *,
        segment: int = 0,
        start: int = 0,
        end: int = 0,
        chunk: bytes = b"",
        file: str = "",
    ) -> bool:
        """Keep a note durably, once for each thing. True if it is new."""
        note = Note(self._now_us(), what, reason, segment, start, end, chunk.hex(), file)
        with self._lock:
            if note.key() in self._known:
                return False
            if len(self._known) >= _NOTES_MAX:
                self.unwritten += 1
                return True
            self._remember(note)
            try:
                self._append(msgspec.json.encode(note) + b"\n")
            except OSError:
                self.unwritten += 1
        return True

    def take(self, path: Path, reason: str) -> None:
        """Move a strange file here under a name that is free, with a note. Raises OSError."""
        taken = set(self._disk.names(self._directory))
        name = next(name for turn in range(len(taken) + 1) if (name := f"{path.name}.{turn}") not in taken)
        self._disk.rename(path, self._directory / name)
        self._disk.sync_directory(self._directory)
        self._disk.sync_directory(path.parent)
        self.note("file", reason, file=name)

    def _remember(self, note: Note) -> None:
        self._known.add(note.key())
        if note.segment:
            self._places.add((note.segment, note.start))

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self._open()
        assert self._file is not None
        if self._file.writev([line], self._size) != len(line):
            raise OSError(errno.ENOSPC, "short write", str(self._directory / NOTES))
        self._file.fdatasync()
        self._size += len(line)

    def _open(self) -> None:
        path = self._directory / NOTES
        if NOTES in self._disk.names(self._directory):
            self._file = self._disk.open(path, write=True)
            self._size = self._file.size()
            # A torn last line would swallow the next note.
            if self._size and self._file.pread(1, self._size - 1) != b"\n":
                self._file.writev([b"\n"], self._size)
                self._size += 1
        else:
            self._file = self._disk.create(path)
            self._size = 0
            self._disk.sync_directory(self._directory)
