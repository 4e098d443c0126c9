"""Notes of puts that are not finished, so that a repeated command can go on: a small file for each target.

A note says which detached trees hold what an interrupted put to a remote path has sent. It is for its owner
alone, written whole or not at all, and held by one process at a time: a second put to the same place goes
without. It is a help, never needed: what cannot be read or written reads as no note. What belongs here: these
files. What does not: the trees (`stash.py`). Synchronous and short; any thread, one at a time for each note.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path as LocalDirectory

import msgspec
from blake3 import blake3

from cairnfs.client.caller import Caller
from cairnfs.client.local import small_files
from cairnfs.ids import Path

try:
    import fcntl
except ImportError:  # this system has no such locks
    _LOCKS = False
else:
    _LOCKS = True

#: What the file's name is made of; another number, another note.
_FORM = b"cairn put 1"
_TREES_MAX = 4
_FILE_MAX_BYTES = 64 * 1024


class Noted(msgspec.Struct, frozen=True):
    """A detached tree. `pieces`: it holds what was sent, in any order; else it is the tree that was put."""

    handle: str
    pieces: bool


class _Content(msgspec.Struct, frozen=True):
    trees: list[Noted]


class PutNote:
    """The note of puts to one remote path by one user. `trees` are those that were noted before."""

    def __init__(self, file: LocalDirectory, lock: int) -> None:
        """See `open`."""
        self._file = file
        self._lock = lock
        self.trees = _read(file)

    @classmethod
    def open(cls, directory: LocalDirectory, caller: Caller, remote: Path) -> PutNote | None:
        """Hold the note; None where another process does, or it cannot be held."""
        parts = (_FORM, caller.cluster_id.encode(), caller.user_id.encode(), remote)
        name = blake3(b"".join(b"%d:%s," % (len(part), part) for part in parts)).hexdigest()[:40]
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _lock(directory / f"{name}.lock")
        except OSError:
            return None
        return None if lock is None else cls(directory / f"{name}.json", lock)

    def add(self, tree: Noted) -> None:
        """Note one more. The oldest of too many is forgotten."""
        self.trees = [*self.trees, tree][-_TREES_MAX:]
        with suppress(OSError):
            small_files.replace(self._file, msgspec.json.encode(_Content(self.trees)))

    def forget(self) -> None:
        """All is done."""
        self.trees = []
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it."""
        if not self.trees:
            with suppress(OSError):
                self._file.with_suffix(".lock").unlink(missing_ok=True)
        os.close(self._lock)


def _lock(path: LocalDirectory) -> int | None:
    """A descriptor that holds the lock; None where somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        if _LOCKS:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it before may have removed the file just now: then it locks nothing.
        if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _read(file: LocalDirectory) -> list[Noted]:
    try:
        with file.open("rb") as stream:
            return msgspec.json.decode(stream.read(_FILE_MAX_BYTES), type=_Content).trees
    except (OSError, msgspec.MsgspecError):
        return []
