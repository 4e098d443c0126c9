"""Where a draft is written, and whose it is: one that was left behind can be gone on with.

A draft has a name of its own beside its target, `.cairn-` and 16 hexadecimal digits. Where its content has a
name, the digits come from that, and a lock on the file tells whether its writer lives: what nobody writes any
more is taken over. What does not belong here: what is written (`draft.py`). Synchronous, any thread.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress

from blake3 import blake3

try:
    import fcntl
except ImportError:  # then none is ever taken over
    _LOCKS = False
else:
    _LOCKS = True

_DIGITS = 16
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _PLAIN


def open_draft(target: bytes, mode: int, known_as: bytes | None) -> tuple[bytes, int, bool]:
    """A file beside the target, open to be written: its path, its descriptor, and whether it was left behind.

    Raises OSError where none can be made.
    """
    directory = os.path.dirname(target)
    if known_as is not None and _LOCKS:
        named = b"%d:%s%s" % (len(known_as), known_as, os.path.basename(target))
        place = os.path.join(directory, b".cairn-" + blake3(named).hexdigest()[:_DIGITS].encode())
        with suppress(FileExistsError):
            descriptor = os.open(place, _NEW, mode)
            if _lock(descriptor):
                return place, descriptor, False
            os.close(descriptor)
        taken = _take_over(place)
        if taken is not None:
            return place, taken, True
    place = os.path.join(directory, b".cairn-" + secrets.token_hex(_DIGITS // 2).encode())
    return place, os.open(place, _NEW, mode), False


def _take_over(place: bytes) -> int | None:
    """The draft at this path, if it is one's own and nobody writes it any more."""
    try:
        descriptor = os.open(place, os.O_RDWR | _PLAIN)
    except OSError:
        return None
    try:
        if _lock(descriptor):
            status = os.fstat(descriptor)
            mine = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1
            # Whoever had it may have put it in its place just now.
            if mine and os.path.samestat(status, os.lstat(place)):
                return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
