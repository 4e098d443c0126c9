"""The HTTP server's side of one exchange, in terms of ASGI: bodies in, answers out.

What belongs here: types of the ASGI seam, reading a body within its limits, sending replies,
problems and streams. What does not: routes and handlers (`serving/`). Imports no server, so that
doors and the in-process transport can use it too. Used from one event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from typing import Any, Protocol

from cairnfs.errors import BadRequest, CairnError, LengthMismatch, TooLarge, UnsupportedMedia
from cairnfs.wire import codec, problems

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

#: The key in `scope["extensions"]` under which Cairn's own servers put a `Peer`.
PEER = "cairn.peer"
JSON = b"application/json"
#: What callers may choose as X-Request-Id; anything else is replaced.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
#: Request ids of our own making: random per process, counted within it (random for each would cost more).
_PROCESS = secrets.token_hex(6)
_numbers = itertools.count(1)


class Arrival(Protocol):
    """A body on its way into one buffer."""

    @property
    def seen_bytes(self) -> int:
        """So many are there."""
        ...

    async def until(self, count: int) -> None:
        """Return when the first `count` bytes are there. Raises what the body raises."""
        ...


class Peer(Protocol):
    """The other end of a connection, as far as an application may know and touch it."""

    @property
    def gone(self) -> bool:
        """True once nobody listens any more."""
        ...

    @property
    def clogged(self) -> bool:
        """True while what was sent last waits for its reader, so that more would wait too."""
        ...

    @property
    def stopping(self) -> asyncio.Event:
        """Set when the server begins to stop: answers without an end have to end."""
        ...

    def answer(self, headers: RawHeaders, body: bytes) -> bool:
        """Send a whole answer of status 200 at once, if that can be done now; False: nothing was done.

        Content-Length is added. It saves a small answer half of its way through ASGI.
        """
        ...

    def begin(self, status: int, headers: RawHeaders, length: int | None) -> bool:
        """Begin an answer in pieces, if that can be done now; False: nothing was done.

        `length` in bytes is announced where it is known. It goes on with `more` and ends with `end`.
        """
        ...

    async def more(self, buffers: Sequence[bytes]) -> None:
        """Send a piece of the answer as it lies, when the one before has gone out."""
        ...

    def end(self) -> None:
        """The answer is over."""
        ...

    def into(self, buffer: memoryview) -> Arrival | None:
        """Let a body of announced length come straight into a buffer of that length; None: it cannot.

        Only before anything of the body was read, and then nothing else may read it.
        """
        ...

    def cut(self) -> None:
        """Break the connection, so that an unfinished answer cannot be taken for a whole one."""
        ...


class ClientGone(Exception):
    """Nobody waits for the answer any more. Not an error of anyone: never logged, never answered."""


class Headers(Mapping[str, str]):
    """Headers by lower-case name, decoded only when asked. The last of several equal names counts."""

    __slots__ = ("raw",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        """`raw`: names in lower case, as ASGI gives them."""
        self.raw: dict[bytes, bytes] = dict(raw)

    def __getitem__(self, name: str) -> str:
        return self.raw[name.encode("latin-1")].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def announced(self) -> int | None:
        """Content-Length in bytes, if there is one.

        Raises LengthMismatch where it is no number, UnsupportedMedia for a body in a transfer coding
        besides chunked: it would be taken for what it decodes to.
        """
        if self.raw.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise UnsupportedMedia("of the transfer codings only chunked is understood")
        text = self.raw.get(b"content-length")
        if text is None:
            return None
        if not text.isdigit() or len(text) > 18:
            raise LengthMismatch("Content-Length is not a number")
        return int(text)

    def request_id(self) -> str:
        """X-Request-Id where it is a sane one, else a new one."""
        given = self.raw.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode()
        return f"{_PROCESS}-{next(_numbers)}"


class BodyPieces:
    """A request's body as it arrives: an async iterator of non-empty pieces.

    Raises TooLarge once it is over `limit_bytes` (None: no limit), LengthMismatch where it ends before
    or goes on after `announced_bytes`, or where the client went away within it.
    """

    __slots__ = ("_done", "_limit", "_peer", "_receive", "announced_bytes", "seen_bytes")

    def __init__(
        self,
        receive: Receive,
        *,
        limit_bytes: int | None,
        announced_bytes: int | None,
        peer: Peer | None = None,
    ) -> None:
        if limit_bytes is not None and announced_bytes is not None and announced_bytes > limit_bytes:
            raise TooLarge(f"the body has {announced_bytes} bytes, at most {limit_bytes} are taken")
        self._receive = receive
        self._peer = peer
        self._limit = limit_bytes
        self.announced_bytes = announced_bytes
        self._done = False
        self.seen_bytes = 0

    def __aiter__(self) -> BodyPieces:
        return self

    async def __anext__(self) -> bytes:
        while not self._done:
            piece = await self._next()
            if piece:
                return piece
        raise StopAsyncIteration

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._done = True
            raise LengthMismatch(f"the client went away after {self.seen_bytes} bytes of the body")
        piece: bytes = message.get("body", b"")
        self._done = not message.get("more_body", False)
        self.seen_bytes += len(piece)
        if self._limit is not None and self.seen_bytes > self._limit:
            self._done = True
            raise TooLarge(f"the body is over {self._limit} bytes")
        announced = self.announced_bytes
        if announced is not None and (
            self.seen_bytes > announced or (self._done and self.seen_bytes < announced)
        ):
            self._done = True
            raise LengthMismatch(f"announced {announced} bytes, the body has another length")
        return piece

    async def whole(self) -> bytes:
        """The whole body at once; only sane with a limit."""
        parts: list[bytes] = []
        while not self._done:
            parts.append(await self._next())
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def into(self, buffer: memoryview) -> Arrival:
        """Let the whole body come into a buffer of its announced length, without a copy where that can be."""
        assert self.announced_bytes == len(buffer)
        assert not self.seen_bytes
        arrival = None if self._peer is None else self._peer.into(buffer)
        return _Copied(self, buffer) if arrival is None else arrival


class _Copied:
    """A body that is copied into its buffer piece by piece, when somebody waits for it."""

    __slots__ = ("_body", "_buffer")

    def __init__(self, body: BodyPieces, buffer: memoryview) -> None:
        self._body = body
        self._buffer = buffer

    @property
    def seen_bytes(self) -> int:
        return self._body.seen_bytes

    async def until(self, count: int) -> None:
        while (at := self._body.seen_bytes) < count:
            piece = await anext(self._body)
            self._buffer[at : at + len(piece)] = piece


def peer_of(scope: Scope) -> Peer | None:
    """The other end, where the server tells of it."""
    extensions = scope.get("extensions")
    return extensions.get(PEER) if extensions else None


async def answer(send: Send, status: int, headers: RawHeaders, body: bytes = b"") -> None:
    """A whole answer; Content-Length is added."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer_problem(
    send: Send, error: CairnError, request_id: str | None = None, headers: RawHeaders | None = None
) -> None:
    """An error as a problem document, with Retry-After where it makes sense to come again."""
    extra: RawHeaders = [(b"content-type", problems.MEDIA_TYPE.encode()), *(headers or [])]
    if request_id is not None:
        extra.append((b"x-request-id", request_id.encode()))
    if error.retry_after_ms is not None:
        extra.append((b"retry-after", b"%d" % -(-error.retry_after_ms // 1000)))
    elif error.retryable and error.status in (429, 503):
        extra.append((b"retry-after", b"1"))
    if error.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    await answer(send, error.status, extra, codec.encode(problems.from_error(error, request_id)))


async def answer_pieces(
    scope: Scope,
    send: Send,
    status: int,
    headers: RawHeaders,
    pieces: AsyncIterable[bytes | Sequence[bytes]],
    length: int | None = None,
) -> None:
    """A streamed answer, each piece sent when the one before has gone out; one may lie in several buffers.

    `length` in bytes is announced where it is known. Raises ClientGone when nobody listens; whatever
    `pieces` raises passes through, and then the connection must be cut: the head is already out.
    """
    peer = peer_of(scope)
    if length is not None:
        headers = [*headers, (b"content-length", b"%d" % length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    async for piece in pieces:
        if peer is not None and peer.gone:
            raise ClientGone
        body = piece if isinstance(piece, bytes) else b"".join(piece)
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def deadline_ms(headers: Headers, name: bytes, default_ms: int, maximum_ms: int) -> int:
    """The time that the caller gives, in milliseconds. Raises BadRequest outside 1 to `maximum_ms`."""
    text = headers.raw.get(name)
    if text is None:
        return default_ms
    given = int(text) if text.isdigit() and len(text) <= 9 else 0
    if not 1 <= given <= maximum_ms:
        raise BadRequest(f"{name.decode()}: a whole number of milliseconds, 1 to {maximum_ms}")
    return given
