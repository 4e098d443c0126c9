"""What a connection's transport talks to: it decides where bytes that come in are put.

Heads and small bodies come into one buffer that all connections of a loop share, and go to the parser. A
large body whose length is known can go straight into its reader's own buffer, past the parser: each byte is
then touched once. What belongs here: that. What does not: HTTP (`protocol.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from cairnfs.errors import LengthMismatch

if TYPE_CHECKING:
    from cairnfs.net.serving.protocol import BoundedProtocol

#: Nothing is kept in it: what it holds is used before the next read of any connection.
SHARED_BYTES = 256 * 1024


class Arriving:
    """A body on its way into one buffer; `seen_bytes` of it are there."""

    __slots__ = ("_buffer", "_gone", "_waiting", "_wanted", "seen_bytes")

    def __init__(self, buffer: memoryview, seen_bytes: int) -> None:
        self._buffer = buffer
        self._gone = False
        self._waiting: asyncio.Future[None] | None = None
        self._wanted = 0
        self.seen_bytes = seen_bytes

    async def until(self, count: int) -> None:
        """Return when the first `count` bytes are there. Raises LengthMismatch where the client went away."""
        while self.seen_bytes < count:
            if self._gone:
                raise LengthMismatch(f"the client went away after {self.seen_bytes} bytes of the body")
            self._wanted = count
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    # What the line tells.

    def rest(self) -> memoryview:
        """Where the next bytes go."""
        return self._buffer[self.seen_bytes :]

    def more(self, count: int) -> None:
        """So many bytes were put there."""
        self.seen_bytes += count
        if self.seen_bytes >= self._wanted:
            self._tell()

    def lose(self) -> None:
        """No more will come."""
        self._gone = True
        self._tell()

    def _tell(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Line(asyncio.BufferedProtocol):
    """One connection, as its transport sees it."""

    def __init__(self, connection: BoundedProtocol, shared: memoryview) -> None:
        """`shared` is of SHARED_BYTES."""
        self._connection = connection
        self._shared = shared
        #: Of a body that goes past the parser, what is still to come; and where it goes, if anybody wants it.
        self._left = 0
        self._arriving: Arriving | None = None
        connection.line = self

    def direct(self, arriving: Arriving) -> None:
        """The rest of the body goes there. The parser's part of this message is over."""
        self._arriving = arriving
        self._left = len(arriving.rest())

    def discard(self) -> None:
        """Nobody wants the rest of the body any more."""
        self._arriving = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio."""
        if not self._left:
            return self._shared
        return self._shared[: self._left] if self._arriving is None else self._arriving.rest()

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio."""
        if not self._left:
            self._connection.data_received(self._shared[:nbytes])
            return
        self._left -= nbytes
        self._connection.on_direct()
        if self._arriving is not None:
            self._arriving.more(nbytes)
        if not self._left:
            self._arriving = None
            self._connection.on_direct_complete()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._connection.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if self._arriving is not None:
            self._arriving.lose()
        self._connection.connection_lost(exc)

    def eof_received(self) -> None:
        """See asyncio."""
        self._connection.eof_received()

    def pause_writing(self) -> None:
        """See asyncio."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._connection.resume_writing()
