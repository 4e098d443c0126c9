"""Accounts for commands: sign up, log in, log out, change the password, and keep the profile in step.

Synchronous, through the portal. What belongs here: exchange, then files, in an order that a crash
between them does not hurt. What does not: prompts. Any thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from cairnfs.client import credentials, saved
from cairnfs.client import profile as profiles
from cairnfs.client.connecting import checked_url
from cairnfs.client.portal import portal
from cairnfs.client.profile import Profile
from cairnfs.clock import Clock, SystemClock
from cairnfs.errors import CairnError, Unauthenticated, Unavailable
from cairnfs.net.calls import Calls
from cairnfs.net.http_transport import HttpTransport
from cairnfs.net.transport import Transport
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply

R = TypeVar("R")


def login(url: str, user: str, password: str, *, profile: str | None = None) -> Profile:
    """Log in and save the profile. Raises BadCredentials, TooManyLogins, Unreachable; OSError at first."""
    origin = checked_url(url)
    profiles.require_writable(profile)
    return _run(
        lambda transport, clock: _enter(
            transport,
            clock,
            origin,
            user,
            profile,
            credentials.login(transport, origin, clock, user, password),
        )
    )


def signup(
    url: str,
    user: str,
    password: str | None,
    *,
    invitation: str | None = None,
    profile: str | None = None,
) -> Profile:
    """Make a user and save its profile. Raises Exists, BadName, InvitationRequired; OSError at first."""
    origin = checked_url(url)
    profiles.require_writable(profile)
    return _run(
        lambda transport, clock: _enter(
            transport,
            clock,
            origin,
            user,
            profile,
            credentials.signup(transport, origin, clock, user, password, invitation),
        )
    )


def logout(*, profile: str | None = None) -> None:
    """Revoke the refresh token and forget the profile.

    Where the cluster cannot be reached the profile is forgotten all the same, and the error raised.
    """
    known = profiles.load(profile)
    if known is None:
        raise Unauthenticated("nobody is logged in", hint="")
    try:
        _run(lambda transport, clock: credentials.logout(transport, known.url, clock, known.refresh_token))
    except Unavailable as error:
        profiles.remove(profile)
        raise Unavailable(
            f"the profile is forgotten, but the login could not be revoked: {error.detail}",
            hint="it expires by itself",
        ) from error
    profiles.remove(profile)


def change_password(old: str | None, new: str, *, profile: str | None = None) -> None:
    """Change the password of the profile's user, and log in anew with it. Raises BadCredentials."""
    known = profiles.load(profile)
    if known is None:
        raise Unauthenticated("nobody is logged in")
    profiles.require_writable(profile)

    async def change(transport: Transport, clock: Clock) -> Profile:
        tokens = saved.tokens(transport, clock, known, profile)
        await credentials.change_password(transport, known.url, clock, tokens, old, new)
        again = credentials.login(transport, known.url, clock, known.user, new)
        return await _enter(transport, clock, known.url, known.user, profile, again)

    _run(change)


async def _enter(
    transport: Transport,
    clock: Clock,
    origin: str,
    user: str,
    profile: str | None,
    entering: Awaitable[TokenReply],
) -> Profile:
    """Finish a login or sign-up: write down who one is now."""
    reply = await entering
    keys = await Calls(transport, origin, clock=clock).call(endpoints.KEYS)
    before = profiles.load(profile) if _readable(profile) else None
    entered = Profile(
        origin,
        reply.user or user,
        reply.refresh_token,
        keys.cluster_id,
        # Where the cache is, is this machine's matter and outlives a login.
        cache_bytes=before.cache_bytes if before is not None else None,
        cache_dir=before.cache_dir if before is not None else None,
    )
    saved.keep(entered, reply, profile)
    if before is not None and before.url == origin and before.refresh_token != reply.refresh_token:
        await _revoke(transport, clock, before)
    return entered


def _readable(profile: str | None) -> bool:
    """A profile that cannot be read is simply written anew."""
    try:
        profiles.load(profile)
    except CairnError:
        return False
    return True


async def _revoke(transport: Transport, clock: Clock, before: Profile) -> None:
    """The login that the new one replaces is of no more use to anyone."""
    try:
        await credentials.logout(transport, before.url, clock, before.refresh_token)
    except CairnError:
        return


def _run(work: Callable[[Transport, Clock], Awaitable[R]]) -> R:
    async def run() -> R:
        clock = SystemClock()
        transport = HttpTransport(clock=clock)
        try:
            return await work(transport, clock)
        finally:
            await transport.close()

    return portal().call(run())
