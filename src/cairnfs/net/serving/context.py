"""What a handler is given and what it may give back. Values only, no I/O."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cairnfs.ids import UserId


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
    """A streamed reply. `length` in bytes is announced where it is known."""

    pieces: AsyncIterable[bytes]
    length: int | None = None


Handler = Callable[[Context, Any], Awaitable[Any]]
TakesPieces = Callable[[Context, AsyncIterator[bytes]], Awaitable[Any]]
GivesPieces = Callable[[Context, Any], Awaitable[Pieces | bytes]]
FramesHandler = TakesPieces | GivesPieces
#: Raises TokenInvalid or TokenExpired; offline and cached.
Authenticate = Callable[[str], Caller]
