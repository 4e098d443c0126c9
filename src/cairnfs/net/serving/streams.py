"""Streams of events being answered: how they begin, go on and end, and how many there may be.

What belongs here: everything that can end a stream, and the limits, which requests that wait have too. What
does not: what the events say
(handlers), their format (`wire/events.py`), the words of the answer (`exchange.py`). Used from one event
loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from cairnfs.clock import Clock
from cairnfs.errors import Busy, DeadlineExceeded, TokenExpired, Unavailable
from cairnfs.ids import UserId
from cairnfs.net import asgi
from cairnfs.net.asgi import ClientGone, Receive
from cairnfs.net.deadlines import within
from cairnfs.net.serving.attending import first_of, leaving, stopping
from cairnfs.net.serving.context import Caller, Context, Events, Heartbeat
from cairnfs.net.serving.exchange import Exchange
from cairnfs.wire import events
from cairnfs.wire.endpoint import Endpoint
from cairnfs.wire.events import Event

STREAMS_MAX = 1024
STREAMS_OF_USER_MAX = 64
#: No stream lasts longer; its reader comes again.
LIFE_MAX_S = 3600.0
#: How long what gives the events may take to end.
CLOSE_S = 5.0
_FULL_RETRY_MS = 2000
_log = structlog.get_logger("net.serving")


class Streams:
    """The count of one process, for each endpoint by itself."""

    def __init__(self, streams_max: int = STREAMS_MAX, of_user_max: int = STREAMS_OF_USER_MAX) -> None:
        """The usual numbers: of one endpoint, and of one user there."""
        self.open: Counter[str] = Counter()
        self._of_user: Counter[tuple[str, UserId]] = Counter()
        self._usual = streams_max, of_user_max

    @contextmanager
    def place(self, endpoint: Endpoint[Any, Any], caller: Caller | None) -> Iterator[None]:
        """A place for one more while the body runs. Raises Busy. Those of anyone count as a user's."""
        name, user = endpoint.name, UserId(-1) if caller is None else caller.user_id
        places, of_user = endpoint.places or self._usual
        what = "requests wait" if endpoint.waits else "streams of events are open"
        if self.open[name] >= places:
            raise _full(f"{places} {what} here, no more are taken")
        if self._of_user[name, user] >= of_user:
            raise _full(f"{of_user} {what} here of one user, no more are taken")
        self.open[name] += 1
        self._of_user[name, user] += 1
        try:
            yield
        finally:
            self.open[name] -= 1
            self._of_user[name, user] -= 1
            if not self._of_user[name, user]:
                del self._of_user[name, user]


def _full(detail: str) -> Busy:
    error = Busy(detail, hint="close some, or come again later")
    error.retry_after_ms = _FULL_RETRY_MS
    return error


class Stream:
    """One stream: `run` answers with it until it ends, for whatever reason."""

    def __init__(
        self,
        exchange: Exchange,
        receive: Receive,
        context: Context,
        given: Events,
        *,
        clock: Clock,
        began: float,
    ) -> None:
        """`began`: the clock's monotonic when the request came."""
        self._exchange = exchange
        self._receive = receive
        self._context = context
        self._items = given.items
        self._clock = clock
        self._began = began
        self._peer = asgi.peer_of(exchange.scope)

    async def run(self) -> None:
        """Tell the events. Raises why it ended, if not by itself: ClientGone, TokenExpired, Unavailable..."""
        # Where several are done at once the first of them counts: what was told, then who hears it.
        reasons: list[Coroutine[Any, Any, None]] = [self._tell(), leaving(self._receive), self._time()]
        if self._peer is not None:
            reasons.append(stopping(self._peer))
        try:
            ended = await first_of(reasons)
        finally:
            await self._close()
        await ended

    async def _tell(self) -> None:
        async for item in self._items:
            # What is told now is true now, however long it takes to go out.
            lines = self._lines(item)
            if not self._exchange.status:
                await self._exchange.begin_events()
            await self._exchange.tell(lines)
            if self._peer is not None and self._peer.gone:
                # Nothing waits for anybody any more: a source that is never short of events would not either.
                raise ClientGone
        if not self._exchange.status:
            await self._exchange.begin_events()
        await self._exchange.end_events()

    def _lines(self, item: Event | Heartbeat) -> bytes:
        if isinstance(item, Event):
            return events.encode(item)
        told_s = -1.0 if item.as_of is None else item.as_of - self._began
        return events.encode_told(int(told_s * 1000) if told_s >= 0 else None)

    async def _time(self) -> None:
        caller = self._context.caller
        token_s = LIFE_MAX_S if caller is None else (caller.expires_at_us - self._clock.now_us()) / 1e6
        life_s = min(token_s, LIFE_MAX_S)
        first_s = min(self._context.deadline - self._clock.monotonic(), life_s)
        await self._clock.sleep(first_s)
        if not self._exchange.status and first_s < life_s:
            raise DeadlineExceeded("the time was over before there was anything to tell")
        await self._clock.sleep(life_s - first_s)
        if token_s < LIFE_MAX_S:
            raise TokenExpired("the access token's time is over: come again with another")
        raise Unavailable(f"a stream lasts {LIFE_MAX_S:g} s at most: come again")

    async def _close(self) -> None:
        close: Any = getattr(self._items, "aclose", None)
        if close is None:
            return
        try:
            async with within(self._clock, CLOSE_S):
                await close()
        except Exception:  # noqa: BLE001 - the stream is over; what went wrong at its end is for us alone
            _log.exception("a stream's source did not end well", path=self._exchange.scope["raw_path"])
