"""The transport over real sockets: HTTP/1.1 by httptools, held to the contract of `net/transport.py`.

What belongs here: requests as bytes, deadlines, what may be sent twice. What does not: keeping
connections (`http_pool.py`), parsing (`http_connection.py`). A request that goes out on a connection
that the server has just closed is sent again only where that is surely harmless. It costs a third of
what a general client does per request (docs/design/0008). Used from one event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping

from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import BadRequest, DeadlineExceeded, OutcomeUnknown, TooLarge
from cairnfs.net.deadlines import within
from cairnfs.net.http_connection import Connection, Exchange, Gone
from cairnfs.net.http_pool import CONNECTIONS_MAX, Pool, place
from cairnfs.net.transport import Request, Response

PIECE_BYTES = 256 * 1024
#: What changes nothing is sent a second time where no answer began.
_HARMLESS = ("GET", "HEAD")


class HttpTransport:
    """Sends requests over TCP or TLS."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        """`tls` is what `net.tls.client_context` makes; without it the system's authorities count."""
        self._clock = clock or SystemClock()
        self._pool = Pool(self._clock, tls, connections_max)

    async def request(self, request: Request) -> Response:
        """Send one request and wait for the head of its answer."""
        until = self._clock.monotonic() + request.timeout_s
        again = request.method in _HARMLESS and request.body == b""
        head = _head(request)
        try:
            async with within(self._clock, request.timeout_s):
                try:
                    connection, exchange = await self._exchange(request, head)
                except OutcomeUnknown:
                    if not again:
                        raise
                    connection, exchange = await self._exchange(request, head)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer from {request.origin} in time") from error
        return _Answer(self._pool, connection, exchange, request, until, self._clock)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def _exchange(self, request: Request, head: bytes) -> tuple[Connection, Exchange]:
        """Send it once, up to the head of the answer. Raises OutcomeUnknown, and what its body raises."""
        connection = await self._pool.take(request.origin)
        exchange = connection.begin(bodyless=request.method == "HEAD")
        body = request.body
        try:
            if isinstance(body, bytes) and len(body) <= PIECE_BYTES:
                connection.write(head + body)
                await exchange.head()
            else:
                connection.write(head)
                await _converse(connection, exchange, request)
        except BaseException:
            connection.abort()
            raise
        return connection, exchange


async def _converse(connection: Connection, exchange: Exchange, request: Request) -> None:
    """Send a long body while the answer is listened for: it may come before the body is out."""
    body = request.body
    if isinstance(body, bytes):
        sending = asyncio.ensure_future(connection.send(_slices(body), chunked=False))
    else:
        sending = asyncio.ensure_future(connection.send(body, chunked=not _announced(request.headers)))
    hearing = asyncio.ensure_future(exchange.head())
    try:
        await asyncio.wait((sending, hearing), return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            failure = sending.exception()
            if failure is not None and not isinstance(failure, Gone):
                raise failure
        await hearing
        if not sending.done():
            exchange.keep = False  # the server does not want the rest
    finally:
        sending.cancel()
        hearing.cancel()
        await asyncio.gather(sending, hearing, return_exceptions=True)


def _head(request: Request) -> bytes:
    """Request line and headers. Raises Unreachable, BadRequest."""
    lines = [f"{request.method} {request.target} HTTP/1.1\r\nHost: {place(request.origin).name}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    body = request.body
    if not isinstance(body, bytes):
        if not _announced(request.headers):
            lines.append("Transfer-Encoding: chunked\r\n")
    elif (body or request.method in ("POST", "PUT", "PATCH")) and not _announced(request.headers):
        lines.append(f"Content-Length: {len(body)}\r\n")
    head = "".join(lines)
    if not head.count("\n") == head.count("\r") == len(lines) + 1:
        raise BadRequest("a line break within a header")
    return (head + "\r\n").encode("latin-1")


def _announced(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "content-length" for name in headers)


async def _slices(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for at in range(0, len(body), PIECE_BYTES):
        yield view[at : at + PIECE_BYTES]


class _Answer:
    """A response whose head is here."""

    __slots__ = ("_clock", "_connection", "_exchange", "_pool", "_request", "_until", "headers", "status")

    def __init__(
        self,
        pool: Pool,
        connection: Connection,
        exchange: Exchange,
        request: Request,
        until: float,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._exchange = exchange
        self._request = request
        self._until = until
        self._clock = clock
        self.status = exchange.status
        self.headers: Mapping[str, str] = exchange.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        while piece := await self._piece():
            if len(piece) <= PIECE_BYTES:
                yield piece
            else:
                for at in range(0, len(piece), PIECE_BYTES):
                    yield piece[at : at + PIECE_BYTES]

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises TooLarge past `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        while piece := await self._piece():
            size += len(piece)
            if size > limit:
                raise TooLarge(f"the answer of {self._request.origin} is over {limit} bytes")
            parts.append(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _piece(self) -> bytes:
        exchange = self._exchange
        if exchange.ready:  # no need for a timer where nobody waits
            return await exchange.piece()
        whole_s = self._until - self._clock.monotonic()
        each_s = self._request.read_timeout_s
        try:
            async with within(self._clock, whole_s if each_s is None else each_s):
                return await exchange.piece()
        except TimeoutError as error:
            raise DeadlineExceeded(f"{self._request.origin} stopped answering") from error

    async def __aenter__(self) -> _Answer:
        return self

    async def __aexit__(self, *exc: object) -> None:
        # An unread rest is not worth reading: the connection goes with it.
        if self._exchange.over and self._exchange.keep:
            self._pool.give(self._connection, self._request.origin)
        else:
            self._connection.abort()
