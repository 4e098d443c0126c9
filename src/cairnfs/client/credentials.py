"""Where tokens come from: given ones, refreshed ones, and the logins that begin it all.

A `TokenSource` gives the token of the moment and is told when one was refused. What belongs here:
the exchange of passwords and refresh tokens for access tokens, one exchange at a time. What does
not: files (`profile.py`). Passwords leave this process only sealed. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from cairnfs.client.retry import Patience, persist
from cairnfs.clock import Clock
from cairnfs.net.calls import Calls
from cairnfs.net.transport import PEER_HEADER, Transport
from cairnfs.wire import auth, endpoints
from cairnfs.wire.codec import Request

#: A token with less than this left is not used any more: it could expire on its way.
_LEFT_US = 30 * 1_000_000
_PATIENCE = Patience(total_s=30.0, attempt_s=15.0)


class TokenSource(Protocol):
    """Gives access tokens."""

    async def token(self) -> str | None:
        """The token to use now; None to ask without one."""
        ...

    async def refused(self, token: str) -> bool:
        """This token was refused: True if the next one will be another."""
        ...


class GivenToken:
    """One token (or none), used as it is."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def token(self) -> str | None:
        """The token that was given."""
        return self._token

    async def refused(self, token: str) -> bool:
        """There is no other."""
        return False


class RefreshedToken:
    """Tokens got by a refresh token, each used until shortly before its end.

    `renew` makes the exchange; however many ask at once, it runs once.
    """

    def __init__(
        self,
        clock: Clock,
        renew: Callable[[str | None], Awaitable[tuple[str, int]]],
        first: tuple[str, int] | None,
    ) -> None:
        """`first` and what `renew` gives are a token and the end of its time (µs since 1970).

        `renew` is told the token that was refused, or None where it merely grew old.
        """
        self._clock = clock
        self._renew = renew
        self._current = first
        self._exchange = asyncio.Lock()

    async def token(self) -> str:
        """A token with time left."""
        return self._fresh() or await self._next(None)

    async def refused(self, token: str) -> bool:
        """Get another one. Raises what the exchange raises."""
        return await self._next(token) != token

    def _fresh(self) -> str | None:
        if self._current is None or self._current[1] - self._clock.now_us() < _LEFT_US:
            return None
        return self._current[0]

    async def _next(self, refused: str | None) -> str:
        async with self._exchange:
            fresh = self._fresh()
            if fresh is not None and fresh != refused:
                return fresh
            self._current = await self._renew(refused)
            return self._current[0]


async def refresh(transport: Transport, url: str, clock: Clock, refresh_token: str) -> auth.TokenReply:
    """Exchange a refresh token. Raises TokenInvalid or TokenExpired where one has to log in anew."""
    request = auth.RefreshRequest(refresh_token=refresh_token)
    calls = Calls(transport, url, clock=clock)
    return await persist(
        clock, _PATIENCE, lambda s: calls.call(endpoints.REFRESH, request, timeout_s=s), stranger=True
    )


async def login(
    transport: Transport, url: str, clock: Clock, name: str, password: str, *, peer: str = ""
) -> auth.TokenReply:
    """Exchange a password. Raises BadCredentials, TooManyLogins.

    `peer`: for whom a door asks, so that failures count as theirs; see `transport.PEER_HEADER`.
    """
    calls = Calls(transport, url, clock=clock)

    def message(now_us: int, nonce: str) -> Request:
        return auth.LoginSealed(purpose="login", name=name, password=password, time_us=now_us, nonce=nonce)

    sealed = await _seal(calls, clock, message)
    return await calls.call(endpoints.LOGIN, sealed, headers={PEER_HEADER: peer} if peer else None)


async def signup(
    transport: Transport,
    url: str,
    clock: Clock,
    name: str,
    password: str | None,
    invitation: str | None = None,
) -> auth.TokenReply:
    """Make a user. Raises Exists, BadName, InvitationRequired."""

    calls = Calls(transport, url, clock=clock)

    def message(now_us: int, nonce: str) -> Request:
        return auth.SignupSealed(
            purpose="signup",
            name=name,
            password=password,
            invitation=invitation,
            time_us=now_us,
            nonce=nonce,
        )

    sealed = await _seal(calls, clock, message)
    return await calls.call(endpoints.SIGNUP, sealed)


async def logout(transport: Transport, url: str, clock: Clock, refresh_token: str) -> None:
    """Revoke a refresh token; one that is not known is no error."""
    request = auth.RefreshRequest(refresh_token=refresh_token)
    calls = Calls(transport, url, clock=clock)
    await persist(
        clock, _PATIENCE, lambda s: calls.call(endpoints.LOGOUT, request, timeout_s=s), stranger=True
    )


async def change_password(
    transport: Transport, url: str, clock: Clock, tokens: TokenSource, old: str | None, new: str
) -> None:
    """Change one's password, which revokes one's refresh tokens. Raises BadCredentials."""

    calls = Calls(transport, url, clock=clock, token=tokens.token)

    def message(now_us: int, nonce: str) -> Request:
        return auth.PasswordSealed(purpose="password", old=old, new=new, time_us=now_us, nonce=nonce)

    await calls.call(endpoints.PASSWORD, await _seal(calls, clock, message))


async def _seal(calls: Calls, clock: Clock, message: Callable[[int, str], Request]) -> auth.SealedRequest:
    """The message of this moment, as the service's own clock tells it, sealed to the service's key."""
    # Only logging in needs cryptography; every other command starts without loading it.
    from cairnfs.wire.sealing import new_nonce, seal

    keys = await persist(clock, _PATIENCE, lambda s: calls.call(endpoints.KEYS, timeout_s=s), stranger=True)
    return auth.SealedRequest(sealed=seal(keys.keys, message(keys.now_us, new_nonce())))
