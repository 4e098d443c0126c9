"""The transport over real sockets: aiohttp, held to the contract of `net/transport.py`.

What belongs here: the only use of aiohttp. Connections are kept open and shared; a request that goes out
on one that the server has just closed is sent again on a new one only where that is surely harmless.
Used from one event loop; makes its session at the first request.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import DeadlineExceeded, OutcomeUnknown, TooLarge, Unreachable
from cairnfs.net.deadlines import within
from cairnfs.net.transport import Request, Response

CONNECTIONS_MAX = 256
CONNECT_S = 5.0
#: Shorter than any server of ours keeps an idle connection.
KEEP_ALIVE_S = 30.0
#: What may be sent once more where the connection broke: it changes nothing.
_REPEATABLE = ("GET", "HEAD")
PIECE_BYTES = 256 * 1024
_QUIET = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class AiohttpTransport:
    """Sends requests over TCP or TLS."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        """`tls` is what `net.tls.client_context` makes; without it the system's authorities count."""
        self._tls = tls
        self._clock = clock or SystemClock()
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections_max,
                keepalive_timeout=KEEP_ALIVE_S,
                ssl=self._tls if self._tls is not None else True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            auto_decompress=False,
            skip_auto_headers=_QUIET,
            trust_env=False,
            requote_redirect_url=False,
        )
        # It would also repeat PUT and DELETE by itself: a conditional one would then refuse its own effect.
        session._retry_connection = False
        return session

    async def request(self, request: Request) -> Response:
        """Send one request and wait for the head of its answer."""
        until = self._clock.monotonic() + request.timeout_s
        body, headers = _outgoing(request)
        attempts = 2 if request.method in _REPEATABLE and body is None else 1
        try:
            async with within(self._clock, request.timeout_s):
                response = await self._send(request, headers, body, attempts)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise Unreachable(f"{request.origin} does not accept connections") from error
            raise DeadlineExceeded(f"no answer from {request.origin} in time") from error
        except aiohttp.ClientError as error:
            raise _error(error, request.origin, body) from error
        return _Answer(response, request, until, self._clock)

    async def _send(
        self, request: Request, headers: dict[str, str], body: _Source | None, attempts: int
    ) -> aiohttp.ClientResponse:
        session = self._session = self._session or self._open()
        url = URL(request.origin + request.target, encoded=True)
        while True:
            attempts -= 1
            try:
                return await session.request(
                    request.method,
                    url,
                    headers=headers,
                    data=body or request.body or None,
                    allow_redirects=False,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if attempts == 0 or isinstance(error, aiohttp.ClientConnectorError):
                    raise

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _error(error: aiohttp.ClientError, origin: str, body: _Source | None) -> BaseException:
    if body is not None and body.failure is not None:
        return body.failure
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        return Unreachable(f"cannot connect to {origin}: {error.__cause__ or error}")
    return OutcomeUnknown(f"the connection to {origin} broke: {error}")


def _outgoing(request: Request) -> tuple[_Source | None, dict[str, str]]:
    """The body where it has to be streamed, and the headers."""
    body, headers = request.body, dict(request.headers)
    if not isinstance(body, bytes):
        return _Source(body), headers
    if len(body) <= PIECE_BYTES:
        return None, headers
    # In slices, so that a large body neither blocks the loop nor is copied whole.
    headers.setdefault("content-length", str(len(body)))
    return _Source(_slices(body)), headers


async def _slices(body: bytes) -> AsyncIterator[bytes]:
    view = memoryview(body)
    for at in range(0, len(body), PIECE_BYTES):
        yield bytes(view[at : at + PIECE_BYTES])


class _Source:
    """A body on its way out, remembering what its producer raised."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self.failure: BaseException | None = None

    def __aiter__(self) -> _Source:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._body.__anext__()
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.failure = error
            raise


class _Answer:
    """A response of aiohttp."""

    def __init__(
        self, response: aiohttp.ClientResponse, request: Request, until: float, clock: Clock
    ) -> None:
        self._response = response
        self._request = request
        self._until = until
        self._clock = clock
        self.status = response.status
        self.headers: Mapping[str, str] = {k.lower(): v for k, v in response.headers.items()}

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        content = self._response.content
        while True:
            try:
                if content.is_eof():
                    piece = await content.readany()
                else:
                    async with within(self._clock, self._left()):
                        piece = await content.readany()
            except TimeoutError as error:
                raise DeadlineExceeded(f"{self._request.origin} stopped answering") from error
            except (aiohttp.ClientError, OSError) as error:
                raise OutcomeUnknown(f"the answer of {self._request.origin} broke off: {error}") from error
            if not piece:
                return
            for at in range(0, len(piece), PIECE_BYTES):
                yield piece[at : at + PIECE_BYTES]

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises TooLarge past `limit` bytes."""
        parts, size = [], 0
        async for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise TooLarge(f"the answer of {self._request.origin} is over {limit} bytes")
            parts.append(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _left(self) -> float:
        whole = self._until - self._clock.monotonic()
        each = self._request.read_timeout_s
        return whole if each is None else each

    async def __aenter__(self) -> _Answer:
        return self

    async def __aexit__(self, *exc: object) -> None:
        # An unread rest is not worth reading: the connection goes with it.
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()
