"""The part of the transport's contract that is about long bodies: nothing whole in memory, backpressure.

What belongs here: counts of what is produced but not yet consumed, both ways, in bytes. A transport's
test subclasses `StreamingContract` beside `TransportContract`, with the same fixtures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cairnfs.clock import SystemClock
from cairnfs.net import asgi
from cairnfs.net.asgi import Receive, Scope, Send
from cairnfs.net.transport import Request, Transport
from cairnfs.testing.contracts.transport import Serve

MIB = 1024 * 1024
TOTAL = 100 * MIB
#: What may be under way: our own buffers, and the kernel's on both sides of a loopback connection.
UNDER_WAY_MAX = 24 * MIB


class Flow:
    """Counts what was produced and consumed, and the most that was ever between the two."""

    def __init__(self, total: int = TOTAL) -> None:
        self.total = total
        self.produced = 0
        self.consumed = 0
        self.most = 0
        self.ended = asyncio.Event()

    async def produce(self) -> AsyncIterator[bytes]:
        """Pieces of 256 KiB."""
        piece = b"p" * (256 * 1024)
        try:
            while self.produced < self.total:
                self.produced += len(piece)
                self.most = max(self.most, self.produced - self.consumed)
                yield piece
        finally:
            self.ended.set()

    def consume(self, piece: bytes) -> None:
        """A piece arrived."""
        self.consumed += len(piece)

    async def standstill(self) -> int:
        """Wait until nothing more is produced; how much was."""
        before, quiet = -1, 0
        while quiet < 10:
            quiet = quiet + 1 if self.produced == before else 0
            before = self.produced
            await SystemClock().sleep(0.01)
        return before


class StreamingContract:
    """Subclass, and define the fixtures `transport` and `serve`."""

    async def test_a_long_upload_passes_through(self, transport: Transport, serve: Serve) -> None:
        flow = Flow()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async for piece in asgi.BodyPieces(receive, limit_bytes=None, announced_bytes=None):
                flow.consume(piece)
            await asgi.answer(send, 200, [])

        request = Request("PUT", await serve(app), "/", {}, flow.produce())
        async with await transport.request(request) as response:
            assert response.status == 200
        assert flow.consumed == TOTAL
        assert flow.most < UNDER_WAY_MAX

    async def test_a_long_download_passes_through(self, transport: Transport, serve: Serve) -> None:
        flow = Flow()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await asgi.answer_pieces(scope, send, 200, [], flow.produce(), TOTAL)

        async with await transport.request(Request("GET", await serve(app), "/")) as response:
            async for piece in response.pieces():
                assert len(piece) <= 256 * 1024
                flow.consume(piece)
        assert flow.consumed == TOTAL
        assert flow.most < UNDER_WAY_MAX

    async def test_a_reader_that_stops_stops_the_server(self, transport: Transport, serve: Serve) -> None:
        flow = Flow()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await asgi.answer_pieces(scope, send, 200, [], flow.produce())

        async with await transport.request(Request("GET", await serve(app), "/")) as response:
            pieces = response.pieces()
            flow.consume(await anext(pieces))
            assert await flow.standstill() < UNDER_WAY_MAX
            async for piece in pieces:
                flow.consume(piece)
        assert flow.consumed == TOTAL

    async def test_a_server_that_stops_reading_stops_the_sender(
        self, transport: Transport, serve: Serve
    ) -> None:
        flow = Flow()
        go_on = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await go_on.wait()
            await asgi.BodyPieces(receive, limit_bytes=None, announced_bytes=None).whole()
            await asgi.answer(send, 200, [])

        sending = asyncio.create_task(
            transport.request(Request("PUT", await serve(app), "/", {}, flow.produce()))
        )
        assert await flow.standstill() < UNDER_WAY_MAX
        go_on.set()
        async with await sending as response:
            assert response.status == 200
        assert flow.produced == TOTAL

    async def test_an_early_answer_comes_before_the_body_is_out(
        self, transport: Transport, serve: Serve
    ) -> None:
        """A refusal is heard at once, and nobody produces the rest of the body."""
        flow = Flow(100 * TOTAL)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await asgi.answer(send, 413, [], b"too large")

        request = Request("PUT", await serve(app), "/", {}, flow.produce())
        async with await transport.request(request) as response:
            assert response.status == 413
            assert await response.read(100) == b"too large"
        assert await flow.standstill() < flow.total

    async def test_the_server_sees_that_its_reader_left(self, transport: Transport, serve: Serve) -> None:
        flow = Flow(100 * TOTAL)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            with pytest.raises(asgi.ClientGone):
                await asgi.answer_pieces(scope, send, 200, [], flow.produce())

        async with await transport.request(Request("GET", await serve(app), "/")) as response:
            await anext(response.pieces())
        assert await flow.standstill() < flow.total
