"""Each fault does what it is named for, at both ends, and is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cairnfs.errors import DeadlineExceeded, OutcomeUnknown, Unreachable
from cairnfs.net import asgi
from cairnfs.net.asgi import Receive, Scope, Send
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.transport import Request
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.transport import Fault, FlakyTransport, Plan, script, seeded

ORIGIN = "http://server"


class Server:
    """Remembers the bodies that it took whole, and how many others were begun."""

    def __init__(self) -> None:
        self.whole: list[bytes] = []
        self.begun = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.whole.append(body)
        await asgi.answer(send, 200, [], b"answer")


async def streamed(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 10):
        yield body[at : at + 10]


def flaky(server: Server, plan: Plan, clock: ManualClock | None = None) -> FlakyTransport:
    return FlakyTransport(InProcessTransport({ORIGIN: server}, clock=clock), plan, clock=clock)


async def ask(transport: FlakyTransport, body: bytes | AsyncIterator[bytes] = b"body") -> bytes:
    async with await transport.request(Request("POST", ORIGIN, "/", {}, body)) as response:
        return await response.read(1000)


@pytest.mark.parametrize(
    ("fault", "error", "whole", "begun"),
    [
        (Fault.UNREACHABLE, Unreachable, 0, 0),
        (Fault.CUT_REQUEST, OutcomeUnknown, 0, 1),
        (Fault.REPLY_LOST, OutcomeUnknown, 1, 1),
        (Fault.CUT_REPLY, OutcomeUnknown, 1, 1),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_fault_is_seen_by_both_ends(
    fault: Fault, error: type[Exception], whole: int, begun: int, stream: bool
) -> None:
    server = Server()
    transport = flaky(server, script([fault]))
    with pytest.raises(error):
        await ask(transport, streamed(b"x" * 35) if stream else b"x" * 35)
    assert (len(server.whole), server.begun) == (whole, begun)
    assert transport.counts == {fault: 1}
    assert await ask(transport) == b"answer"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_duplicate_is_done_twice_and_answered_once(stream: bool) -> None:
    server = Server()
    transport = flaky(server, script([Fault.DUPLICATE]))
    assert await ask(transport, streamed(b"x" * 35) if stream else b"x" * 35) == b"answer"
    assert server.whole == [b"x" * 35] * 2


async def test_a_delay_takes_its_time() -> None:
    clock, server = ManualClock(), Server()
    asking = asyncio.create_task(ask(flaky(server, script([Fault.DELAY]), clock)))
    await clock.run(0.04)
    assert not server.begun
    await clock.run(0.02)
    assert await asking == b"answer"


async def test_a_server_that_hangs_does_it_and_says_nothing() -> None:
    clock, server = ManualClock(), Server()
    asking = asyncio.create_task(ask(flaky(server, script([Fault.HANG]), clock)))
    await clock.run(29)
    assert len(server.whole) == 1
    assert not asking.done()
    await clock.run(2)
    with pytest.raises(DeadlineExceeded):
        await asking


async def test_a_seed_chooses_the_same_faults_again(seed: int) -> None:
    rates = {Fault.UNREACHABLE: 0.2, Fault.REPLY_LOST: 0.2}
    request = Request("GET", ORIGIN, "/")

    def chosen() -> list[Fault | None]:
        plan = seeded(seed, rates)
        return [plan(request) for _ in range(500)]

    first = chosen()
    assert first == chosen()
    assert {*first} == {None, Fault.UNREACHABLE, Fault.REPLY_LOST}
    assert 200 < first.count(None) < 400


async def test_faults_can_be_kept_to_some_requests() -> None:
    server = Server()
    transport = flaky(server, script([Fault.UNREACHABLE], only=lambda request: request.method == "PUT"))
    assert await ask(transport) == b"answer"
    with pytest.raises(Unreachable):
        await transport.request(Request("PUT", ORIGIN, "/"))
    assert await ask(transport) == b"answer"
