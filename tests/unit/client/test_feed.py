"""Following a stream: resumed after what passes, given up at what is final, never believed too long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from cairnfs import errors as e
from cairnfs.client.control import Control
from cairnfs.client.credentials import GivenToken, TokenSource
from cairnfs.client.feed import Liveness, follow
from cairnfs.clock import Clock, SystemClock
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.net.serving import Context, Event, Events, Heartbeat, Server
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.transport import Fault, FlakyTransport
from cairnfs.wire.events import LAST_ID_HEADER
from tests.unit.net import service as toy
from tests.unit.net.service import ORIGIN, WATCH, Look, service

Step = int | Heartbeat | Exception | float | None


class Teller:
    """Tells its story one stream after another.

    A step is the number of an event, a heartbeat, an error, so many seconds to wait, or None: then it waits
    until the reader leaves. A stream ends with its steps.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.streams: deque[list[Step]] = deque()
        self.begun: list[tuple[str, float]] = []

    async def watch(self, context: Context, request: Look) -> Events:
        self.begun.append((context.headers.get(LAST_ID_HEADER, ""), self.clock.monotonic()))
        assert request == Look(path="/a")
        return Events(self._items(self.streams.popleft() if self.streams else [None]))

    async def _items(self, steps: list[Step]) -> AsyncIterator[Event | Heartbeat]:
        yield Heartbeat()
        for step in steps:
            if step is None:
                await asyncio.Event().wait()
            elif isinstance(step, Exception):
                raise step
            elif isinstance(step, float):
                await self.clock.sleep(step)
            elif isinstance(step, Heartbeat):
                yield Heartbeat(as_of=self.clock.monotonic())
            else:
                yield Event(str(step), "count", b"%d" % step)


class Scene:
    """A follower whose clock and whose line are in the test's hands."""

    def __init__(self, tokens: TokenSource | None = None) -> None:
        self.clock = ManualClock()
        self.clock.advance(100)
        self.teller = Teller(self.clock)
        app = service(watch=self.teller.watch, clock=self.clock)
        self.inside = InProcessTransport({ORIGIN: app}, clock=self.clock)
        self.line = FlakyTransport(self.inside, lambda _: None, clock=self.clock)
        self.control = Control(self.line, ORIGIN, clock=self.clock, tokens=tokens or GivenToken("user:ann"))
        self.liveness = Liveness(self.clock)
        self.got: list[int] = []

    def tell(self, *steps: Step) -> None:
        """What the next stream tells."""
        self.teller.streams.append(list(steps))

    def follow(self, **options: float) -> AsyncGenerator[int, None]:
        return follow(
            self.control,
            WATCH,
            Look(path="/a"),
            number,
            liveness=self.liveness,
            **options,  # type: ignore[arg-type]
        )

    def following(self, **options: float) -> asyncio.Task[None]:
        """Take all that comes, until it ends."""

        async def take() -> None:
            async with aclosing(self.follow(**options)) as events:
                async for each in events:
                    self.got.append(each)

        return asyncio.create_task(take())

    @property
    def alive_s(self) -> float:
        """Seconds for which the follower is still relied on."""
        return self.liveness.alive_until - self.clock.boottime()


def number(event: Event) -> int:
    return int(event.data)


@asynccontextmanager
async def ended(task: asyncio.Task[None]) -> AsyncIterator[None]:
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_stream_that_ends_is_taken_up_after_its_last_event() -> None:
    scene = Scene()
    scene.tell(1, 2)
    scene.tell(3)
    async with ended(scene.following()):
        await scene.clock.run(2)
    assert scene.got == [1, 2, 3]
    assert [last for last, _ in scene.teller.begun] == ["", "2", "3"]


@pytest.mark.parametrize(
    "error", [e.Unavailable("the server is stopping"), e.Busy("full"), e.TokenExpired("its time is over")]
)
async def test_what_passes_is_waited_out(error: e.CairnError) -> None:
    scene = Scene()
    scene.tell(1, error)
    scene.tell(2, error)
    async with ended(scene.following()):
        await scene.clock.run(2)
    assert scene.got == [1, 2]
    assert [last for last, _ in scene.teller.begun] == ["", "1", "2"]


@pytest.mark.parametrize(
    "error",
    [
        e.BeforeHorizon("history begins at 7"),
        e.IncarnationChanged("history was cut"),
        e.Forbidden("not yours"),
        e.BadRequest("nonsense"),
        e.Internal("a defect"),
    ],
)
@pytest.mark.parametrize("later", [False, True])
async def test_what_is_final_ends_it(error: e.CairnError, later: bool) -> None:
    scene = Scene()
    before: list[Step] = [1, Heartbeat()] if later else []
    scene.tell(*before, error)
    following = scene.following()
    await scene.clock.run(1)
    with pytest.raises(type(error), match=str(error)):
        await following
    assert scene.got == ([1] if later else [])
    assert len(scene.teller.begun) == 1
    assert not scene.liveness.alive


async def test_a_line_that_breaks_is_mended_without_a_gap() -> None:
    scene = Scene()
    dice = iter([Fault.UNREACHABLE, None, Fault.CUT_REPLY, Fault.REPLY_LOST, None, Fault.CUT_REPLY] * 3)
    scene.line.plan = lambda _: next(dice, None)

    async def watch(context: Context, request: Look) -> Events:
        async def items() -> AsyncIterator[Event | Heartbeat]:
            for each in range(int(context.headers.get(LAST_ID_HEADER, "0")) + 1, 61):
                yield Event(str(each), "count", b"%d" % each)
                if each % 4 == 0:
                    raise e.Unavailable("enough")

        return Events(items())

    scene.inside.apps[ORIGIN] = service(watch=watch, clock=scene.clock)
    async with ended(scene.following()):
        await scene.clock.until(lambda: 60 in scene.got)
    assert scene.got == list(range(1, 61))
    assert scene.line.counts[Fault.CUT_REPLY] > 0


async def test_silence_is_a_broken_line() -> None:
    scene = Scene()
    scene.tell(1, None)
    scene.tell(2)
    async with ended(scene.following(idle_s=7.0)):
        await scene.clock.run(6.9)
        assert scene.got == [1]
        await scene.clock.run(0.5)
        assert scene.got == [1, 2]


async def test_a_server_that_cannot_be_had_is_given_up_after_a_while() -> None:
    scene = Scene()
    scene.line.plan = lambda _: Fault.UNREACHABLE
    following = scene.following(patience_s=30.0)
    await scene.clock.run(27)
    assert not following.done()
    # Pauses grow to two seconds at most.
    assert 14 <= scene.line.counts[Fault.UNREACHABLE] <= 50
    await scene.clock.run(4)
    with pytest.raises(e.Unreachable):
        await following


async def test_patience_begins_anew_with_every_stream() -> None:
    scene = Scene()
    for each in range(20):
        scene.tell(each, 3.0)
    async with ended(scene.following(patience_s=10.0)):
        await scene.clock.run(70)
        assert scene.got == list(range(20))


@pytest.mark.parametrize("said", [Heartbeat(), 7], ids=["nothing", "where it stands"])
async def test_a_server_that_ends_its_streams_at_once_is_not_stormed(said: Step) -> None:
    scene = Scene()
    for _ in range(1000):
        scene.tell(said)
    following = scene.following(patience_s=40.0)
    await scene.clock.run(30)
    assert 15 <= len(scene.teller.begun) <= 60
    await scene.clock.run(20)
    with pytest.raises(e.Unreachable, match="ended its stream"):
        await following


class Wallet:
    """Tokens, one after another; the old ones are refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refusals: list[str] = []

    async def token(self) -> str:
        return self.tokens[0]

    async def refused(self, token: str) -> bool:
        self.refusals.append(token)
        if len(self.tokens) > 1:
            self.tokens.pop(0)
        return self.tokens[0] != token


async def test_a_refused_token_is_replaced() -> None:
    wallet = Wallet("old:ann", "forged", "user:ann")
    scene = Scene(wallet)
    scene.tell(1, None)
    async with ended(scene.following()):
        await scene.clock.run(1)
    assert scene.got == [1]
    assert wallet.refusals == ["old:ann", "forged"]


async def test_without_another_token_it_ends() -> None:
    following = Scene(GivenToken("old:ann")).following()
    with pytest.raises(e.TokenExpired):
        await following
    following = Scene(GivenToken(None)).following()
    with pytest.raises(e.Unauthenticated):
        await following


async def test_a_token_that_expires_within_a_stream_costs_a_reconnection() -> None:
    scene = Scene()
    scene.clock.set_wall(toy.EXPIRES_AT_US - 5_000_000)
    scene.tell(1, None)
    scene.tell(2, None)
    async with ended(scene.following()):
        await scene.clock.run(4.9)
        assert scene.got == [1]
        scene.clock.set_wall(toy.EXPIRES_AT_US - 5_000_000)  # as good as a new token
        await scene.clock.run(0.5)
        assert scene.got == [1, 2]


async def test_an_event_that_cannot_be_read_ends_it() -> None:
    scene = Scene()
    scene.tell(1)

    def refuse(event: Event) -> int:
        raise e.BadRequest("not what was agreed")

    with pytest.raises(e.BadRequest):
        await anext(follow(scene.control, WATCH, Look(path="/a"), refuse))


async def test_a_closed_client_follows_nothing() -> None:
    scene = Scene()
    scene.control.closed = True
    with pytest.raises(e.BadRequest, match="closed"):
        await scene.following()


async def test_it_begins_where_it_is_told() -> None:
    scene = Scene()
    scene.tell(8)
    async with aclosing(follow(scene.control, WATCH, Look(path="/a"), number, last_id="7")) as events:
        assert await anext(events) == 8
    assert [last for last, _ in scene.teller.begun] == ["7"]


async def test_the_follower_lives_as_long_as_it_is_told_so() -> None:
    scene = Scene()
    beat = Heartbeat()
    scene.tell(beat, 1.0, beat, 1.0, beat, 1.0, 1, None)
    assert scene.alive_s == float("-inf")
    async with ended(scene.following(idle_s=60.0)):
        await scene.clock.run(0)
        assert scene.alive_s == 5
        await scene.clock.run(2)
        assert scene.alive_s == 5
        # An event alone promises nothing.
        await scene.clock.run(4.9)
        assert scene.got == [1]
        assert scene.alive_s > 0
        await scene.clock.run(0.2)
        assert not scene.liveness.alive


async def test_a_break_within_the_lease_does_not_end_it() -> None:
    scene = Scene()
    beat = Heartbeat()
    scene.tell(beat, e.Unavailable("stopping"))
    scene.tell(beat, None)
    async with ended(scene.following()):
        await scene.clock.run(0)
        assert scene.alive_s == 5
        await scene.clock.run(0.1)
        assert len(scene.teller.begun) == 2
        assert scene.alive_s > 4.9
    assert not scene.liveness.alive


async def test_a_machine_that_slept_relies_on_nothing() -> None:
    scene = Scene()
    scene.tell(Heartbeat(), None)
    async with ended(scene.following()):
        await scene.clock.run(0)
        believed = [scene.liveness.alive]
        scene.clock.suspend(60)
        assert [*believed, scene.liveness.alive] == [True, False]


async def test_what_was_told_counts_only_once_the_reader_has_dealt_with_it() -> None:
    """An event that lies unread before a heartbeat may be just the one that makes the cache old."""
    scene = Scene()
    beat = Heartbeat()
    scene.tell(beat, 1, 2.0, beat, 2, beat, None)
    async with aclosing(scene.follow(idle_s=60.0)) as events:
        assert await anext(events) == 1
        assert scene.alive_s == 5
        await scene.clock.run(3)
        assert scene.alive_s == 2
        assert await anext(events) == 2
        assert scene.alive_s == 4
        waiting = asyncio.ensure_future(anext(events))
        await scene.clock.run(0)
        assert scene.alive_s == 5
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_server_that_starts_again_is_found_again() -> None:
    clock = SystemClock()
    teller = Teller(clock)
    teller.streams += [[1, Heartbeat(), None], [2, None]]
    transport = HttpTransport()
    app = service(watch=teller.watch)
    server = Server(app)
    await server.start()
    control = Control(transport, server.origin, clock=clock, tokens=GivenToken("user:ann"))
    async with asyncio.timeout(30), aclosing(follow(control, WATCH, Look(path="/a"), number)) as events:
        assert await anext(events) == 1
        again = Server(app, port=server.port)
        waiting = asyncio.ensure_future(anext(events))
        await server.stop()
        await again.start()
        assert await waiting == 2
    assert [last for last, _ in teller.begun] == ["", "1"]
    await transport.close()
    await again.stop()
