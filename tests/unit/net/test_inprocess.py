"""What only the transport inside a process does: it lives by whatever clock it is given."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.errors import DeadlineExceeded, OutcomeUnknown, Unreachable
from cairnfs.net.asgi import Receive, Scope, Send
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.transport import Request
from cairnfs.testing.clock import ManualClock
from tests.unit.net.service import ORIGIN, service


async def test_its_time_is_the_clocks() -> None:
    clock = ManualClock()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await clock.sleep(3600)

    transport = InProcessTransport({ORIGIN: slow}, clock=clock)
    asking = asyncio.create_task(transport.request(Request("GET", ORIGIN, "/", timeout_s=1800)))
    await clock.run(1799)
    assert not asking.done()
    await clock.run(1)
    with pytest.raises(DeadlineExceeded):
        await asking
    await transport.close()


async def test_servers_come_and_go() -> None:
    transport = InProcessTransport()
    with pytest.raises(Unreachable):
        await transport.request(Request("GET", ORIGIN, "/healthz"))
    transport.apps[ORIGIN] = service()
    async with await transport.request(Request("GET", ORIGIN, "/healthz")) as response:
        assert response.status == 200
    del transport.apps[ORIGIN]
    with pytest.raises(Unreachable):
        await transport.request(Request("GET", ORIGIN, "/healthz"))


async def test_closing_ends_what_still_runs() -> None:
    ended = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    transport = InProcessTransport({ORIGIN: waiting})
    asking = asyncio.create_task(transport.request(Request("GET", ORIGIN, "/")))
    for _ in range(5):
        await asyncio.sleep(0)
    await transport.close()
    assert ended.is_set()
    with pytest.raises(OutcomeUnknown):
        await asking


@pytest.mark.loud
async def test_an_application_that_raises_is_a_broken_connection() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(OutcomeUnknown):
        await InProcessTransport({ORIGIN: broken}).request(Request("GET", ORIGIN, "/"))
