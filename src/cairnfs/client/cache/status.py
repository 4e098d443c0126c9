"""What is in the chunk cache of this user, and emptying it: for people, beside whoever uses it meanwhile.

What belongs here: looking and clearing. What does not: reading and keeping (`store.py`). Any thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cairnfs.client.cache.directory import (
    NAME,
    SUPPORTED,
    CacheSettings,
    Unusable,
    open_directory,
    usual_bytes,
)
from cairnfs.errors import BadRequest, Busy

if TYPE_CHECKING:
    from cairnfs.client.cache.ring import Ring


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What the cache has and may have; `entries` are chunks and what the directory said of files.

    `hits`, `misses` and `hit_bytes` count since it was cleared. `trouble` is why it is not used, if so.
    """

    directory: Path
    limit_bytes: int
    used_bytes: int = 0
    entries: int = 0
    hits: int = 0
    misses: int = 0
    hit_bytes: int = 0
    trouble: str | None = None


def status(settings: CacheSettings) -> CacheStatus:
    """How the cache is. Makes nothing that is not there."""
    none = CacheStatus(settings.directory / NAME, settings.limit_bytes or 0)
    if settings.off:
        return replace(none, trouble="it is switched off" if SUPPORTED else "this system has none")
    try:
        with _opened(settings) as ring:
            if ring is None:
                return replace(none, limit_bytes=settings.limit_bytes or _usual_bytes(settings.directory))
            header = ring.header()
            return CacheStatus(
                none.directory,
                ring.limit_bytes,
                ring.used_bytes(),
                ring.entries(),
                header.hits,
                header.misses,
                header.hit_bytes,
            )
    except Unusable as error:
        return replace(none, trouble=str(error))
    except OSError as error:
        return replace(none, trouble=error.strerror or str(error))


def clear(settings: CacheSettings) -> int:
    """Forget everything that is in the cache, switched on or off; the bytes that became free.

    Raises BadRequest where it cannot be used, Busy.
    """
    where = settings.directory / NAME
    try:
        with _opened(settings) as ring:
            if ring is None:
                return 0
            before = ring.used_bytes()
            if not ring.clear():
                raise Busy(f"another process keeps the cache in {where} locked")
            return max(before - ring.used_bytes(), 0)
    except Unusable as error:
        raise BadRequest(f"the cache in {where} cannot be used: {error}") from error
    except OSError as error:
        raise BadRequest(f"the cache in {where} cannot be used: {error.strerror or error}") from error


@contextmanager
def _opened(settings: CacheSettings) -> Iterator[Ring | None]:
    """The files, if they are there."""
    if not SUPPORTED:
        raise Unusable("this system has none")
    from cairnfs.client.cache.ring import Ring

    try:
        directory = open_directory(settings.directory, make=False)
    except FileNotFoundError:
        yield None
        return
    ring = Ring(directory, 0)
    try:
        yield ring
    finally:
        ring.close()


def _usual_bytes(directory: Path) -> int:
    """The bound of a cache that is not there yet."""
    there = next(one for one in (directory, *directory.parents) if one.exists())
    descriptor = os.open(there, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return usual_bytes(descriptor, 0)
    finally:
        os.close(descriptor)
