"""The HTTP/1.1 connection: uvicorn's httptools protocol with Cairn's limits and quiet manners.

What it adds: bounds on the request line, headers and connections; a head that never ends, a body that
stops coming and a reader that stops reading end the connection (`stalled`, asked by the server's sweep,
so that no request pays for a timer); refusals are problem documents; what strangers send is not a
warning in our log. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, CairnError, TooLarge
from cairnfs.net import asgi
from cairnfs.net.asgi import RawHeaders
from cairnfs.net.serving.line import Arriving, Line
from cairnfs.wire import codec, problems

#: Request line and headers together.
HEAD_MAX_BYTES = 64 * 1024
HEADERS_MAX = 128
CONNECTIONS_MAX = 4096
#: How long a head may take from its first byte (or from the connection's start).
HEAD_S = 30.0
#: How long nothing may come of a body that the application waits for, or nothing go out of an answer.
STALL_S = 60.0
#: How long the rest of a body is still swallowed after the answer to it.
SWALLOW_S = 10.0

#: Up to here one buffer is cheaper to send than several.
JOINED_MAX_BYTES = 32 * 1024

_log = structlog.get_logger("net.serving")


class Turnstile:
    """What a server's connections share: how many were turned away since somebody last looked, and whether
    it is closing time.
    """

    __slots__ = ("stopping", "turned_away")

    def __init__(self) -> None:
        self.turned_away = 0
        self.stopping = asyncio.Event()

    def look(self) -> int:
        """Give the number and begin anew."""
        counted, self.turned_away = self.turned_away, 0
        return counted


class _Trailers(list[tuple[bytes, bytes]]):
    """Where fields after a chunked body go: nowhere. They must not pass for headers, nor fill the memory."""

    def append(self, field: tuple[bytes, bytes]) -> None:
        """Forget it."""


_TRAILERS = _Trailers()


class ConnectionPeer:
    """The other end of one exchange on one connection."""

    __slots__ = ("_chunked", "_connection", "_cycle", "_head", "_left")

    def __init__(self, connection: BoundedProtocol, cycle: RequestResponseCycle) -> None:
        self._connection = connection
        self._cycle = cycle
        self._head = b""
        self._chunked = False
        self._left = 0

    @property
    def gone(self) -> bool:
        """True once the connection is lost."""
        return self._cycle.disconnected

    @property
    def clogged(self) -> bool:
        """True while the kernel's buffer and ours are full."""
        return self._cycle.flow.write_paused

    @property
    def stopping(self) -> asyncio.Event:
        """The server's."""
        return self._connection.turnstile.stopping

    def answer(self, headers: RawHeaders, body: bytes) -> bool:
        """See Peer. What uvicorn does for the two messages of an answer, in one step and one system call."""
        cycle = self._cycle
        if not self._may_begin():
            return False
        if not cycle.disconnected:
            head = _head(b"HTTP/1.1 200 OK\r\n", (*cycle.default_headers, *headers), len(body))
            cycle.transport.write(head + body)
            self._complete()
        return True

    def begin(self, status: int, headers: RawHeaders, length: int | None) -> bool:
        """See Peer."""
        if not self._may_begin():
            return False
        self._cycle.response_started = True
        self._cycle.waiting_for_100_continue = False
        self._chunked = length is None
        self._left = length or 0
        # It leaves with the first piece.
        self._head = _head(STATUS_LINE[status], (*self._cycle.default_headers, *headers), length)
        return True

    async def more(self, buffers: Sequence[bytes]) -> None:
        """See Peer. Large pieces are not joined with what HTTP wants around them."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        size = sum(map(len, buffers))
        if cycle.disconnected or not size:
            return
        head, self._head = self._head, b""
        if self._chunked:
            buffers = (head + b"%x\r\n" % size, *buffers, b"\r\n")
        else:
            self._left -= size
            if self._left < 0:
                raise RuntimeError("more than was announced")
            buffers = (head, *buffers) if head else buffers
        if size <= JOINED_MAX_BYTES:
            cycle.transport.write(b"".join(buffers))
        else:
            cycle.transport.writelines(buffers)

    def end(self) -> None:
        """See Peer."""
        cycle = self._cycle
        if cycle.disconnected:
            return
        if self._left:
            raise RuntimeError("less than was announced")
        last = self._head + b"0\r\n\r\n" if self._chunked else self._head
        if last:
            cycle.transport.write(last)
        self._complete()

    def _may_begin(self) -> bool:
        cycle = self._cycle
        return not (
            cycle.response_started
            or not cycle.keep_alive
            or cycle.flow.write_paused
            or cycle.scope["method"] == "HEAD"
        )

    def _complete(self) -> None:
        cycle = self._cycle
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        cycle.on_response()

    def into(self, buffer: memoryview) -> Arriving | None:
        """See Peer."""
        return self._connection.receive_into(self._cycle, buffer)

    def cut(self) -> None:
        """Reset the connection."""
        self._cycle.disconnected = True
        self._connection.transport.abort()


def _head(status: bytes, headers: Iterable[tuple[bytes, bytes]], length: int | None) -> bytes:
    lines = [status]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    lines.append(
        b"transfer-encoding: chunked\r\n\r\n" if length is None else b"content-length: %d\r\n\r\n" % length
    )
    return b"".join(lines)


def _head_too_large() -> TooLarge:
    return TooLarge(
        f"request line and headers have at most {HEAD_MAX_BYTES} bytes and {HEADERS_MAX} headers in all"
    )


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        clock: Clock,
        turnstile: Turnstile,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._clock = clock
        self.turnstile = turnstile
        #: What was read since the head began; the read in which it began counts whole.
        self._head_bytes = 0
        self._read_bytes = 0
        self._in_head = True
        self._in_body = False
        self._head_at = self._heard_at = clock.monotonic()
        self._answered_at: float | None = None
        self._paused_at: float | None = None
        self._refusal: CairnError | None = None
        self.line: Line | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or drop it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self.turnstile.turned_away += 1
            transport.abort()

    def data_received(self, data: bytes | memoryview) -> None:
        """Feed the parser; refuse what is not HTTP or over the limits."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._heard_at = self._clock.monotonic()
        self._read_bytes = len(data)
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
            if self._in_head and self._head_bytes > HEAD_MAX_BYTES:
                self._refuse(_head_too_large())
        except httptools.HttpParserUpgrade:
            _log.debug("upgrade ignored")
        except httptools.HttpParserError as error:
            refusal = self._refusal or BadRequest("this is not HTTP/1.1")
            _log.debug("refused", why=refusal.detail, cause=str(error))
            self._refuse(refusal)

    def _should_upgrade(self) -> bool:
        return False

    def _refuse(self, error: CairnError) -> None:
        if self.transport.is_closing():
            return
        if self._may_speak():
            body = codec.encode(problems.from_error(error))
            lines = (
                f"HTTP/1.1 {error.status} {error.title()}",
                f"content-type: {problems.MEDIA_TYPE}",
                f"content-length: {len(body)}",
                "connection: close",
            )
            self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.transport.close()

    def _may_speak(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def on_message_begin(self) -> None:
        """A request line begins."""
        super().on_message_begin()
        self._head_bytes = self._read_bytes
        self._head_at = self._heard_at
        self._in_head = True

    def on_headers_complete(self) -> None:
        """The head is whole: the application starts in the loop's next step."""
        # A head that came in one read with less than the limit needs no counting.
        if self._head_bytes > HEAD_MAX_BYTES or len(self.headers) > HEADERS_MAX:
            head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if head_bytes > HEAD_MAX_BYTES or len(self.headers) > HEADERS_MAX:
                self._refusal = _head_too_large()
                raise self._refusal
        super().on_headers_complete()
        self._in_head = False
        self._in_body = True
        self.headers = _TRAILERS
        self._answered_at = None
        peer: Any = ConnectionPeer(self, self.cycle)
        self.scope["extensions"] = {asgi.PEER: peer}

    def receive_into(self, cycle: RequestResponseCycle, buffer: memoryview) -> Arriving | None:
        """Let the body of the present message go into a buffer of its announced length; None: it cannot."""
        if cycle is not self.cycle or cycle.disconnected or self.line is None:
            return None
        have = len(cycle.body)
        arriving = Arriving(buffer, have)
        buffer[:have] = cycle.body
        cycle.body = bytearray()
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if have < len(buffer):
            self.line.direct(arriving)
        self.flow.resume_reading()
        return arriving

    def on_direct(self) -> None:
        """Some of a body came past the parser."""
        self._heard_at = self._clock.monotonic()

    def on_direct_complete(self) -> None:
        """All of it has: the next message is a new parser's."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out; the body may still be coming in and is thrown away."""
        if self._in_body:
            self._answered_at = self._clock.monotonic()
            if self.line is not None:
                self.line.discard()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The kernel and our buffer are full."""
        self._paused_at = self._clock.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """There is room again."""
        self._paused_at = None
        super().resume_writing()

    @property
    def lingering(self) -> bool:
        """Whether all was said, and the connection only waits for a reader who does not read."""
        return self.transport.is_closing() and self.transport.get_write_buffer_size() > 0

    def stalled(self, now: float) -> str:
        """Why this connection has to end, if it has; `now` in the clock's monotonic seconds."""
        if self._paused_at is not None and now - self._paused_at > STALL_S:
            return "the answer is not read"
        if self._in_body:
            if self._answered_at is not None:
                return "a body went on after its answer" if now - self._answered_at > SWALLOW_S else ""
            if now - self._heard_at > STALL_S and not self.flow.read_paused:
                return "the body stopped coming"
        elif self._in_head:
            return "the head did not end" if now - self._head_at > HEAD_S else ""
        elif self._may_speak() and self.timeout_keep_alive_task is None and now - self._heard_at > HEAD_S:
            # Empty lines between requests end the wait for the next one, and begin none.
            return "the head did not begin"
        return ""
