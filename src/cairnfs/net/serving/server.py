"""A listening socket with an application behind it: uvicorn, embedded.

What belongs here: starting, stopping, sockets, TLS, the sweep over stalled connections. Signals
are the process owner's: nothing is caught here. Used from one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import structlog
import uvicorn

from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import BadRequest, Conflict
from cairnfs.net import tls as tls_files
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.serving.line import SHARED_BYTES, Line
from cairnfs.net.serving.protocol import CONNECTIONS_MAX, BoundedProtocol, Turnstile
from cairnfs.net.tls import TlsFiles

#: Longer than any client of ours keeps an idle connection, so that it is never we who close one just
#: as a request comes in.
KEEP_ALIVE_S = 75
STOP_S = 5
#: When stopping: how long the last words of a connection may wait for their reader.
LINGER_S = 0.5
#: Seconds, about, between two looks for stalled connections.
SWEEP_TICKS = 5

_log = structlog.get_logger("net.serving")


class Server:
    """One application on one address."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: TlsFiles | None = None,
        fd: int | None = None,
        insecure: bool = False,
        clock: Clock | None = None,
        stop_s: int = STOP_S,
    ) -> None:
        """Port 0 takes a free one. `fd` is a socket that already listens, instead of host and port.

        Raises BadRequest for an address beyond this machine without TLS, unless `insecure`.
        """
        if tls is None and not insecure and fd is None and not is_loopback(host):
            raise BadRequest(
                f"will not serve on {host} without TLS: anyone on the way could read tokens and files",
                hint="give a certificate and key, or --insecure in a network you trust",
            )
        self.host = host
        self.port = port
        self._tls = tls
        self._fd = fd
        self._clock = clock or SystemClock()
        context = None if tls is None else tls_files.server_context(tls)
        self._turnstile = Turnstile()
        shared = memoryview(bytearray(SHARED_BYTES))

        def connection(*given: Any, **named: Any) -> Line:
            protocol = BoundedProtocol(*given, **named, clock=self._clock, turnstile=self._turnstile)
            return Line(protocol, shared)

        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http=connection,  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=stop_s,
                ssl_context_factory=None if context is None else lambda *_: context,
            ),
            self.sweep,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def origin(self) -> str:
        """`http://host:port`, once started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; `port` is the real one then. Raises Conflict where the port is taken."""
        assert self._task is None, "started already"
        listener = self._listener()
        self.port = listener.getsockname()[1] if listener.family != socket.AF_UNIX else 0
        self._task = asyncio.create_task(self._uvicorn.serve(sockets=[listener]), name="http-server")
        ready = asyncio.create_task(self._uvicorn.ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._task
        _log.info("listening", origin=self.origin)

    def _listener(self) -> socket.socket:
        if self._fd is not None:
            return socket.socket(fileno=os.dup(self._fd))
        where = f"{self.host}:{self.port}"
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, protocol, _, address = found[0]
            listener = socket.socket(family, kind, protocol)
        except OSError as error:
            raise BadRequest(f"cannot listen on {where}: {error.strerror}") from error
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            # Listening at once, not first inside the loop: two servers may otherwise both be bound.
            listener.listen(2048)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                raise Conflict(f"{where} is taken by another process", hint="choose another port") from error
            raise BadRequest(f"cannot listen on {where}: {error.strerror}") from error
        return listener

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then stop. Starts first if that was not done."""
        if self._task is None:
            await self.start()
        assert self._task is not None
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await self.stop()

    async def stop(self) -> None:
        """Take no more connections, let the running requests end within a few seconds, close all."""
        if self._task is None:
            return
        self._turnstile.stopping.set()
        self._uvicorn.leave()
        task, self._task = self._task, None
        lingering = asyncio.create_task(self._cut_lingering())
        await task
        lingering.cancel()
        # What was cancelled in the end still has to unwind: whoever stops next must not pull the rug.
        running = list(self._uvicorn.server_state.tasks)
        if running:
            await asyncio.wait(running, timeout=1.0)

    async def _cut_lingering(self) -> None:
        """Let no reader who does not read what was said last hold up the end."""
        while True:
            before = {each for each in self.connections if each.lingering}
            await self._clock.sleep(LINGER_S)
            for connection in self.connections:
                if connection in before and connection.lingering:
                    connection.transport.abort()

    @property
    def connections(self) -> list[BoundedProtocol]:
        """The connections that are open."""
        return self._uvicorn.connections()

    def sweep(self) -> None:
        """End the connections that stalled; done every few seconds by itself.

        However many strangers misbehave, the log gets a line a reason and sweep.
        """
        now = self._clock.monotonic()
        ended: Counter[str] = Counter()
        for connection in self.connections:
            why = connection.stalled(now)
            if why:
                ended[why] += 1
                connection.transport.abort()
        for why, count in ended.items():
            _log.info("connections ended", why=why, count=count)
        if turned_away := self._turnstile.look():
            _log.error("too many connections", limit=CONNECTIONS_MAX, turned_away=turned_away)


class _Uvicorn(uvicorn.Server):
    """uvicorn without signal handlers, waking once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config, sweep: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._leaving = asyncio.Event()
        self._sweep = sweep

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process owner."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.ready.set()

    def leave(self) -> None:
        """End `main_loop`."""
        self.should_exit = True
        self._leaving.set()

    async def main_loop(self) -> None:
        """Keep the Date header fresh and end stalled connections until told to leave."""
        ticks = 0
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), 1.0)
            ticks += 1
            if ticks % SWEEP_TICKS == 0:
                self._sweep()

    def connections(self) -> list[BoundedProtocol]:
        """The connections that are open."""
        return [each for each in self.server_state.connections if isinstance(each, BoundedProtocol)]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
