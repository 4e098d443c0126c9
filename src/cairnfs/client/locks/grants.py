"""Waiting for grants: one stream of events for all that wait in one session, while somebody does.

Where there is no stream, each waiter asks by itself and its answer comes with the grant (long poll). And
since nobody should wait for ever for an event that never came, waiters look how they stand now and then,
a few at a time. What belongs here: that. What does not: asking for locks (`asking.py`). Used from one event
loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from cairnfs.client.control import Control
from cairnfs.client.feed import follow
from cairnfs.client.locks.background import in_background
from cairnfs.errors import (
    CairnError,
    IncarnationChanged,
    LockLost,
    LockTokenWrong,
    NoSuchLock,
    SessionEnded,
)
from cairnfs.net.deadlines import within
from cairnfs.wire import codec
from cairnfs.wire.endpoints.locks import LOCK_EVENTS, WAIT_LOCK
from cairnfs.wire.events import Event
from cairnfs.wire.locks import LOCK_EVENT, LockEvent, LockEventsRequest, LockReply, WaitRequest

#: How often it is looked whether there is something to do besides listening.
TURN_S = 1.0
#: So long a waiter listens before it looks; each look doubles it. So many look in one turn.
LOOK_FIRST_S, LOOK_MOST_S, LOOKS = 8.0, 30.0, 8
#: How long one long poll waits; so many are under way at once.
POLL_S, POLLS = 10.0, 32
_ATTEMPT_S = 10.0
#: For so long nobody has to wait before the stream is closed: who waited once will again.
LINGER_S = 10.0
#: Grants that are kept for requests whose number is not known yet.
_EARLY_MAX = 10_000


@dataclass(slots=True, eq=False)
class _Waiter:
    lock: int
    token: str = field(repr=False)
    granted: asyncio.Future[LockEvent]
    look_at: float
    pause_s: float
    looking: bool = field(default=False)


class Grants:
    """Those who wait in one session."""

    def __init__(self, control: Control, session: str) -> None:
        self.session = session
        self._control = control
        self._clock = control.clock
        self._waiting: dict[int, _Waiter] = {}
        #: Requests on their way whose answer may be that they wait, and grants of such.
        self._asking = 0
        self._early: dict[int, LockEvent] = {}
        #: The highest fence that was heard of; and what it was when the first of those asked who wait now.
        self._known = 0
        self._since = 0
        self._streams = False
        self._failures = 0
        self._idle_at = 0.0
        self._kick = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._turning: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A request is on its way: until it is known to wait (`wait` is called inside), or not to."""
        if not self._asking and not self._waiting and _is_done(self._following):
            self._since = self._known
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._early.clear()

    def know(self, fence: int) -> None:
        """A grant of this session was told otherwise."""
        self._known = max(self._known, fence)

    def wait(self, lock: int, token: str) -> asyncio.Future[LockEvent]:
        """The lock's grant, to come. Cancel it when nobody waits any more.

        It fails with SessionEnded when the session is over, with LockLost when the request was taken back.
        """
        granted: asyncio.Future[LockEvent] = asyncio.get_running_loop().create_future()
        early = self._early.pop(lock, None)
        if early is not None:
            granted.set_result(early)
            return granted
        waiter = _Waiter(lock, token, granted, self._clock.monotonic() + LOOK_FIRST_S, LOOK_FIRST_S)
        self._waiting[lock] = waiter
        granted.add_done_callback(lambda _: self._leave(waiter))
        self._begin()
        return granted

    def end(self, error: SessionEnded) -> None:
        """The session is over: nobody waits in it any more."""
        for waiter in list(self._waiting.values()):
            _fail(waiter, error)

    def stop(self) -> list[asyncio.Task[None]]:
        """Listen no more. Gives what is still to end."""
        tasks = [task for task in (self._following, self._turning, *self._looks) if task is not None]
        for task in tasks:
            task.cancel()
        return tasks

    async def close(self) -> None:
        """Stop, and wait for the end of it."""
        await asyncio.gather(*self.stop(), return_exceptions=True)

    # -- listening

    def _begin(self) -> None:
        if _is_done(self._following):
            self._following = in_background(self._follow(), "cairn grants")
        if _is_done(self._turning):
            self._turning = in_background(self._turn_on(), "cairn waiting")
        if self._failures > 1:
            self._kick.set()

    def _leave(self, waiter: _Waiter) -> None:
        self._waiting.pop(waiter.lock, None)
        self._idle_at = self._clock.monotonic()

    async def _follow(self) -> None:
        request = LockEventsRequest(session=self.session, since=self._since)
        stream = follow(self._control, LOCK_EVENTS, request, _event, lost=self._lost, opened=self._opened)
        try:
            async with aclosing(stream) as events:
                async for event in events:
                    if event is not None:
                        self._granted(event)
        except (SessionEnded, IncarnationChanged) as error:
            self.end(SessionEnded(f"the session is over: {error.detail}"))
        except CairnError:
            # Then each asks by itself.
            self._failures += 2
            self._streams = False
            self._kick.set()

    def _opened(self) -> None:
        self._streams, self._failures = True, 0

    def _lost(self, error: CairnError) -> None:
        self._streams = False
        self._failures += 1
        if self._failures > 1:
            self._kick.set()

    def _granted(self, event: LockEvent) -> None:
        self.know(event.fence)
        waiter = self._waiting.get(event.lock)
        if waiter is not None:
            if not waiter.granted.done():
                waiter.granted.set_result(event)
        elif self._asking and len(self._early) < _EARLY_MAX:
            self._early[event.lock] = event

    # -- looking

    async def _turn_on(self) -> None:
        while True:
            self._kick.clear()
            try:
                async with within(self._clock, TURN_S):
                    await self._kick.wait()
            except TimeoutError:
                pass
            now = self._clock.monotonic()
            if not self._waiting and not self._asking and now - self._idle_at >= LINGER_S:
                following, self._following = self._following, None
                if following is not None:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                if not self._waiting:
                    return
                # Somebody began to wait meanwhile, and counts on this to go on.
            if self._failures > 1 and not self._streams:
                self._look(now, POLLS, POLL_S, due=False)
            else:
                self._look(now, LOOKS, 0.0, due=True)

    def _look(self, now: float, most: int, wait_s: float, *, due: bool) -> None:
        for waiter in list(self._waiting.values()):
            if len(self._looks) >= most:
                return
            if waiter.looking or (due and waiter.look_at > now):
                continue
            waiter.looking = True
            task = in_background(self._look_at(waiter, wait_s), "cairn look")
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)

    async def _look_at(self, waiter: _Waiter, wait_s: float) -> None:
        try:
            reply = await stand(self._control, waiter.lock, waiter.token, wait_s)
        except (NoSuchLock, LockTokenWrong):
            _fail(waiter, LockLost("what was waited for was taken back, or broken"))
        except CairnError:
            pass
        else:
            if reply.state == "held":
                self._granted(LockEvent(lock=reply.lock, fence=reply.fence, incarnation=reply.incarnation))
        finally:
            waiter.looking = False
            waiter.look_at = self._clock.monotonic() + waiter.pause_s
            waiter.pause_s = min(2 * waiter.pause_s, LOOK_MOST_S)


async def stand(control: Control, lock: int, token: str, wait_s: float = 0.0) -> LockReply:
    """How a lock or request stands: now, or when it is granted, or after `wait_s`.

    Raises NoSuchLock, LockTokenWrong, and what may pass.
    """
    request = WaitRequest(token=token, timeout_ms=int(wait_s * 1000))
    return await control.once(WAIT_LOCK, request, params={"lock": str(lock)}, timeout_s=wait_s + _ATTEMPT_S)


def _event(event: Event) -> LockEvent | None:
    return codec.decode(LockEvent, event.data) if event.event == LOCK_EVENT else None


def _fail(waiter: _Waiter, error: CairnError) -> None:
    if not waiter.granted.done():
        waiter.granted.set_exception(error)


def _is_done(task: asyncio.Task[None] | None) -> bool:
    return task is None or task.done()
