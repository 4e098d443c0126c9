"""What a handler is given and what it may give back. Values only, no I/O."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cairnfs.ids import UserId
from cairnfs.wire.endpoint import Endpoint
from cairnfs.wire.events import Event


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, after the token was checked. `role`: user, admin or fileserver."""

    user_id: UserId
    name: str
    role: str
    expires_at_us: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler knows besides the message.

    `caller` is None only where the endpoint is open to anyone and no token came. `deadline` is on the
    clock's `monotonic`, in seconds. `headers` have names in lower case. `peer` is an address.
    """

    caller: Caller | None
    params: Mapping[str, str]
    request_id: str
    deadline: float
    headers: Mapping[str, str]
    peer: str
    token: str | None = field(repr=False)

    @property
    def user(self) -> Caller:
        """The caller of an endpoint that is not open to anyone."""
        assert self.caller is not None
        return self.caller


@dataclass(frozen=True, slots=True)
class Pieces:
    """A streamed reply; a piece may lie in several buffers. `length` in bytes is announced if it is known."""

    pieces: AsyncIterable[bytes | Sequence[bytes]]
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where a stream of events has nothing to tell: that it lives.

    `as_of` (the clock's monotonic seconds): all that had happened by then was told before. Readers rely on
    it, for caches; None promises nothing.
    """

    as_of: float | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """A reply that is a stream of events, each sent at once.

    `items` is asked for the next one when the one before has gone out: a slow reader slows it down. Its
    first item sends the head of the answer, so let a Heartbeat be the first where no event is there at
    once; what it raises before is answered as a problem, what it raises later is sent as the last event
    (`problem`). It is closed (`aclose`, where it has one) when the reader leaves, the caller's token
    expires or the server stops; a wait within it is cancelled then. It gives a Heartbeat every
    `wire.events.HEARTBEAT_S`, since readers give up a silent stream.
    """

    items: AsyncIterator[Event | Heartbeat]


Handler = Callable[[Context, Any], Awaitable[Any]]
TakesPieces = Callable[[Context, AsyncIterator[bytes]], Awaitable[Any]]
GivesPieces = Callable[[Context, Any], Awaitable[Pieces | bytes]]
GivesEvents = Callable[[Context, Any], Awaitable[Events]]
FramesHandler = TakesPieces | GivesPieces | GivesEvents
#: Raises TokenInvalid or TokenExpired; offline and cached.
Authenticate = Callable[[str], Caller]
#: Raises Unauthenticated or Forbidden where who calls an endpoint may not now, whatever their token says.
#: Where there is one, it decides who is an administrator.
Standing = Callable[[Endpoint[Any, Any], Caller], Awaitable[None]]
