"""Copies still on their way when their put was answered: `async` durability.

What belongs here: how much of that there may be, and waiting for it when the fileserver stops. What does
not: sending (`forward.py`), which has limits of its own. What gets lost with this process is no secret:
the receipt did not name those holders, so the commit marked the groups dirty. One event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

#: Chunk bytes of answered puts whose copies are under way. Beyond it, puts wait for a majority.
BACKLOG_MAX_BYTES = 32 * 1024 * 1024


class Backlog:
    """What was answered before all its copies were made."""

    def __init__(self) -> None:
        self.held_bytes = 0
        self._under_way: set[asyncio.Future[Any]] = set()

    def full(self, more_bytes: int) -> bool:
        """Whether a put of so many bytes should wait for its copies. One alone never need."""
        return bool(self.held_bytes) and self.held_bytes + more_bytes > BACKLOG_MAX_BYTES

    def keep(self, size: int, copies: Iterable[asyncio.Future[Any]]) -> None:
        """Count `size` bytes until all these copies ended, well or badly."""
        left = set(copies)
        if not left:
            return
        self.held_bytes += size
        self._under_way |= left

        def ended(copy: asyncio.Future[Any]) -> None:
            left.discard(copy)
            self._under_way.discard(copy)
            if not left:
                self.held_bytes -= size

        for copy in list(left):
            copy.add_done_callback(ended)

    async def drain(self, within_s: float) -> None:
        """Return when all copies ended, or after so long."""
        if self._under_way and within_s > 0:
            await asyncio.wait(self._under_way, timeout=within_s)
