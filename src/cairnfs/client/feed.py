"""Following a stream of events for as long as one likes: taken up again wherever it broke off.

What belongs here: reconnecting, and how far the stream can be relied on. What does not: what the events
mean: the caller decodes them. Used from one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from cairnfs.client.control import CLOSED, Control
from cairnfs.client.retry import PAUSE_MOST_S, Pauses, worth_repeating
from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, CairnError, TokenExpired, TokenInvalid, Unreachable
from cairnfs.net.calls import IDLE_S, Calls
from cairnfs.net.event_stream import EventStream
from cairnfs.wire.endpoints import Endpoint
from cairnfs.wire.events import LAST_ID_HEADER, LEASE_S, Event

Q = TypeVar("Q")
T = TypeVar("T")

#: How long a stream that cannot be had is asked for again.
PATIENCE_S = 300.0


class Liveness:
    """How far a follower can be relied on: what a cache asks before it answers.

    Times are the clock's boottime in seconds. All that had happened `LEASE_S` before `alive_until` has been
    given to the follower's reader and dealt with. Counted from the sending of the request, so that neither
    a slow network, nor a full buffer, nor a machine that slept makes it believe too much.
    """

    def __init__(self, clock: Clock, lease_s: float = LEASE_S) -> None:
        self.lease_s = lease_s
        self._clock = clock
        self._told_at = float("-inf")
        self._stream: EventStream | None = None

    @property
    def told_at(self) -> float:
        """All that had happened by then has been dealt with. Minus infinity where that is not known."""
        stream = self._stream
        return self._told_at if stream is None else max(self._told_at, stream.told_at)

    @property
    def alive_until(self) -> float:
        """Until when nothing needs to be asked, if nothing more is heard."""
        return self.told_at + self.lease_s

    @property
    def alive(self) -> bool:
        """Whether that is still to come."""
        return self._clock.boottime() < self.alive_until

    def hear(self, stream: EventStream) -> None:
        """A new stream goes on where the last one broke off."""
        self._told_at, self._stream = self.told_at, stream

    def end(self) -> None:
        """Nobody follows any more."""
        self._stream, self._told_at = None, float("-inf")


async def follow(
    control: Control,
    endpoint: Endpoint[Q, Any],
    request: Q | None,
    decode: Callable[[Event], T],
    *,
    last_id: str = "",
    liveness: Liveness | None = None,
    patience_s: float = PATIENCE_S,
    idle_s: float = IDLE_S,
    lost: Callable[[CairnError], None] | None = None,
    opened: Callable[[], None] | None = None,
) -> AsyncGenerator[T, None]:
    """What `decode` makes of each event, for ever; close it (`contextlib.aclosing`) when done.

    It begins after the event `last_id`, if given. A stream that breaks off, falls silent for `idle_s`, or
    ends with its token or its server is opened again after the last event whose successor was asked for, so
    every event comes at least once. Raises what is final (BeforeHorizon, IncarnationChanged, Forbidden...,
    and what `decode` raises), and what may pass once it has not passed for `patience_s`. `lost` is told each
    time why there is no stream now, before it is tried again; not of a token whose time is over. `opened` is
    told each time when there is one.
    """
    clock = control.clock
    liveness = liveness or Liveness(clock)
    calls = Calls(control.transport, control.origin, clock=clock, token=control.tokens.token)
    pauses = Pauses(clock, patience_s)
    try:
        while True:
            opened_at: float | None = None
            token = None
            ended: CairnError = Unreachable(f"{control.origin} ended its stream")
            try:
                if control.closed:
                    raise BadRequest(CLOSED)
                if endpoint.access != "anyone":
                    token = await control.tokens.token()
                headers = {LAST_ID_HEADER: last_id} if last_id else None
                async with calls.events(endpoint, request, idle_s=idle_s, headers=headers) as stream:
                    opened_at = clock.monotonic()
                    liveness.hear(stream)
                    if opened is not None:
                        opened()
                    async for event in stream:
                        yield decode(event)
                        # What a stream begins with is no news: else one that breaks off after it each
                        # time would be opened again without a pause, for ever.
                        if event.id != last_id:
                            pauses = Pauses(clock, patience_s)
                        last_id = event.id
            except (TokenExpired, TokenInvalid) as error:
                # Within a stream its time was over; at the opening another token is needed.
                if opened_at is None and (token is None or not await control.tokens.refused(token)):
                    raise
                ended = error
            except CairnError as error:
                if not worth_repeating(error):
                    raise
                ended = error
            if lost is not None and not isinstance(ended, TokenExpired | TokenInvalid):
                lost(ended)
            if opened_at is not None and clock.monotonic() - opened_at >= PAUSE_MOST_S:
                pauses = Pauses(clock, patience_s)
            await pauses.after(ended)
    finally:
        liveness.end()
