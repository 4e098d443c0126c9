"""One request being answered: what went out so far, and how it ends when something goes wrong.

What belongs here: from whatever happens inside an exchange to an answer. What does not: what is asked
(`route.py`) and where (`application.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog

from cairnfs.errors import CairnError, Internal, Unavailable
from cairnfs.net import asgi
from cairnfs.net.asgi import ClientGone, Headers, Message, RawHeaders, Scope, Send
from cairnfs.net.serving.context import Pieces
from cairnfs.wire import chunks, codec, events, problems
from cairnfs.wire.events import Event

_log = structlog.get_logger("net.serving")
_FRAMES: RawHeaders = [(b"content-type", chunks.MEDIA_TYPE.encode())]
_EVENTS: RawHeaders = [
    (b"content-type", f"{events.MEDIA_TYPE}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    # For proxies that would keep events until they have a bufferful.
    (b"x-accel-buffering", b"no"),
]


class Exchange:
    """One request and what was answered. `status` is 0 until the head of an answer goes out."""

    __slots__ = ("_in_events", "_send", "headers", "request_id", "scope", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self._send = send
        self.headers = Headers(scope["headers"])
        self.request_id = self.headers.request_id()
        self.status = 0
        self._in_events = False

    async def forward(self, message: Message) -> None:
        """ASGI's `send` for a mounted application."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def answer(self, headers: RawHeaders, body: bytes) -> None:
        """A whole answer. The headers are our own words: nobody looks at them again."""
        self.status = 200
        peer = asgi.peer_of(self.scope)
        if peer is None or not peer.answer(headers, body):
            await asgi.answer(self._send, 200, headers, body)

    async def stream(self, reply: Pieces | bytes) -> None:
        """An answer of chunk frames."""
        if isinstance(reply, bytes):
            await self.answer(_FRAMES, reply)
            return
        self.status = 200
        peer = asgi.peer_of(self.scope)
        if peer is None or not peer.begin(200, _FRAMES, reply.length):
            await asgi.answer_pieces(self.scope, self._send, 200, _FRAMES, reply.pieces, reply.length)
            return
        async for piece in reply.pieces:
            if peer.gone:
                raise ClientGone
            await peer.more((piece,) if isinstance(piece, bytes) else piece)
        peer.end()

    async def begin_events(self) -> None:
        """The head of a stream of events."""
        self.status = 200
        self._in_events = True
        await self._send({"type": "http.response.start", "status": 200, "headers": _EVENTS})

    async def tell(self, lines: bytes) -> None:
        """Some of a stream of events, at once; waits where the reader does not read."""
        await self._send({"type": "http.response.body", "body": lines, "more_body": True})

    async def end_events(self, last: bytes = b"") -> None:
        """The end of a stream of events."""
        self._in_events = False
        await self._send({"type": "http.response.body", "body": last})

    async def refuse(self, error: CairnError, headers: RawHeaders | None = None) -> None:
        """Answer with a problem; where another answer has begun, end it with one or cut the connection."""
        peer = asgi.peer_of(self.scope)
        if not self.status:
            self.status = error.status
            await asgi.answer_problem(self._send, error, self.request_id, headers)
        elif self._in_events and not (peer is not None and peer.clogged):
            document = codec.encode(problems.from_error(error, self.request_id))
            await self.end_events(events.encode(Event("", events.PROBLEM, document)))
        elif peer is not None:
            peer.cut()

    async def guard(self, work: Awaitable[None]) -> None:
        """Do the work of the exchange and answer whatever it raises."""
        try:
            await work
        except ClientGone:
            pass
        except CairnError as error:
            await self.refuse(error)
        except asyncio.CancelledError:
            # Only a server that has waited long enough for its last requests does this.
            await self.refuse(Unavailable("the server is stopping"))
        except Exception:  # noqa: BLE001 - a defect is answered, logged and goes no further
            _log.exception("unexpected error", path=self.scope["raw_path"], request_id=self.request_id)
            await self.refuse(Internal("an unexpected error"))
