"""Known ways to get the client's cache wrong, planted on purpose; see `planted.py`.

Threads: switch a bug on before a cache is opened and off after it is closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from cairnfs.client.cache import store as cache
from cairnfs.client.cache.index import Key, Slot
from cairnfs.client.cache.ring import Ring


@contextmanager
def trusting_the_cache() -> Iterator[None]:
    """What lies where the index leads is given away without a look at its hash."""

    def trusting(*_: Any) -> bool:
        return True

    with patch.object(cache, "genuine", trusting):
        yield


@contextmanager
def publishing_torn_writes() -> Iterator[None]:
    """The index leads to things of which only the first half was written."""
    honest = Ring._write

    def torn(ring: Ring, new: Sequence[tuple[Key, Slot, bytes]]) -> None:
        honest(ring, [(key, slot, content[: len(content) // 2]) for key, slot, content in new])

    with patch.object(Ring, "_write", torn):
        yield


@contextmanager
def publishing_before_writing() -> Iterator[None]:
    """The index leads to things before they are there: a kill in between leaves it so."""
    write, publish = Ring._write, Ring._publish

    def hasty(ring: Ring, new: Sequence[tuple[Key, Slot, bytes]]) -> None:
        publish(ring, ring._read_header(), new)  # type: ignore[arg-type]
        write(ring, new)

    def already(*_: Any) -> None:
        return

    with patch.object(Ring, "_write", hasty), patch.object(Ring, "_publish", already):
        yield


BUGS = {
    "trusting": trusting_the_cache,
    "torn": publishing_torn_writes,
    "hasty": publishing_before_writing,
}
