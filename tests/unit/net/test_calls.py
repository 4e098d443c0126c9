"""Calling endpoints: what goes out, and which error each way of failing becomes."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs import errors as e
from cairnfs.net import asgi
from cairnfs.net.asgi import ASGIApp, RawHeaders, Receive, Scope, Send
from cairnfs.net.calls import Calls
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.testing.clock import ManualClock
from tests.unit.net.service import ASK, GIVE, NAMED, ORIGIN, TAKE, Ask, calls, service


class Ear:
    """An application that remembers what it heard and always says the same."""

    def __init__(self, status: int = 200, media: bytes = b"application/json", body: bytes = b'{"text":"x"}'):
        self.headers: dict[str, str] = {}
        self.target = b""
        self._answer: tuple[int, RawHeaders, bytes] = (status, [(b"content-type", media)], body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = dict(asgi.Headers(scope["headers"]))
        self.target = scope["raw_path"]
        await asgi.answer(send, *self._answer)


async def test_a_call_carries_token_deadline_and_media_type() -> None:
    ear = Ear()
    await calls(ear).call(ASK, Ask(text="x"), timeout_s=2.5, headers={"x-request-id": "abc"})
    assert ear.headers["authorization"] == "Bearer user:ann"
    assert 2000 < int(ear.headers["cairn-deadline-ms"]) <= 2500
    assert ear.headers["content-type"] == "application/json"
    assert ear.headers["x-request-id"] == "abc"


async def test_the_deadline_is_never_more_than_a_server_takes() -> None:
    ear = Ear()
    await calls(ear).call(ASK, Ask(text="x"), timeout_s=100_000)
    assert ear.headers["cairn-deadline-ms"] == "120000"


async def test_parameters_stand_in_the_path() -> None:
    ear = Ear()
    await calls(ear).call(NAMED, params={"thing": "T", "part": "9"})
    assert ear.target == b"/v1/things/T/parts/9"
    assert "content-type" not in ear.headers


@pytest.mark.parametrize("value", ["a/b", "", "a b", "%2F", "ä", "..", "x" * 129])
async def test_a_parameter_that_would_change_the_path_is_refused(value: str) -> None:
    with pytest.raises(e.BadRequest):
        await calls(Ear()).call(NAMED, params={"thing": value, "part": "9"})


async def test_the_time_for_a_token_counts() -> None:
    clock = ManualClock()

    async def slow() -> str:
        await clock.sleep(3)
        return "user:ann"

    ear = Ear()
    call = Calls(InProcessTransport({ORIGIN: ear}, clock=clock), ORIGIN, clock=clock, token=slow)
    asking = asyncio.create_task(call.call(ASK, Ask(text="x"), timeout_s=5))
    await clock.run(3)
    await asking
    assert ear.headers["cairn-deadline-ms"] == "2000"
    asking = asyncio.create_task(call.call(ASK, Ask(text="x"), timeout_s=2))
    await clock.run(3)
    with pytest.raises(e.DeadlineExceeded, match="before the request was sent"):
        await asking


async def test_no_answer_in_time_is_an_unknown_outcome() -> None:
    """The server may have acted: only the server's own word is DeadlineExceeded."""
    clock = ManualClock()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await clock.sleep(100)

    asking = asyncio.create_task(calls(silent, clock=clock).call(ASK, Ask(text="x"), timeout_s=5))
    await clock.run(8)
    with pytest.raises(e.OutcomeUnknown, match="did not answer"):
        await asking


async def test_the_servers_word_about_the_deadline_is_waited_for() -> None:
    clock = ManualClock()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await clock.sleep(6)
        await asgi.answer_problem(send, e.DeadlineExceeded("it did not take effect"))

    asking = asyncio.create_task(calls(late, clock=clock).call(ASK, Ask(text="x"), timeout_s=5))
    await clock.run(7)
    with pytest.raises(e.DeadlineExceeded, match="did not take effect"):
        await asking


@pytest.mark.parametrize(
    ("status", "media", "body", "kind"),
    [
        (404, b"application/problem+json", b'{"code":"not_found","status":404,"detail":"gone"}', e.NotFound),
        (404, b"application/problem+json; charset=utf-8", b'{"code":"not_found","status":404}', e.NotFound),
        (409, b"application/problem+json", b'{"code":"of_tomorrow","status":409}', e.Conflict),
        (
            503,
            b"application/problem+json",
            b'{"code":"of_tomorrow","status":503,"retryable":true}',
            e.Unavailable,
        ),
        (503, b"application/problem+json", b"not json", e.Unavailable),
        (502, b"text/html", b"<h1>Bad Gateway</h1>", e.Unavailable),
        (500, b"text/plain", b"oh", e.Internal),
        (301, b"text/plain", b"elsewhere", e.Internal),
        (200, b"application/json", b'{"other":1}', e.Internal),
        (200, b"text/html", b"<h1>Welcome</h1>", e.Internal),
    ],
)
async def test_each_answer_becomes_its_error(
    status: int, media: bytes, body: bytes, kind: type[e.CairnError]
) -> None:
    with pytest.raises(e.CairnError) as raised:
        await calls(Ear(status, media, body)).call(ASK, Ask(text="x"))
    assert type(raised.value) is kind


async def test_nobody_there_is_unreachable() -> None:
    app: ASGIApp = service()
    call = calls(app)
    call.origin = "http://elsewhere"
    with pytest.raises(e.Unreachable):
        await call.call(ASK, Ask(text="x"))


async def test_frames_are_announced_where_their_length_is_known() -> None:
    ear = Ear()
    await calls(ear).send(TAKE, b"x" * 10, length=10, headers={"cairn-session": "s"})
    assert ear.headers["content-length"] == "10"
    assert ear.headers["cairn-session"] == "s"


async def test_a_stream_that_is_refused_is_an_error_at_once() -> None:
    refusal = Ear(410, b"application/problem+json", b'{"code":"chunk_collected","status":410}')
    with pytest.raises(e.ChunkCollected):
        await calls(refusal).stream(GIVE, Ask(text="x"))
