"""The part of the transport's contract that is about answers without an end: streams of events.

What belongs here: what `Calls.events` needs of a transport: pieces at once, silence noticed, leaving
noticed, and no connection that serves twice with half an answer in it. A transport's test subclasses
`EventsContract` beside `TransportContract`, with the same fixtures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import BeforeHorizon, Internal, Unavailable, Unreachable
from cairnfs.net import asgi
from cairnfs.net.asgi import ASGIApp, Receive, Scope, Send
from cairnfs.net.calls import Calls
from cairnfs.net.event_stream import EventStream
from cairnfs.net.transport import Request, Transport
from cairnfs.testing.contracts.transport import Serve, cut
from cairnfs.wire import events
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoints import Endpoint
from cairnfs.wire.events import Event

WATCH = Endpoint("watch", "directory", "GET", "/v1/watch", Empty, Empty, "anyone", "Watch", frames="events")
_HEAD = [(b"content-type", b"text/event-stream; charset=utf-8")]
Tell = Callable[[bytes], Awaitable[None]]


def telling(story: Callable[[Tell, Scope], Awaitable[None]], *, whole: bool = True) -> ASGIApp:
    """An application that tells a story: `story(tell, scope)`; with `whole`, and then ends in peace."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["raw_path"] != b"/v1/watch":
            await asgi.answer(send, 200, [], b"another answer")
            return

        async def tell(lines: bytes) -> None:
            await send({"type": "http.response.body", "body": lines, "more_body": True})

        await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
        await story(tell, scope)
        if whole:
            await send({"type": "http.response.body", "body": b""})

    return app


class Endless:
    """Tells one event after the other, and knows how many of its readers left."""

    def __init__(self, pause_s: float = 0.002) -> None:
        self.pause_s = pause_s
        self.left = asyncio.Queue[None]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def story(tell: Tell, scope: Scope) -> None:
            leaving = asyncio.ensure_future(self._leaving(receive))
            number = 0
            while not leaving.done():
                number += 1
                await tell(events.encode(Event(str(number), "tick", b"{}")))
                await SystemClock().sleep(self.pause_s)
            self.left.put_nowait(None)

        await telling(story)(scope, receive, send)

    @staticmethod
    async def _leaving(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def calls(transport: Transport, origin: str) -> Calls:
    """The application as a reader of its events sees it."""
    return Calls(transport, origin, clock=SystemClock())


async def text_of(transport: Transport, origin: str) -> bytes:
    """What an ordinary request gets."""
    async with await transport.request(Request("GET", origin, "/other")) as response:
        return await response.read(1000)


async def rest(stream: EventStream) -> list[str]:
    """The ids of all events to come."""
    return [event.id async for event in stream]


class EventsContract:
    """Subclass beside `TransportContract`."""

    async def test_events_that_come_slowly_come_for_ever(self, transport: Transport, serve: Serve) -> None:
        """Byte by byte, with a pause after each, far past the time that the opening may take."""

        async def story(tell: Tell, scope: Scope) -> None:
            for byte in events.encode(Event("7", "slow", b"{}")):
                await tell(bytes([byte]))
                await SystemClock().sleep(0.01)

        origin = await serve(telling(story))
        async with calls(transport, origin).events(WATCH, timeout_s=0.1, idle_s=10) as stream:
            assert await rest(stream) == ["7"]

    async def test_each_event_is_here_before_the_next_is_told(
        self, transport: Transport, serve: Serve
    ) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def story(tell: Tell, scope: Scope) -> None:
            for number in range(100):
                await tell(events.encode(Event(str(number), "", b"{}")))
                assert await heard.get() == str(number)

        origin = await serve(telling(story))
        async with asyncio.timeout(10), calls(transport, origin).events(WATCH) as stream:
            async for event in stream:
                heard.put_nowait(event.id)

    async def test_silence_is_noticed(self, transport: Transport, serve: Serve) -> None:
        async def story(tell: Tell, scope: Scope) -> None:
            await tell(events.encode_told(1))
            await told.wait()

        told = asyncio.Event()
        origin = await serve(telling(story))
        try:
            async with calls(transport, origin).events(WATCH, idle_s=0.2) as stream:
                with pytest.raises(Unreachable, match=r"nothing for 0\.2 s"):
                    await anext(stream)
        finally:
            told.set()

    async def test_heartbeats_are_no_silence(self, transport: Transport, serve: Serve) -> None:
        async def story(tell: Tell, scope: Scope) -> None:
            for _ in range(40):
                await tell(events.encode_told(None))
                await SystemClock().sleep(0.05)
            await tell(events.encode(Event("1", "", b"{}")))

        origin = await serve(telling(story))
        async with calls(transport, origin).events(WATCH, timeout_s=0.5, idle_s=1.5) as stream:
            assert await rest(stream) == ["1"]

    async def test_a_stream_left_early_disturbs_nobody(self, transport: Transport, serve: Serve) -> None:
        endless = Endless()
        origin = await serve(endless)
        for _ in range(10):
            async with calls(transport, origin).events(WATCH) as stream:
                assert (await anext(stream)).id == "1"
            assert await text_of(transport, origin) == b"another answer"
        async with asyncio.timeout(5):
            for _ in range(10):
                await endless.left.get()

    async def test_a_stream_that_ended_disturbs_nobody(self, transport: Transport, serve: Serve) -> None:
        async def story(tell: Tell, scope: Scope) -> None:
            await tell(events.encode(Event("1", "", b"{}")))

        origin = await serve(telling(story))
        for _ in range(5):
            async with calls(transport, origin).events(WATCH) as stream:
                assert await rest(stream) == ["1"]
            async with calls(transport, origin).events(WATCH):
                pass
            assert await text_of(transport, origin) == b"another answer"

    async def test_a_stream_that_breaks_off_is_not_one_that_ends(
        self, transport: Transport, serve: Serve
    ) -> None:
        async def story(tell: Tell, scope: Scope) -> None:
            await tell(events.encode(Event("1", "", b"{}")) + b"data: half of the ne")
            await SystemClock().sleep(0.05)
            cut(scope)

        origin = await serve(telling(story, whole=False))
        async with calls(transport, origin).events(WATCH) as stream:
            assert (await anext(stream)).id == "1"
            with pytest.raises(Unreachable, match="broke off"):
                await anext(stream)

    async def test_streams_and_requests_go_on_side_by_side(self, transport: Transport, serve: Serve) -> None:
        origin = await serve(Endless())

        async def follow() -> None:
            async with calls(transport, origin).events(WATCH) as stream:
                for number in range(1, 20):
                    assert (await anext(stream)).id == str(number)

        async def ask() -> None:
            for _ in range(20):
                assert await text_of(transport, origin) == b"another answer"

        async with asyncio.timeout(20):
            await asyncio.gather(*(follow() for _ in range(50)), *(ask() for _ in range(10)))

    async def test_a_reader_that_gave_up_waiting_reads_no_further(
        self, transport: Transport, serve: Serve
    ) -> None:
        """What it would have got is gone: it must not take the next for it, nor the end for the end."""

        async def story(tell: Tell, scope: Scope) -> None:
            await tell(b":\n\n")
            await go_on.wait()
            await tell(events.encode(Event("1", "", b"{}")))

        go_on = asyncio.Event()
        origin = await serve(telling(story))
        async with calls(transport, origin).events(WATCH) as stream:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(stream)
            go_on.set()
            with pytest.raises(Unreachable):
                await anext(stream)

    async def test_refusals_and_other_answers(self, transport: Transport, serve: Serve) -> None:
        async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
            await asgi.answer_problem(send, BeforeHorizon("history begins at 7"))

        async def talking(scope: Scope, receive: Receive, send: Send) -> None:
            await asgi.answer(send, 200, [(b"content-type", b"application/json")], b"{}")

        async def last_words(tell: Tell, scope: Scope) -> None:
            await tell(b'event: problem\ndata: {"code":"unavailable","status":503,"detail":"stopping"}\n\n')

        with pytest.raises(BeforeHorizon):
            await self._open(transport, await serve(refusing))
        with pytest.raises(Internal, match="something else"):
            await self._open(transport, await serve(talking))
        with pytest.raises(Unavailable, match="stopping"):
            await self._open(transport, await serve(telling(last_words)))

    @staticmethod
    async def _open(transport: Transport, origin: str) -> None:
        async with calls(transport, origin).events(WATCH) as stream:
            await rest(stream)
