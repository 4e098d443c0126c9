"""Where the chunk cache lies, how large it may be, and whose it must be.

What belongs here: `CAIRN_CACHE_DIR` and `CAIRN_CACHE_BYTES`, the profile's settings behind them, and the
checks of a directory that others may have prepared. What does not: what lies in it (`ring.py`).
Any thread, any process of one user.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from cairnfs.client.profile import Profile
from cairnfs.errors import BadRequest

DIRECTORY_VARIABLE = "CAIRN_CACHE_DIR"
BYTES_VARIABLE = "CAIRN_CACHE_BYTES"
#: Unless told otherwise: so much, or this part of what is free, whichever is less.
DEFAULT_BYTES = 10 * 1024**3
DEFAULT_PART = 10
#: What an address in the ring can reach.
MOST_BYTES = 128 * 1024**3

#: The directory of the cache itself.
NAME = "chunks"
_NOT_OTHERS = 0o700
#: Files and directories that others have prepared can be told apart only here.
SUPPORTED = sys.platform != "win32" and hasattr(os, "pread")


class Unusable(Exception):
    """The directory cannot be a cache; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where, and how many bytes at most: None is the usual bound, 0 no cache at all."""

    directory: Path
    limit_bytes: int | None = None

    @property
    def off(self) -> bool:
        """Whether there is to be none."""
        return self.limit_bytes == 0 or not SUPPORTED


def settings(profile: Profile | None = None) -> CacheSettings:
    """The environment's settings, else the profile's, else the usual. Raises BadRequest."""
    given = os.environ.get(DIRECTORY_VARIABLE) or (profile.cache_dir if profile is not None else None)
    if given is not None and not os.path.isabs(given):
        raise BadRequest(f"the cache's directory must be an absolute path: {given!r}")
    directory = Path(given) if given is not None else cache_home()
    text = os.environ.get(BYTES_VARIABLE)
    if not text:
        limit = profile.cache_bytes if profile is not None else None
    elif text.isascii() and text.isdecimal():
        limit = int(text)
    else:
        raise BadRequest(f"{BYTES_VARIABLE} is a number of bytes, 0 for no cache: {text[:80]!r}")
    if limit is not None and not 0 <= limit <= MOST_BYTES:
        raise BadRequest(f"a cache has 0 to {MOST_BYTES} bytes")
    return CacheSettings(directory, limit)


def cache_home() -> Path:
    """Cairn's cache directory: `$XDG_CACHE_HOME/cairn`, or the usual place in the home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "cairn"


def open_directory(parent: Path, *, make: bool = True) -> int:
    """A descriptor of the cache's own directory below `parent`, mode 0700, this user's beyond doubt.

    A symlink in its place, or a directory of another user, is never followed nor used, so `parent` may be
    a directory that everybody writes to. Raises Unusable; FileNotFoundError where it is not to be made.
    """
    try:
        if make:
            parent.mkdir(mode=_NOT_OTHERS, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (parent / NAME).mkdir(mode=_NOT_OTHERS)
        found = os.open(parent / NAME, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if make:
            raise Unusable("it cannot be made") from None
        raise
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error
    try:
        status = os.fstat(found)
        if status.st_uid != os.geteuid():
            raise Unusable("it belongs to another user")
        if stat.S_IMODE(status.st_mode) != _NOT_OTHERS:
            os.fchmod(found, _NOT_OTHERS)
    except OSError as error:
        os.close(found)
        raise Unusable(error.strerror or str(error)) from error
    except Unusable:
        os.close(found)
        raise
    return found


def open_file(directory: int, name: str) -> int:
    """A file of the cache, open for reading and writing, made if it is missing. Raises Unusable, OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    found = os.open(name, flags, 0o600, dir_fd=directory)
    status = os.fstat(found)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink != 1:
        os.close(found)
        raise Unusable(f"{name} in it is not a file of this user alone")
    return found


def usual_bytes(directory: int, used_bytes: int) -> int:
    """The bound where none was given: what the cache has taken already counts as free."""
    space = os.fstatvfs(directory)
    return min(DEFAULT_BYTES, (space.f_bavail * space.f_frsize + used_bytes) // DEFAULT_PART)
