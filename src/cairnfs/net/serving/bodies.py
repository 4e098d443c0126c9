"""How many bytes of messages may be in memory at once, those of all requests of a process together.

A body that is larger than a few pieces is counted as it comes, and until its request is answered: read
into values it takes several times as much. What belongs here: that count. What does not: how large one body
may be (the endpoint says it); bodies that are streamed. Used from one event loop.
"""

from __future__ import annotations

from cairnfs.errors import Busy
from cairnfs.net.asgi import BodyPieces

#: Bodies announced no larger than this are not counted: the number of connections bounds them.
SMALL_BYTES = 64 * 1024
#: Twice the largest message, so that one is always taken.
HELD_MAX_BYTES = 128 * 1024 * 1024


class Bodies:
    """The count of one process."""

    def __init__(self, held_max_bytes: int = HELD_MAX_BYTES) -> None:
        self.held_bytes = 0
        self._max = held_max_bytes

    def take(self, size: int) -> None:
        """So many bytes more. Raises Busy, and then has not counted them."""
        if self.held_bytes + size > self._max:
            raise Busy("too many large requests at once")
        self.held_bytes += size

    def give_back(self, size: int) -> None:
        """They are not needed any more."""
        self.held_bytes -= size


class Hold:
    """What one request holds."""

    __slots__ = ("_bodies", "_size")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._size = 0

    async def whole(self, body: BodyPieces) -> bytes:
        """The whole body at once. Raises Busy, and what the body raises."""
        if body.announced_bytes is not None and body.announced_bytes <= SMALL_BYTES:
            return await body.whole()
        parts: list[bytes] = []
        async for piece in body:
            self._bodies.take(len(piece))
            self._size += len(piece)
            parts.append(piece)
        return b"".join(parts)

    def release(self) -> None:
        """The request is answered."""
        if self._size:
            self._bodies.give_back(self._size)
            self._size = 0
