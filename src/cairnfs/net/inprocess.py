"""The transport without a network: calls ASGI applications of this process directly.

What belongs here: the same contract as over sockets, streaming both ways with backpressure: the
application's `receive` pulls the next piece of the request's body, its `send` waits until the last piece
was taken. Used by the HTTP door inside the control process and by tests. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import unquote

import structlog

from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import DeadlineExceeded, OutcomeUnknown, TooLarge, Unreachable
from cairnfs.net import asgi
from cairnfs.net.asgi import ASGIApp, Message, Scope
from cairnfs.net.deadlines import within
from cairnfs.net.transport import PEER_HEADER, Request, Response

PIECE_BYTES = 256 * 1024
_log = structlog.get_logger("net.inprocess")


class InProcessTransport:
    """Applications by origin. `apps` may be changed while in use: what is not in it is unreachable."""

    def __init__(self, apps: Mapping[str, ASGIApp] | None = None, *, clock: Clock | None = None) -> None:
        self.apps: dict[str, ASGIApp] = dict(apps or {})
        self._clock = clock or SystemClock()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def request(self, request: Request) -> Response:
        """Start the application on this request and wait for the head of its answer."""
        app = self.apps.get(request.origin)
        if app is None:
            raise Unreachable(f"nothing answers at {request.origin}")
        exchange = _Exchange(request, self._clock, self._stopping)
        task = asyncio.create_task(exchange.run(app))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            async with within(self._clock, request.timeout_s):
                await exchange.head.wait()
        except TimeoutError as error:
            exchange.leave()
            raise DeadlineExceeded(f"no answer from {request.origin} in time") from error
        except BaseException:
            exchange.leave()
            raise
        if exchange.failure is not None and not exchange.status:
            raise exchange.failure
        return exchange

    async def close(self) -> None:
        """End what still runs."""
        self._stopping.set()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


class _Exchange:
    """One request in both roles: the application's `receive` and `send`, the client's response."""

    def __init__(self, request: Request, clock: Clock, stopping: asyncio.Event) -> None:
        self.stopping = stopping
        self.head = asyncio.Event()
        self.failure: BaseException | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.gone = False
        self._request = request
        self._clock = clock
        self._until = clock.monotonic() + request.timeout_s
        body = request.body
        self._body = _once(body) if isinstance(body, bytes) else body
        self._body_over = False
        self._left = asyncio.Event()
        #: The piece on its way to the client; None once the answer is over.
        self._piece: bytes | None = b""
        self._there = asyncio.Event()
        self._taken = asyncio.Event()
        self._whole = False
        self._eof = False

    # The application's side.

    async def run(self, app: ASGIApp) -> None:
        """Call the application and see that its answer ends, well or badly."""
        try:
            await app(_scope(self._request, self), self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client sees a broken connection
            _log.exception("application raised", target=self._request.target)
            self._break(OutcomeUnknown(f"{self._request.origin} broke off: {error}"))
        finally:
            if not self._whole:
                self._break(OutcomeUnknown(f"{self._request.origin} broke off its answer"))

    def _break(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self._piece = None
        self.head.set()
        self._there.set()

    @property
    def clogged(self) -> bool:
        """While the client has not taken the last piece, and where nobody will wait for it."""
        return bool(self._piece) or self.stopping.is_set()

    def answer(self, headers: asgi.RawHeaders, body: bytes) -> bool:
        """Nothing is saved here."""
        return False

    def begin(self, status: int, headers: asgi.RawHeaders, length: int | None) -> bool:
        """Nothing is saved here."""
        return False

    async def more(self, buffers: Sequence[bytes]) -> None:
        """Nothing begins here."""

    def end(self) -> None:
        """Nothing begins here."""

    def into(self, buffer: memoryview) -> None:
        """There is nothing but pieces here."""

    def cut(self) -> None:
        """The application breaks the connection."""
        self._break(OutcomeUnknown(f"{self._request.origin} broke off its answer"))
        self.leave()

    def _client_left(self) -> bool:
        return self.gone

    async def _receive(self) -> Message:
        if self._body_over:
            await self._left.wait()
        if self._client_left():
            return {"type": "http.disconnect"}
        try:
            piece = await anext(self._body)
        except StopAsyncIteration:
            self._body_over = True
            return {"type": "http.request", "body": b"", "more_body": False}
        except Exception as error:  # noqa: BLE001
            # The client's own failure: it gets it back, the application sees a client that left.
            self._body_over = True
            self._break(error)
            self.leave()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": bytes(piece), "more_body": True}

    async def _send(self, message: Message) -> None:
        if self.gone or self._whole:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in message.get("headers", [])
            }
            self.head.set()
            return
        body = message.get("body", b"") if self._request.method != "HEAD" else b""
        for at in range(0, len(body), PIECE_BYTES):
            self._piece = bytes(body[at : at + PIECE_BYTES])
            self._taken.clear()
            self._there.set()
            await self._taken.wait()
            if self._client_left():
                return
        if not message.get("more_body", False):
            self._whole = True
            self._piece = None
            self._there.set()

    # The client's side.

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        each = self._request.read_timeout_s
        while not self._eof:
            left_s = self._until - self._clock.monotonic() if each is None else each
            try:
                async with within(self._clock, left_s):
                    await self._there.wait()
            except TimeoutError as error:
                raise DeadlineExceeded(f"{self._request.origin} stopped answering") from error
            piece, self._piece = self._piece, b""
            if piece is None:
                self._eof = True
                if not self._whole:
                    raise self.failure or OutcomeUnknown("the answer broke off")
                return
            self._there.clear()
            self._taken.set()
            if piece:
                yield piece

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises TooLarge past `limit` bytes."""
        parts, size = [], 0
        async for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise TooLarge(f"the answer of {self._request.origin} is over {limit} bytes")
            parts.append(piece)
        return b"".join(parts)

    def leave(self) -> None:
        """The client goes away: the application sees it at its next `receive` or `send`."""
        self.gone = True
        self._left.set()
        self._taken.set()

    async def __aenter__(self) -> _Exchange:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.leave()


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


def _scope(request: Request, exchange: _Exchange) -> Scope:
    path, _, query = request.target.partition("?")
    headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in request.headers.items()]
    names = {name for name, _ in headers}
    if b"content-length" not in names:
        if not isinstance(request.body, bytes):
            headers.append((b"transfer-encoding", b"chunked"))
        elif request.body:
            headers.append((b"content-length", b"%d" % len(request.body)))
    headers.append((b"host", request.origin.partition("://")[2].encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": headers,
        "client": (request.headers.get(PEER_HEADER, "127.0.0.1"), 0),
        "server": None,
        "extensions": {asgi.PEER: exchange},
    }
