"""Room that is kept free so that a full disk can still be brought to rest.

A real file holds the reserve; whoever must write to a full disk (the index's checkpoint) lets it go,
and no chunk is taken until it could be taken back. Threads: any; a lock orders them.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from cairnfs.fileserver.disk import Disk
from cairnfs.fileserver.trouble import StoreFull

RESERVE = "reserve"
_SHARE = 16  # of a small filesystem at most this part


class Reserve:
    """The reserve of one directory."""

    def __init__(self, disk: Disk, directory: Path, size_bytes: int, min_free_bytes: int) -> None:
        """`min_free_bytes` must stay free beside the reserve after each append."""
        self._disk = disk
        self._directory = directory
        self._path = directory / RESERVE
        self._lock = threading.Lock()
        total = disk.space(directory).total
        self._size = min(size_bytes, total // _SHARE)
        self._min_free = min(min_free_bytes, total // _SHARE)
        self._held = False

    def require(self, length: int) -> None:
        """Return if `length` more bytes may be written. Raises StoreFull."""
        if not self._held and not self.hold():
            raise StoreFull("the disk is full: not even the reserve has room")
        free = self._disk.space(self._directory).free
        if free - length < self._min_free:
            raise StoreFull(
                f"{free} bytes are free, {length} more and a margin of {self._min_free} are needed"
            )

    def hold(self) -> bool:
        """Take the reserve, if there is room for it; whether it is held now."""
        with self._lock:
            if self._held or self._size == 0:
                self._held = True
                return True
            try:
                self._take()
            except OSError:
                self._drop()
                return False
            self._held = True
            return True

    def release(self) -> None:
        """Give the room away; `require` takes it back when it can."""
        with self._lock:
            self._held = False
            self._drop()

    def _take(self) -> None:
        if RESERVE in self._disk.names(self._directory):
            file = self._disk.open(self._path, write=True)
        else:
            file = self._disk.create(self._path)
        if file.size() > self._size:
            file.truncate(self._size)
        file.allocate(self._size)

    def _drop(self) -> None:
        with contextlib.suppress(OSError):
            self._disk.unlink(self._path)
