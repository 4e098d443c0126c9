"""The connections that a client keeps open, by origin, and how many there may be.

What belongs here: making, lending and ending connections. Who asks first gets first. What does not:
what is said on them (`http_transport.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from cairnfs.clock import Clock
from cairnfs.errors import Unreachable
from cairnfs.net import tls as tls_files
from cairnfs.net.deadlines import within
from cairnfs.net.http_connection import SHARED_BYTES, Connection

CONNECTIONS_MAX = 256
CONNECT_S = 5.0
#: Shorter than any server of ours keeps an idle connection.
KEEP_ALIVE_S = 30.0
_CLOSE_S = 1.0


class Place(NamedTuple):
    """Where an origin is; `name` is what its server is called in requests."""

    host: str
    port: int
    secure: bool
    name: str


@lru_cache(maxsize=1024)
def place(origin: str) -> Place:
    """Read `http://host:port`. Raises Unreachable where it is nothing like that."""
    try:
        parts = urlsplit(origin)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
    except ValueError as error:
        raise Unreachable(f"{origin} is no server's address") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unreachable(f"{origin} is no server's address")
    return Place(parts.hostname, port, secure, parts.netloc)


class Pool:
    """Lends connections: every `take` is followed by one `give`, or by the connection's end."""

    def __init__(self, clock: Clock, tls: ssl.SSLContext | None, connections_max: int) -> None:
        """`tls` None: the system's authorities are trusted."""
        self._clock = clock
        self._tls = tls
        self._shared = memoryview(bytearray(SHARED_BYTES))
        self._free = connections_max
        self._idle: dict[str, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._all_ended: asyncio.Future[None] | None = None

    async def take(self, origin: str) -> Connection:
        """A connection for one exchange. Raises Unreachable."""
        while True:
            connection = self._kept(origin)
            if connection is not None:
                return connection
            if self._free > 0:
                return await self._connect(origin)
            self._close_an_idle_one()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake()
                raise

    def give(self, connection: Connection, origin: str) -> None:
        """Its exchange is over: keep it for the next one."""
        connection.idle_since = self._clock.monotonic()
        self._idle.setdefault(origin, []).append(connection)
        self._wake()

    async def close(self) -> None:
        """Close every connection, those in use too."""
        if not self._open:
            return
        self._all_ended = asyncio.get_running_loop().create_future()
        for connection in list(self._open):
            connection.close()
        try:
            async with within(self._clock, _CLOSE_S):
                await self._all_ended
        except TimeoutError:
            for connection in list(self._open):
                connection.abort()
        self._all_ended = None

    def _kept(self, origin: str) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.usable:
                if self._clock.monotonic() - connection.idle_since < KEEP_ALIVE_S:
                    return connection
                connection.close()
        return None

    async def _connect(self, origin: str) -> Connection:
        where = place(origin)
        self._free -= 1
        connection: Connection | None = None
        try:
            async with within(self._clock, CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._ended, self._shared),
                    where.host,
                    where.port,
                    ssl=self._context() if where.secure else None,
                )
        except TimeoutError as error:
            raise Unreachable(f"{origin} does not accept connections") from error
        except OSError as error:
            raise Unreachable(f"cannot connect to {origin}: {error}") from error
        finally:
            if connection is None:
                self._make_room()
        if not connection.usable:
            self._make_room()
            raise Unreachable(f"{origin} closed the connection at once")
        self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_files.client_context()
        return self._tls

    def _close_an_idle_one(self) -> None:
        for connections in self._idle.values():
            if connections:
                connections.pop(0).close()
                return

    def _ended(self, connection: Connection) -> None:
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._make_room()
        if not self._open and self._all_ended is not None and not self._all_ended.done():
            self._all_ended.set_result(None)

    def _make_room(self) -> None:
        self._free += 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
