"""What every endpoint has in common: access, limits, deadlines, and errors as problems."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest

from cairnfs import errors as e
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Context
from cairnfs.net.transport import Body, Request, Response
from cairnfs.testing.clock import ManualClock
from cairnfs.wire import chunks
from cairnfs.wire.problems import MEDIA_TYPE, Problem
from tests.unit.net.service import ADMIN, ASK, GIVE, NAMED, OPEN, ORIGIN, TAKE, Ask, Say, calls, service

JSON = {"content-type": "application/json", "authorization": "Bearer user:ann"}
FRAMES = {**JSON, "content-type": chunks.MEDIA_TYPE}


async def send(
    app: ASGIApp,
    body: Body = b"{}",
    headers: Mapping[str, str] = JSON,
    *,
    target: str = "/v1/ask",
    method: str = "POST",
) -> Response:
    return await InProcessTransport({ORIGIN: app}).request(Request(method, ORIGIN, target, headers, body))


async def problem_of(response: Response) -> Problem:
    async with response:
        assert response.headers["content-type"] == MEDIA_TYPE
        problem = msgspec.json.decode(await response.read(100_000), type=Problem)
        assert problem.status == response.status
        return problem


async def code_of(response: Response) -> str:
    return (await problem_of(response)).code


async def test_a_message_goes_in_and_a_message_comes_out() -> None:
    assert await calls(service()).call(ASK, Ask(text="ab", times=3)) == Say(text="ababab", caller="ann")


async def test_parameters_of_the_path_reach_the_handler() -> None:
    reply = await calls(service()).call(NAMED, params={"thing": "a-1", "part": "b_2"})
    assert reply.text == "a-1 b_2"


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Basic dTpw", "Bearer", "forged"])
async def test_without_a_token_there_is_no_answer(authorization: str) -> None:
    headers = {"content-type": "application/json"}
    if authorization:
        headers["authorization"] = authorization
    response = await send(service(), b'{"text":"x"}', headers)
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.status == 401
    assert await code_of(response) in ("unauthenticated", "token_invalid")


async def test_an_expired_token_says_so_even_where_none_is_needed() -> None:
    with pytest.raises(e.TokenExpired):
        await calls(service(), "old:ann").call(ASK, Ask(text="x"))
    response = await send(
        service(), b"", {"authorization": "Bearer old:ann"}, target="/v1/open", method="GET"
    )
    assert await code_of(response) == "token_expired"


async def test_an_endpoint_for_anyone_is_called_without_a_token() -> None:
    """So that a client whose token has expired can still log in."""
    assert (await calls(service(), "old:ann").call(OPEN)).caller is None


@pytest.mark.parametrize("role", ["user", "fileserver"])
async def test_roles_are_checked(role: str) -> None:
    with pytest.raises(e.Forbidden):
        await calls(service(), f"{role}:ann").call(ADMIN)
    assert (await calls(service(), "admin:ann").call(ADMIN)).text == "admin"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"{}", "bad_request"),
        (b"not json", "bad_request"),
        (b'{"text":1}', "bad_request"),
        (b'{"text":"x","times":-1}', "bad_request"),
        (b'{"text":"x","times":99999999999999999999}', "bad_request"),
        (b'{"text":"\\ud800"}', "bad_request"),
        (b'{"text":"x","more":1}', "unknown_field"),
        (b'{"text":"' + b"x" * 1000 + b'"}', "too_large"),
        (b"[" * 500, "bad_request"),
    ],
)
async def test_bad_messages_stop_at_the_border(body: bytes, code: str) -> None:
    assert await code_of(await send(service(), body)) == code


@pytest.mark.parametrize("media", ["", "text/plain", "application/x-www-form-urlencoded", chunks.MEDIA_TYPE])
async def test_a_body_must_say_that_it_is_json(media: str) -> None:
    response = await send(service(), b'{"text":"x"}', {**JSON, "content-type": media})
    assert await code_of(response) == "unsupported_media"


async def test_json_with_a_parameter_is_json() -> None:
    headers = {**JSON, "content-type": "Application/JSON; charset=utf-8"}
    async with await send(service(), b'{"text":"x"}', headers) as response:
        assert response.status == 200


async def test_a_message_that_says_nothing_may_be_absent() -> None:
    headers = {"authorization": "Bearer admin:root"}
    async with await send(service(), b"", headers, target="/v1/admin") as response:
        assert response.status == 200


@pytest.mark.parametrize("announced", ["5", "11", "-1", "1e1", "x", "9" * 30])
async def test_an_announced_length_must_be_the_real_one(announced: str) -> None:
    response = await send(service(), b'{"text":""}'[:10], {**JSON, "content-length": announced})
    assert await code_of(response) == "length_mismatch"


async def test_a_body_announced_over_the_limit_is_refused_unread() -> None:
    asked = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        asked = True
        yield b"x" * 1001

    response = await send(service(), body(), {**JSON, "content-length": "1001"})
    assert await code_of(response) == "too_large"
    assert not asked


async def test_an_unannounced_body_is_counted() -> None:
    pieces = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal pieces
        while True:
            pieces += 1
            yield b"x" * 600

    assert await code_of(await send(service(), body())) == "too_large"
    assert pieces == 2


@pytest.mark.parametrize("given", ["0", "-1", "120001", "1.5", "soon", "99999999999999999999", ""])
async def test_a_deadline_is_from_1_to_120000_milliseconds(given: str) -> None:
    response = await send(service(), b'{"text":"x"}', {**JSON, "cairn-deadline-ms": given})
    assert await code_of(response) == "bad_request"


@pytest.mark.parametrize(("given", "seconds"), [(None, 30.0), ("1", 0.001), ("120000", 120.0)])
async def test_the_handler_is_told_its_deadline(given: str | None, seconds: float) -> None:
    clock = ManualClock()
    clock.advance(1000)
    deadlines = []

    async def act(context: Context, request: Ask) -> Say:
        deadlines.append(context.deadline)
        return Say(text="")

    headers = JSON if given is None else {**JSON, "cairn-deadline-ms": given}
    async with await send(service(act, clock=clock), b'{"text":"x"}', headers) as response:
        assert response.status == 200
    assert deadlines == [pytest.approx(1000 + seconds)]


async def test_a_handler_past_its_deadline_may_still_tell_the_outcome() -> None:
    clock = ManualClock()

    async def act(context: Context, request: Ask) -> Say:
        await clock.sleep(4.9)
        return Say(text="committed")

    asking = asyncio.create_task(calls(service(act, clock=clock)).call(ASK, Ask(text="x"), timeout_s=1))
    await clock.run(4.95)
    assert (await asking).text == "committed"


async def test_a_handler_that_never_ends_is_cancelled_and_its_outcome_unknown() -> None:
    clock = ManualClock()
    ended = []

    async def act(context: Context, request: Ask) -> Say:
        try:
            await clock.sleep(1000)
        finally:
            ended.append(clock.monotonic())
        raise AssertionError

    headers = {**JSON, "cairn-deadline-ms": "1000"}
    asking = asyncio.create_task(send(service(act, clock=clock), b'{"text":"x"}', headers))
    await clock.run(6.1)
    assert await code_of(await asking) == "outcome_unknown"
    assert ended == [6.0]


async def test_a_body_that_comes_too_late_is_refused_for_sure() -> None:
    clock = ManualClock()

    async def late() -> AsyncIterator[bytes]:
        yield b'{"text":'
        await clock.sleep(1.5)
        yield b'"x"}'

    headers = {**JSON, "cairn-deadline-ms": "1000"}
    asking = asyncio.create_task(send(service(clock=clock), late(), headers))
    await clock.run(2)
    assert await code_of(await asking) == "deadline_exceeded"


async def test_an_error_arrives_as_it_was_raised() -> None:
    async def act(context: Context, request: Ask) -> Say:
        error = e.Busy("the queue is full", hint="wait", path="/a")
        error.retry_after_ms = 1500
        raise error

    response = await send(service(act), b'{"text":"x"}', {**JSON, "x-request-id": "my-id.1"})
    assert response.headers["retry-after"] == "2"
    assert response.headers["x-request-id"] == "my-id.1"
    problem = await problem_of(response)
    assert (problem.code, problem.status, problem.detail, problem.hint) == (
        "busy",
        503,
        "the queue is full",
        "wait",
    )
    assert (problem.path, problem.retryable, problem.retry_after_ms) == ("/a", True, 1500)
    assert problem.request_id == "my-id.1"
    with pytest.raises(e.Busy, match="the queue is full") as raised:
        await calls(service(act)).call(ASK, Ask(text="x"))
    assert raised.value.retry_after_ms == 1500


async def test_a_strange_request_id_is_replaced() -> None:
    problem = await problem_of(await send(service(), b"x", {**JSON, "x-request-id": "a b\tc" + "d" * 100}))
    assert problem.request_id
    assert " " not in problem.request_id


@pytest.mark.loud
async def test_a_defect_is_logged_with_its_request_id_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def act(context: Context, request: Ask) -> Say:
        raise ZeroDivisionError("the secret of the server")

    response = await send(service(act), b'{"text":"x"}', {**JSON, "x-request-id": "find-me"})
    problem = await problem_of(response)
    assert (problem.code, problem.request_id) == ("internal", "find-me")
    assert "secret" not in repr(problem)
    assert "find-me" in caplog.text
    assert any(record.exc_info for record in caplog.records)


async def test_frames_come_in_as_pieces() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * 1000

    assert (await calls(service()).send(TAKE, body())).text == "9000"
    assert (await calls(service()).send(TAKE, b"y" * 77, length=77)).text == "77"


@pytest.mark.parametrize(
    ("size", "announced", "code"),
    [(10_001, None, "too_large"), (10, "11", "length_mismatch"), (10, "9", "length_mismatch")],
)
async def test_frames_have_limits_too(size: int, announced: str | None, code: str) -> None:
    headers = FRAMES if announced is None else {**FRAMES, "content-length": announced}
    assert await code_of(await send(service(), b"x" * size, headers, target="/v1/take")) == code


async def test_frames_must_say_that_they_are_frames() -> None:
    assert await code_of(await send(service(), b"x", JSON, target="/v1/take")) == "unsupported_media"


async def test_frames_go_out_as_pieces() -> None:
    async with await calls(service()).stream(GIVE, Ask(text="abc", times=1000)) as response:
        assert response.headers["content-type"] == chunks.MEDIA_TYPE
        assert await response.read(10_000) == b"abc" * 1000


async def test_an_error_within_the_pieces_breaks_the_connection() -> None:
    async with await calls(service()).stream(GIVE, Ask(text="break", times=1)) as response:
        with pytest.raises(e.OutcomeUnknown):
            await response.read(10_000)


async def test_an_error_before_the_pieces_is_a_problem() -> None:
    with pytest.raises(e.TokenExpired):
        await calls(service(), "old:x").stream(GIVE, Ask(text="x"))
