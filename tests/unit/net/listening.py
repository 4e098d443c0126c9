"""Servers on real sockets for the tests of this room, and clients with and without manners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from cairnfs.clock import SystemClock
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.calls import Calls
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.serving import Server
from cairnfs.wire.problems import Problem


@asynccontextmanager
async def serving(app: ASGIApp, **options: object) -> AsyncIterator[Server]:
    server = Server(app, **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def calling(server: Server, **options: object) -> AsyncIterator[Calls]:
    transport = HttpTransport(**options)  # type: ignore[arg-type]

    async def token() -> str:
        return "user:ann"

    try:
        yield Calls(transport, server.origin, clock=SystemClock(), token=token)
    finally:
        await transport.close()


async def raw(server: Server, sent: bytes, *, then_close: bool = False) -> bytes:
    """What the server says to these bytes until it closes, or has answered once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    if then_close:
        writer.write_eof()
    async with asyncio.timeout(10):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            head, body = error.partial, b""
    writer.close()
    await writer.wait_closed()
    return head + body


def problem_in(answer: bytes) -> Problem:
    head, _, body = answer.partition(b"\r\n\r\n")
    problem = msgspec.json.decode(body, type=Problem)
    assert head.startswith(b"HTTP/1.1 %d " % problem.status)
    return problem


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await SystemClock().sleep(0.005)
