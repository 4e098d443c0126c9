"""Room for the bodies of puts: so many bytes at once, first come, first served, and nobody dawdles.

A body's whole length is held from its head on, so that all that began can end. Whoever falls silent or
sends slower than PACE_BYTES_S while others wait is told to come again: a frozen client must not stop the
writing of all others. Alone, one may be as slow as one likes. One event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cairnfs.clock import Clock
from cairnfs.errors import Busy
from cairnfs.net.asgi import Arrival

#: Bytes of puts under way; more puts wait.
HELD_MAX_BYTES = 96 * 1024 * 1024
WAITING_MAX = 1024
PACE_BYTES_S = 256 * 1024
#: So long a body may take in any case.
GRACE_S = 3.0
_LOOK_S = 1.0


class Guest:
    """A put that holds room.

    Its reader adds to `seen_bytes`, or says in `arrival` who counts, and sets `arrived` at the body's end.
    """

    __slots__ = ("arrival", "arrived", "began", "outed", "seen_bytes", "task")

    def __init__(self, task: asyncio.Task[object] | None, began: float) -> None:
        self.task = task
        self.began = began
        self.seen_bytes = 0
        self.arrival: Arrival | None = None
        self.arrived = False
        self.outed = False

    def came_bytes(self) -> int:
        """So much of the body has come."""
        return self.seen_bytes if self.arrival is None else self.arrival.seen_bytes

    def out(self) -> None:
        """End the wait for its body."""
        if self.task is not None:
            self.outed = True
            self.task.cancel()


class Room:
    """All the room there is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held = 0
        self._guests: set[Guest] = set()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._watch: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[Guest]:
        """Hold so many bytes. Raises Busy where too many wait, or to whom is too slow while others wait."""
        if self._waiting or (self._held and self._held + size > HELD_MAX_BYTES):
            await self._turn(size)
        else:
            self._held += size
        guest = Guest(asyncio.current_task(), self._clock.monotonic())
        self._guests.add(guest)
        try:
            yield guest
        except asyncio.CancelledError:
            if guest.outed and guest.task is not None and guest.task.uncancel() == 0:
                raise Busy("the body comes too slowly while others wait") from None
            raise
        finally:
            self._guests.discard(guest)
            self._leave(size)

    async def _turn(self, size: int) -> None:
        """Wait for one's turn; the room is held then."""
        if len(self._waiting) >= WAITING_MAX:
            raise Busy("too many puts wait")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look_after_slow_ones())
        try:
            await turn
        except asyncio.CancelledError:
            # Admitted and cancelled in the same turn of the loop: give the room back.
            if turn.done() and not turn.cancelled():
                self._leave(size)
            raise

    def _leave(self, size: int) -> None:
        self._held -= size
        while self._waiting:
            size, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
                continue
            if self._held and self._held + size > HELD_MAX_BYTES:
                break
            self._waiting.popleft()
            self._held += size
            turn.set_result(None)

    async def _look_after_slow_ones(self) -> None:
        while self._waiting:
            await self._clock.sleep(_LOOK_S)
            now = self._clock.monotonic()
            for guest in list(self._guests):
                late_s = now - guest.began - GRACE_S
                if not guest.arrived and not guest.outed and guest.came_bytes() < late_s * PACE_BYTES_S:
                    guest.out()
