"""Requests that wait for something to happen: given up when nobody waits for them, and only so many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.calls import Calls
from cairnfs.net.serving import Application, Context, application
from cairnfs.testing.clock import ManualClock
from cairnfs.wire.endpoint import Endpoint
from tests.unit.net.listening import calling, eventually, serving
from tests.unit.net.service import Ask, Say, authenticate, calls

LINGER = Endpoint(
    "linger", "locks", "POST", "/v1/linger", Ask, Say, "user", "Waits", waits=True, places=(3, 2)
)


class Lingering:
    """A handler that waits to be told, and what became of those who waited."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.waiting = 0
        self.given_up = 0

    async def __call__(self, context: Context, request: Ask) -> Say:
        self.waiting += 1
        try:
            await self.told.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.waiting -= 1
        return Say(text=request.text)

    def app(self, clock: ManualClock | None = None) -> Application:
        return application(
            endpoints=(LINGER,),
            handlers={"linger": self},
            authenticate=authenticate,
            clock=clock or SystemClock(),
            title="Test",
        )


Around = Callable[[ASGIApp], AbstractAsyncContextManager[Calls]]


@asynccontextmanager
async def in_process(app: ASGIApp) -> AsyncIterator[Calls]:
    yield calls(app)


@asynccontextmanager
async def on_sockets(app: ASGIApp) -> AsyncIterator[Calls]:
    async with serving(app) as server, calling(server) as asking:
        yield asking


@pytest.mark.parametrize("around", [in_process, on_sockets])
async def test_it_is_answered_when_it_happens(around: Around) -> None:
    lingering = Lingering()
    async with around(lingering.app()) as asking, asyncio.timeout(10):
        waiting = asyncio.create_task(asking.call(LINGER, Ask(text="a")))
        await eventually(lambda: lingering.waiting == 1)
        lingering.told.set()
        assert await waiting == Say(text="a")


@pytest.mark.parametrize("around", [in_process, on_sockets])
async def test_a_client_that_leaves_is_waited_for_no_more(around: Around) -> None:
    lingering = Lingering()
    async with around(lingering.app()) as asking, asyncio.timeout(10):
        waiting = asyncio.create_task(asking.call(LINGER, Ask(text="a")))
        await eventually(lambda: lingering.waiting == 1)
        waiting.cancel()
        await eventually(lambda: lingering.given_up == 1)
        assert lingering.waiting == 0


async def test_a_server_that_stops_says_so_at_once() -> None:
    lingering = Lingering()
    async with asyncio.timeout(3), serving(lingering.app()) as server, calling(server) as asking:
        waiting = asyncio.create_task(asking.call(LINGER, Ask(text="a")))
        await eventually(lambda: lingering.waiting == 1)
        await server.stop()
        with pytest.raises(e.Unavailable, match="stopping"):
            await waiting


async def test_a_deadline_ends_it() -> None:
    clock, lingering = ManualClock(), Lingering()
    asking = calls(lingering.app(clock), clock=clock)
    waiting = asyncio.create_task(asking.call(LINGER, Ask(text="a"), timeout_s=2))
    await clock.run(0)
    await clock.run(20)
    with pytest.raises((e.DeadlineExceeded, e.OutcomeUnknown)):
        await waiting
    assert lingering.given_up == 1


async def test_only_so_many_wait_at_once() -> None:
    lingering = Lingering()
    app = lingering.app()
    first = [asyncio.create_task(calls(app).call(LINGER, Ask(text="a"))) for _ in range(2)]
    await eventually(lambda: lingering.waiting == 2)
    with pytest.raises(e.Busy, match="2 requests wait here of one user") as busy:
        await calls(app).call(LINGER, Ask(text="a"))
    assert busy.value.retry_after_ms == 2000
    first.append(asyncio.create_task(calls(app, "user:bob").call(LINGER, Ask(text="a"))))
    await eventually(lambda: lingering.waiting == 3)
    with pytest.raises(e.Busy, match="3 requests wait here"):
        await calls(app, "user:cid").call(LINGER, Ask(text="a"))
    lingering.told.set()
    await asyncio.gather(*first)
    assert await calls(app, "user:cid").call(LINGER, Ask(text="a")) == Say(text="a")
