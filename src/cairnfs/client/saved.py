"""Tokens of a saved profile, shared by all processes that use it.

What belongs here: the exchange of the profile's refresh token, made by one process at a time, since
the service may give a new refresh token with each and forget the old one. What does not: the files'
form (`profile.py`), the exchange itself (`credentials.py`). Used from one event loop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from cairnfs.client import credentials, profile
from cairnfs.client.credentials import RefreshedToken
from cairnfs.client.profile import Profile, SavedToken
from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, TokenInvalid, Unauthenticated
from cairnfs.net.transport import Transport
from cairnfs.wire.auth import TokenReply

_LOCK_S = 10.0
_LOCK_PAUSE_S = 0.02
_LEFT_US = 60 * 1_000_000


def tokens(transport: Transport, clock: Clock, of: Profile, name: str | None) -> RefreshedToken:
    """The tokens of the saved profile `of`, which lies under `name`."""

    async def renew(refused: str | None) -> tuple[str, int]:
        async with _locked(clock, name):
            kept = _kept(of, name)
            if kept is not None and kept.token != refused and kept.expires_at_us - clock.now_us() > _LEFT_US:
                return kept.token, kept.expires_at_us
            latest = profile.load(name) or of
            if not latest.refresh_token:
                raise Unauthenticated("nobody is logged in")
            try:
                reply = await credentials.refresh(transport, of.url, clock, latest.refresh_token)
            except TokenInvalid as error:
                raise Unauthenticated("the login is no longer valid") from error
            keep(replace(latest, refresh_token=reply.refresh_token), reply, name)
            return reply.token, reply.expires_at_us

    kept = _kept(of, name)
    return RefreshedToken(clock, renew, None if kept is None else (kept.token, kept.expires_at_us))


def keep(of: Profile, reply: TokenReply, name: str | None) -> None:
    """Write down a profile and the token that came with it."""
    if _read(name) != of:
        profile.save(of, name)
    profile.save_token(SavedToken(of.url, of.user, reply.token, reply.expires_at_us), name)


def _read(name: str | None) -> Profile | None:
    """The profile as it is; one that cannot be read is to be written anew."""
    try:
        return profile.load(name)
    except BadRequest:
        return None


def _kept(of: Profile, name: str | None) -> SavedToken | None:
    kept = profile.load_token(name)
    return kept if kept is not None and (kept.url, kept.user) == (of.url, of.user) else None


@asynccontextmanager
async def _locked(clock: Clock, name: str | None) -> AsyncIterator[None]:
    """Hold the profile's lock, or go without where there is none to be had: a rare lost exchange is
    better than a client that hangs."""
    try:
        import fcntl

        descriptor = os.open(profile.lock_file(name), os.O_RDWR | os.O_CREAT, 0o600)
    except (ImportError, OSError):
        yield
        return
    try:
        until = clock.monotonic() + _LOCK_S
        while clock.monotonic() < until:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await clock.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(descriptor)
