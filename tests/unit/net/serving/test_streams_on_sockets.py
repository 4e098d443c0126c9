"""Streams of events over real connections: readers that freeze, servers that stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.net.event_stream import EventStream
from cairnfs.net.serving import Context, Events
from cairnfs.testing.clock import ManualClock
from tests.unit.net.listening import calling, eventually, serving
from tests.unit.net.service import OPEN, WATCH, Look, service
from tests.unit.net.telling import TELL, Flood, Source, event


@asynccontextmanager
async def frozen(port: int) -> AsyncIterator[None]:
    """A client that asks for the stream and then does nothing at all."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /v1/watch?path=/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer user:ann\r\n\r\n")
        yield


async def test_a_frozen_reader_stops_the_source_and_nothing_piles_up() -> None:
    flood = Flood()
    async with serving(service(watch=flood.watch)) as server, frozen(server.port):
        await eventually(lambda: flood.given > 0)
        # Our own buffer is small; the kernel's, on both sides of a loopback connection, are some MiB.
        assert await flood.standstill() < 24 * 16
        assert not flood.ended.is_set()


async def test_a_frozen_reader_is_shown_out_after_a_while() -> None:
    clock, flood = ManualClock(), Flood()
    async with serving(service(watch=flood.watch), clock=clock) as server, frozen(server.port):
        await eventually(lambda: flood.given > 0)
        await flood.standstill()
        clock.advance(61)
        server.sweep()
        async with asyncio.timeout(5):
            await flood.ended.wait()


async def stopped_within(stop: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> None:
    began = SystemClock().monotonic()
    await stop()
    assert SystemClock().monotonic() - began < seconds


async def test_a_server_that_stops_ends_its_streams_with_a_word() -> None:
    sources = [Source() for _ in range(40)]
    waiting = iter(sources)

    async def watch(context: Context, request: Look) -> Events:
        source = next(waiting)
        source.put(event(1))
        return await source.watch(context, request)

    async with serving(service(watch=watch)) as server, calling(server) as asking, AsyncExitStack() as opened:
        streams: list[EventStream] = []
        for _ in sources:
            streams.append(await opened.enter_async_context(asking.events(WATCH, TELL)))
            await anext(streams[-1])
        await stopped_within(server.stop, 2.0)
        assert all(source.ended.is_set() for source in sources)
        for stream in streams:
            with pytest.raises(e.Unavailable, match="stopping"):
                await anext(stream)


async def test_a_server_that_stops_does_not_wait_for_the_frozen() -> None:
    flood = Flood()
    async with serving(service(watch=flood.watch)) as server, frozen(server.port):
        await eventually(lambda: flood.given > 0)
        await flood.standstill()
        await stopped_within(server.stop, 2.0)
        assert flood.ended.is_set()


async def test_a_server_that_stops_does_not_wait_for_last_words_to_be_read() -> None:
    source = Source()
    async with serving(service(watch=source.watch)) as server, frozen(server.port):
        await eventually(lambda: len(source.contexts) == 1)
        (connection,) = server.connections
        while not connection.transport.get_write_buffer_size():
            source.put(event(1, b"x" * 20_000))
            await eventually(source.queue.empty)
        assert not connection.flow.write_paused
        await stopped_within(server.stop, 2.0)
        assert source.ended.is_set()


async def test_a_server_that_stops_begins_no_stream() -> None:
    source = Source()
    source.put(event(1))
    async with serving(service(watch=source.watch)) as server, calling(server) as asking:
        async with asking.events(WATCH, TELL) as stream:
            await anext(stream)
            stopping = asyncio.ensure_future(server.stop())
            with pytest.raises(e.Unavailable):
                await anext(stream)
        with pytest.raises(e.Unavailable):
            async with asking.events(WATCH, TELL) as stream:
                await anext(stream)
        await stopping


async def test_after_its_end_the_connection_serves_again() -> None:
    async with serving(service()) as server, calling(server) as asking:
        for _ in range(3):
            async with asking.events(WATCH, TELL) as stream:
                assert [each.id async for each in stream] == ["1", "2", "3"]
            assert (await asking.call(OPEN)).text == "open"
        assert len(server.connections) == 1
