"""Trying names in a temporary directory.

What belongs here: making, looking, clearing away. What does not: what follows from it (`naming.py`).
A name counts as held only where the listing says exactly that name: some systems drop or replace a part
without a word. Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: These say nothing about the name.
_OTHERWISE = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM)
#: No directory can be made there by us, though perhaps in what lies below.
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def trial(directory: bytes) -> Iterator[Trial | None]:
    """A place to try names, inside `directory`; None where none may be made. Raises OSError."""
    place = os.path.join(directory, b".cairn-" + secrets.token_hex(8).encode())
    try:
        os.mkdir(place, 0o700)
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
        yield None
        return
    made = Trial(place)
    try:
        yield made
    finally:
        made.clear()
        with suppress(OSError):
            os.rmdir(place)


class Trial:
    """A directory of its own, empty between two tries."""

    def __init__(self, place: bytes) -> None:
        self._place = place

    def holds(self, name: str | bytes) -> bool:
        """Whether a file can be made whose name is then exactly this."""
        try:
            return self._make(_raw(name)) and os.listdir(self._place) == [_raw(name)]
        finally:
            self.clear()

    def same(self, name: str, other: str) -> bool:
        """Whether what was made under one name is found under the other; False where it cannot be made."""
        try:
            return self._make(_raw(name)) and os.path.lexists(self._path(_raw(other)))
        finally:
            self.clear()

    def longest(self, most: int) -> int:
        """How many ASCII characters a name can have, up to `most`."""
        if self.holds("x" * most):
            return most
        low, high = 1, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.holds("x" * middle) else (low, middle)
        return low

    def symlinks(self) -> bool:
        """Whether a symlink can be made, and keeps its target."""
        try:
            os.symlink(b"to", self._path(b"link"))
            return os.readlink(self._path(b"link")) == b"to"
        except (OSError, NotImplementedError) as error:
            _require_an_answer(error)
            return False
        finally:
            self.clear()

    def hard_links(self) -> bool:
        """Whether one file can have two names."""
        try:
            self._make(b"one")
            os.link(self._path(b"one"), self._path(b"two"))
            return os.path.samefile(self._path(b"one"), self._path(b"two"))
        except (OSError, NotImplementedError) as error:
            _require_an_answer(error)
            return False
        finally:
            self.clear()

    def clear(self) -> None:
        """Remove what is there."""
        with suppress(OSError):
            for name in os.listdir(self._place):
                with suppress(OSError):
                    os.unlink(self._path(name))

    def _path(self, name: bytes) -> bytes:
        return os.path.join(self._place, name)

    def _make(self, name: bytes) -> bool:
        try:
            os.close(os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except (OSError, ValueError) as error:
            _require_an_answer(error)
            return False
        return True


def _require_an_answer(error: Exception) -> None:
    """Raise what says nothing about names."""
    if isinstance(error, OSError) and error.errno in _OTHERWISE:
        raise error


def _raw(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()
