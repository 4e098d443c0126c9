"""Large messages: so many bytes at once, and no more."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from cairnfs.errors import Busy
from cairnfs.net.asgi import BodyPieces, Message
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Application, Context
from cairnfs.net.serving.bodies import SMALL_BYTES, Bodies, Hold
from cairnfs.net.transport import Request
from tests.unit.net.service import ORIGIN, Ask, Say, service


def body(*pieces: bytes, announced: int | None = None) -> BodyPieces:
    """A body that comes in these pieces."""

    async def coming() -> AsyncIterator[Message]:
        for piece in pieces:
            await asyncio.sleep(0)
            yield {"type": "http.request", "body": piece, "more_body": True}
        yield {"type": "http.request"}

    messages = coming()
    return BodyPieces(lambda: anext(messages), limit_bytes=None, announced_bytes=announced)


async def test_a_body_counts_until_its_request_is_answered() -> None:
    bodies = Bodies(100)
    hold = Hold(bodies)
    assert await hold.whole(body(b"x" * 30, b"y" * 40)) == b"x" * 30 + b"y" * 40
    assert bodies.held_bytes == 70
    hold.release()
    hold.release()
    assert bodies.held_bytes == 0


async def test_of_bodies_that_are_too_large_together_some_are_told_to_come_again() -> None:
    bodies = Bodies(100)
    holds = [Hold(bodies) for _ in range(3)]
    answers = await asyncio.gather(
        *(hold.whole(body(b"x" * 25, b"x" * 25)) for hold in holds), return_exceptions=True
    )
    assert sum(isinstance(answer, Busy) for answer in answers) in (1, 2)
    assert bodies.held_bytes <= 100
    for hold in holds:
        hold.release()
    assert bodies.held_bytes == 0


@pytest.mark.parametrize("announced", [0, 5, SMALL_BYTES])
async def test_small_bodies_do_not_count(announced: int) -> None:
    bodies = Bodies(0)
    assert len(await Hold(bodies).whole(body(b"x" * announced, announced=announced))) == announced


async def test_what_was_cut_off_is_given_back() -> None:
    bodies = Bodies(100)
    hold = Hold(bodies)
    with pytest.raises(Busy):
        await hold.whole(body(b"x" * 60, b"x" * 60))
    assert bodies.held_bytes == 60
    hold.release()
    assert bodies.held_bytes == 0


async def test_a_large_request_is_held_while_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies, asked, go_on = Bodies(500), asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(sys.modules[Application.__module__], "Bodies", lambda: bodies)

    async def slow(context: Context, request: Ask) -> Say:
        asked.set()
        await go_on.wait()
        return Say(text="done")

    async def text() -> AsyncIterator[bytes]:
        yield b'{"text":"' + b"x" * 300 + b'"}'

    app = service(slow)
    transport = InProcessTransport({ORIGIN: app})
    headers = {"content-type": "application/json", "authorization": "Bearer user:ann"}
    first = asyncio.create_task(transport.request(Request("POST", ORIGIN, "/v1/ask", headers, text())))
    await asked.wait()
    async with await transport.request(Request("POST", ORIGIN, "/v1/ask", headers, text())) as refused:
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    go_on.set()
    async with await first as answered:
        assert answered.status == 200
    assert bodies.held_bytes == 0
