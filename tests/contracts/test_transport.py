"""The transport seam's contract, kept by HTTP over loopback and by calls inside the process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvloop

from cairnfs.net.asgi import ASGIApp
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Server
from cairnfs.net.transport import Transport
from cairnfs.testing.contracts.events import EventsContract
from cairnfs.testing.contracts.streaming import StreamingContract
from cairnfs.testing.contracts.transport import Serve, TransportContract


class TestHttp(TransportContract, StreamingContract, EventsContract):
    @pytest.fixture
    async def transport(self) -> AsyncIterator[Transport]:
        transport = HttpTransport()
        yield transport
        await transport.close()

    @pytest.fixture
    async def serve(self) -> AsyncIterator[Serve]:
        servers: list[Server] = []

        async def serve(app: ASGIApp) -> str:
            server = Server(app, stop_s=1)
            await server.start()
            servers.append(server)
            return server.origin

        yield serve
        for server in servers:
            await server.stop()

    @pytest.fixture
    def nowhere(self) -> str:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            return f"http://127.0.0.1:{taken.getsockname()[1]}"


class TestHttpOnUvloop(TestHttp):
    """As the processes run it."""

    loop_factory = staticmethod(uvloop.new_event_loop)

    async def test_this_is_uvloop(self) -> None:
        assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")


class TestInProcess(TransportContract, StreamingContract, EventsContract):
    @pytest.fixture
    async def transport(self) -> AsyncIterator[InProcessTransport]:
        transport = InProcessTransport()
        yield transport
        await transport.close()

    @pytest.fixture
    def serve(self, transport: InProcessTransport) -> Serve:
        async def serve(app: ASGIApp) -> str:
            origin = f"http://app-{len(transport.apps)}"
            transport.apps[origin] = app
            return origin

        return serve

    @pytest.fixture
    def nowhere(self) -> str:
        return "http://nowhere"
