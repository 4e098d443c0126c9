"""One file per process: it names the process that serves, and that process holds it locked.

The lock, not the number, tells whether the process lives: the kernel drops it however the process
ends, and a number that was given to somebody else since proves nothing. A process takes the file
for itself (`hold`) before it touches its data, so that two can never serve the same directory.
Any thread; one `hold` per process and file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cairnfs.errors import Conflict
from cairnfs.local.waiting import until

#: Those who only look hold the lock for microseconds; a taker outlasts them.
_HOLD_WITHIN_S = 1.0
_NUMBER_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Held:
    """A pid file that is this process's own, until `release` or its end."""

    path: Path
    descriptor: int

    def release(self) -> None:
        """Remove the file and drop the lock, in that order: nobody locks a file that is gone."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self.descriptor)


def hold(path: Path) -> Held:
    """Make the file this process's own and write its number. Raises Conflict if another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = until(lambda: _take(path), _HOLD_WITHIN_S)
    if held is None:
        raise Conflict(
            f"{path.stem} is running already, as process {holder(path)}",
            path=str(path),
            hint="stop it first: cairn down",
        )
    os.ftruncate(held.descriptor, 0)
    os.pwrite(held.descriptor, b"%d\n" % os.getpid(), 0)
    return held


def holder(path: Path) -> int | None:
    """The process that holds the file, or None if none does: then whatever it says is history."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _lock(descriptor, shared=True):
            return None
        return until(lambda: _number(descriptor), _NUMBER_WITHIN_S)
    finally:
        os.close(descriptor)


def _take(path: Path) -> Held | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    # Between opening and locking, the last holder may have removed the file: then the lock is on nothing.
    if _lock(descriptor, shared=False) and _is_at(descriptor, path):
        return Held(path, descriptor)
    os.close(descriptor)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int, *, shared: bool) -> bool:
    import fcntl  # not on Windows, where the client half of this package is imported too

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _number(descriptor: int) -> int | None:
    """None while the holder has taken the lock and not yet written its number."""
    text = os.pread(descriptor, 32, 0)
    return int(text) if text.endswith(b"\n") and text.strip().isdigit() else None
