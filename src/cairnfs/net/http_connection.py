"""One HTTP/1.1 connection of a client: requests out, answers in, one exchange at a time.

What belongs here: bytes and their order, parsing by httptools, backpressure both ways. What does not:
which connection a request takes, deadlines, repeating (`http_transport.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from cairnfs.errors import OutcomeUnknown

#: Of an answer, so much may lie here unread; then the server has to wait.
HELD_MAX_BYTES = 1024 * 1024
HEAD_MAX_BYTES = 256 * 1024
#: So much is read at once.
SHARED_BYTES = 256 * 1024


class Gone(Exception):
    """The connection broke while a request was sent; the exchange tells the caller."""


class Exchange:
    """One request's answer as it comes in.

    `status` is 0 until the head is here; `over`: all of it is; `keep`: the connection may serve again.
    """

    __slots__ = ("_connection", "_held", "_pieces", "_waiting", "error", "headers", "keep", "over", "status")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._waiting: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.keep = False
        self.over = False
        self.error: OutcomeUnknown | None = None

    async def head(self) -> None:
        """Return when status and headers are here. Raises OutcomeUnknown where the connection broke."""
        while not self.status:
            if self.error is not None:
                raise self.error
            await self._news()

    @property
    def ready(self) -> bool:
        """Whether `piece` answers without waiting."""
        return bool(self._pieces) or self.over or self.error is not None

    async def piece(self) -> bytes:
        """The next piece of the body; empty at its end. Raises OutcomeUnknown where it broke off."""
        while not self._pieces:
            if self.over:
                return b""
            if self.error is not None:
                raise self.error
            await self._news()
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if not self.over and self._held < HELD_MAX_BYTES // 2:
            self._connection.read_on()
        return piece

    async def _news(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    # What the connection tells.

    def tell(self) -> None:
        """Something changed."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def take(self, piece: bytes) -> bool:
        """A piece arrived; whether more may come now."""
        self._pieces.append(piece)
        self._held += len(piece)
        self.tell()
        return self._held < HELD_MAX_BYTES

    def fail(self, error: OutcomeUnknown) -> None:
        """The connection broke, or what came is not HTTP."""
        self.error = error
        self.tell()


class Connection(asyncio.BufferedProtocol):
    """An open connection. `ended` is called once, when it is closed or lost.

    `shared` is what is read into: its bytes are used before the next read of any connection.

    `idle_since` is its owner's: when its last exchange was over.
    """

    def __init__(self, ended: Callable[[Connection], None], shared: memoryview) -> None:
        self._ended = ended
        self._shared = shared
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._bodyless = False
        self._head_bytes = 0
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._broken = False
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        """Whether an exchange may begin."""
        transport = self._transport
        return not self._broken and transport is not None and not transport.is_closing()

    def begin(self, *, bodyless: bool) -> Exchange:
        """Begin an exchange; `bodyless`: its answer has no body whatever its headers say (HEAD)."""
        assert self._exchange is None, "one exchange at a time"
        self._bodyless = bodyless
        self._head_bytes = 0
        self._exchange = Exchange(self)
        return self._exchange

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes, whatever waits already; a connection that is gone swallows them."""
        assert self._transport is not None
        self._transport.write(data)

    async def send(self, body: AsyncIterator[bytes | memoryview], *, chunked: bool) -> None:
        """Send a body as it is produced. Raises Gone, and whatever the producer raises."""
        try:
            async for piece in body:
                if chunked and piece:
                    self.write(b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")))
                else:
                    self.write(piece)
                await self._room()
            if chunked:
                self.write(b"0\r\n\r\n")
        finally:
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()

    async def _room(self) -> None:
        if self._paused and not self._broken:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable
        if self._broken:
            raise Gone

    def read_on(self) -> None:
        """What arrived has been read: more may come."""
        transport = self._transport
        if transport is not None and not transport.is_closing() and not transport.is_reading():
            transport.resume_reading()

    def abort(self) -> None:
        """Break it: nothing more is wanted of it."""
        self._broken = True
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close it in peace."""
        self._broken = True
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._broken = True
        self.resume_writing()
        self._fail(f"the connection broke: {exc or 'the server closed it'}")
        self._ended(self)

    def pause_writing(self) -> None:
        """See asyncio."""
        self._paused = True

    def resume_writing(self) -> None:
        """See asyncio."""
        self._paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio."""
        return self._shared

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio."""
        exchange = self._exchange
        if exchange is None:
            self.abort()  # nobody asked anything
            return
        try:
            self._parser.feed_data(self._shared[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"what was answered is not HTTP/1.1: {error}")
            self.abort()
            return
        if not exchange.status:
            self._head_bytes += nbytes
            if self._head_bytes > HEAD_MAX_BYTES:
                self._fail("the head of the answer does not end")
                self.abort()

    def _fail(self, why: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail(OutcomeUnknown(why))

    # httptools

    def on_message_begin(self) -> None:
        """An answer begins; one that nobody asked for spoils the connection."""
        if self._exchange is None:
            self._broken = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is whole."""
        if self._exchange is not None:
            self._exchange.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole; heads of status 1xx are not the answer."""
        exchange, status = self._exchange, self._parser.get_status_code()
        if exchange is None:
            return
        if status < 200:
            exchange.headers.clear()
            return
        exchange.status = status
        exchange.keep = self._parser.should_keep_alive()
        exchange.tell()
        if self._bodyless:
            # The parser would wait for the body that was announced: the next answer gets a fresh one.
            self._parser = httptools.HttpResponseParser(self)
            self._complete(exchange)

    def on_body(self, piece: bytes) -> None:
        """A part of the body."""
        if self._exchange is not None and not self._exchange.take(piece) and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        exchange = self._exchange
        if exchange is not None and exchange.status:
            self._complete(exchange)

    def _complete(self, exchange: Exchange) -> None:
        self._exchange = None
        exchange.over = True
        exchange.tell()
        self.read_on()
