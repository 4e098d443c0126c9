"""Streams of events: how they begin, go on and end, and that nothing piles up meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from cairnfs import errors as e
from cairnfs.clock import Clock, SystemClock
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.calls import Calls
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Context, Event, Events, Heartbeat
from cairnfs.net.serving import streams as limits
from cairnfs.net.transport import Request
from cairnfs.testing.clock import ManualClock
from tests.unit.net import service as toy
from tests.unit.net.listening import calling, eventually, serving
from tests.unit.net.service import ORIGIN, WATCH, Look, Watch, calls, service
from tests.unit.net.telling import TELL, Source, event


async def get(app: ASGIApp, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> str:
    """The whole answer: status, media type and body."""
    headers = {"authorization": "Bearer user:ann", **(headers or {})}
    response = await InProcessTransport({ORIGIN: app}).request(Request("GET", ORIGIN, target, headers, body))
    async with response:
        return (
            f"{response.status} {response.headers['content-type']}\n{(await response.read(10_000)).decode()}"
        )


async def test_the_answer_is_an_event_stream() -> None:
    app = service()
    request = Request("GET", ORIGIN, "/v1/watch?path=/a&since=1", {"authorization": "Bearer user:ann"})
    async with await InProcessTransport({ORIGIN: app}).request(request) as response:
        assert response.status == 200
        assert response.headers == {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
        }
        assert await response.read(10_000) == (
            b'id: 2\nevent: count\ndata: {"text":"/a"}\n\nid: 3\nevent: count\ndata: {"text":"/a"}\n\n'
        )


async def test_the_query_becomes_the_request_byte_for_byte() -> None:
    source = Source()
    source.put(None)
    await get(service(watch=source.watch), "/v1/watch?path=/%FF+a%2Fb&since=7&deep=true")
    (request,) = source.requests
    assert request == Look(path="/\\xff+a/b", path_b64="L/8rYS9i", since=7, deep=True)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "bad_request"),
        ("?path=/&path=/", "bad_request"),
        ("?path=/&since=x", "bad_request"),
        ("?path=/&since=9223372036854775808", "bad_request"),
        ("?path=/&more=1", "unknown_field"),
        ("?path=/%f", "bad_name"),
    ],
)
async def test_a_bad_query_stops_at_the_border(query: str, code: str) -> None:
    answer = await get(service(), f"/v1/watch{query}")
    assert answer.startswith("400 application/problem+json")
    assert f'"code":"{code}"' in answer


async def test_a_stream_is_asked_for_without_a_body_and_not_by_head() -> None:
    assert "without a body" in await get(service(), "/v1/watch?path=/", body=b"{}")
    request = Request("HEAD", ORIGIN, "/v1/watch?path=/", {"authorization": "Bearer user:ann"})
    async with await InProcessTransport({ORIGIN: service()}).request(request) as response:
        assert response.status == 405


async def test_a_stream_needs_a_login_like_everything_else() -> None:
    with pytest.raises(e.Unauthenticated):
        await first(calls(service(), None))
    with pytest.raises(e.TokenExpired):
        await first(calls(service(), "old:ann"))


async def first(asking: Calls) -> Event:
    async with asking.events(WATCH, TELL) as stream:
        return await anext(stream)


async def test_the_last_id_reaches_the_handler() -> None:
    async with calls(service()).events(WATCH, TELL, headers={"last-event-id": "2"}) as stream:
        assert [each.id async for each in stream] == ["3"]


@pytest.mark.parametrize("when", ["in the handler", "in the iterator"])
async def test_an_error_before_the_first_event_is_a_problem(when: str) -> None:
    source = Source()
    source.put(e.BeforeHorizon("history begins at 7"))

    async def refuse(context: Context, request: Look) -> Events:
        raise e.BeforeHorizon("history begins at 7")

    app = service(watch=refuse if when == "in the handler" else source.watch)
    answer = await get(app, "/v1/watch?path=/")
    assert answer.startswith("410 application/problem+json")
    with pytest.raises(e.BeforeHorizon, match="begins at 7"):
        await first(calls(service(watch=refuse)))


async def test_an_error_after_an_event_is_the_last_event() -> None:
    source = Source()
    source.put(event(1), e.Forbidden("no longer yours"))
    answer = await get(service(watch=source.watch), "/v1/watch?path=/", {"x-request-id": "mine"})
    assert answer.startswith("200 ")
    _, _, problem = answer.partition("id: 1\nevent: count\ndata: {}\n\n")
    assert problem.startswith('event: problem\ndata: {"code":"forbidden","status":403')
    assert '"request_id":"mine"' in problem
    assert problem.endswith("\n\n")
    assert source.ended.is_set()


@pytest.mark.loud
async def test_a_defect_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    source.put(event(1), ZeroDivisionError("the secret of the server"))
    answer = await get(service(watch=source.watch), "/v1/watch?path=/", {"x-request-id": "find-me"})
    assert '"code":"internal"' in answer
    assert "secret" not in answer
    assert "find-me" in caplog.text


async def test_an_event_too_large_ends_the_stream_with_a_problem() -> None:
    source = Source()
    source.put(event(1), event(2, b"x" * 2_000_000))
    async with calls(service(watch=source.watch)).events(WATCH, TELL) as stream:
        await anext(stream)
        with pytest.raises(e.TooLarge):
            await anext(stream)


async def test_nothing_to_tell_within_the_deadline_is_a_problem() -> None:
    clock, source = ManualClock(), Source()
    asking = asyncio.create_task(first(calls(service(watch=source.watch, clock=clock))))
    await clock.run(30.5)
    with pytest.raises(e.DeadlineExceeded):
        await asking
    assert source.ended.is_set()


async def test_heartbeats_tell_how_far_all_was_told() -> None:
    clock, source = ManualClock(), Source()
    clock.advance(100)
    source.put(Heartbeat(), Heartbeat(as_of=99.0), Heartbeat(as_of=100.0))
    reading = asyncio.create_task(get(service(watch=source.watch, clock=clock), "/v1/watch?path=/"))
    await clock.run(2.5)
    source.put(Heartbeat(as_of=clock.monotonic() - 0.5), None)
    assert (await reading).endswith("\n:\n\n:\n\n: told 0\n\n: told 2000\n\n")


async def test_what_is_told_is_counted_from_the_sending_of_the_request() -> None:
    """Whoever lies frozen before old heartbeats does not take them for new ones."""
    clock, source = ManualClock(), Source()
    clock.advance(1000)
    source.put(event(0))
    async with calls(service(watch=source.watch, clock=clock), clock=clock).events(WATCH, TELL) as stream:
        assert (await anext(stream)).id == "0"
        assert stream.told_at == float("-inf")
        source.put(Heartbeat(as_of=1000.0), event(1), Heartbeat(as_of=1001.0), event(2))
        await clock.run(3)
        clock.suspend(3600)
        assert (await anext(stream)).id == "1"
        assert stream.told_at == 1000.0
        assert (await anext(stream)).id == "2"
        assert stream.told_at == 1001.0


async def test_a_stream_ends_with_its_token() -> None:
    clock, source = ManualClock(), Source()
    clock.set_wall(toy.EXPIRES_AT_US - 9_000_000)
    source.put(event(1))
    async with calls(service(watch=source.watch, clock=clock), clock=clock).events(WATCH, TELL) as stream:
        await anext(stream)
        reading = asyncio.ensure_future(anext(stream))
        await clock.run(8.5)
        assert not reading.done()
        await clock.run(1)
        with pytest.raises(e.TokenExpired):
            await reading
    assert source.ended.is_set()


async def test_a_stream_does_not_last_for_ever() -> None:
    clock, source = ManualClock(), Source()
    source.put(event(1))
    reading = asyncio.create_task(get(service(watch=source.watch, clock=clock), "/v1/watch?path=/"))
    await clock.run(limits.LIFE_MAX_S + 31)
    assert '"code":"unavailable"' in await reading


async def test_a_user_and_a_process_have_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = limits.Streams(5, 3)
    monkeypatch.setattr(sys.modules["cairnfs.net.serving.application"], "Streams", lambda: counted)
    sources: list[Source] = []

    async def watch(context: Context, request: Look) -> Events:
        sources.append(Source())
        sources[-1].put(event(1))
        return await sources[-1].watch(context, request)

    app = service(watch=watch)
    async with AsyncExitStack() as open_ones:
        for name in ("ann", "ann", "ann", "bob", "bob"):
            stream = await open_ones.enter_async_context(calls(app, f"user:{name}").events(WATCH, TELL))
            await anext(stream)
        with pytest.raises(e.Busy, match="5 streams") as full:
            await first(calls(app, "user:cid"))
        assert full.value.retry_after_ms == 2000
        answer = await get(app, "/v1/watch?path=/")
        assert answer.startswith("503 ")
        sources[4].put(None)
        await eventually(lambda: counted.open["watch"] == 4)
        with pytest.raises(e.Busy, match="3 streams"):
            await first(calls(app, "user:ann"))
        metrics = await get(app, "/metrics")
        assert 'cairn_streams{endpoint="watch"} 4.0' in metrics
        assert 'cairn_requests_total{endpoint="watch",status="200"} 1.0' in metrics
    await eventually(lambda: counted.open["watch"] == 0)
    assert 'cairn_requests_total{endpoint="watch",status="200"} 5.0' in await get(app, "/metrics")
    assert all(source.ended.is_set() for source in sources)


Around = Callable[[Watch], AbstractAsyncContextManager[Calls]]


@asynccontextmanager
async def in_process(watch: Watch) -> AsyncIterator[Calls]:
    yield calls(service(watch=watch))


@asynccontextmanager
async def on_sockets(watch: Watch) -> AsyncIterator[Calls]:
    async with serving(service(watch=watch)) as server, calling(server) as asking:
        yield asking


@pytest.mark.parametrize("around", [in_process, on_sockets])
async def test_each_event_arrives_at_once(around: Around) -> None:
    source = Source()
    async with around(source.watch) as asking, asyncio.timeout(10):
        source.put(Heartbeat())
        async with asking.events(WATCH, TELL) as stream:
            for number in range(50):
                source.put(event(number))
                assert (await anext(stream)).id == str(number)
            source.put(None)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


@pytest.mark.parametrize("around", [in_process, on_sockets])
async def test_a_reader_that_leaves_closes_the_source(around: Around) -> None:
    source = Source()
    source.put(event(1))
    async with around(source.watch) as asking, asyncio.timeout(5):
        async with asking.events(WATCH, TELL) as stream:
            await anext(stream)
            assert not source.ended.is_set()
        await source.ended.wait()


async def test_a_transport_that_closes_ends_its_streams() -> None:
    source = Source()
    source.put(event(1))
    clock: Clock = SystemClock()
    transport = InProcessTransport({ORIGIN: service(watch=source.watch)})

    async def token() -> str:
        return "user:ann"

    async with Calls(transport, ORIGIN, clock=clock, token=token).events(WATCH, TELL) as stream:
        await anext(stream)
        async with asyncio.timeout(5):
            await transport.close()
        assert source.ended.is_set()
        with pytest.raises(e.Unreachable):
            await anext(stream)
