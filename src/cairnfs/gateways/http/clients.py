"""A client for each caller of the door, kept for a while.

Whoever comes with a bearer token acts with exactly that token; name and password (only over TLS or
loopback) are exchanged for tokens by an ordinary login. Kept clients are found by a keyed hash of the
whole credential, never by a name someone claims. What belongs here: that, and the bounds: clients,
requests at once, bytes in flight. Used from one event loop.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cairnfs.client import credentials
from cairnfs.client.connection import Connection
from cairnfs.client.credentials import GivenToken, RefreshedToken, TokenSource
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.transfer import Budget
from cairnfs.clock import Clock
from cairnfs.errors import BadCredentials, Busy, CairnError, Forbidden, TokenInvalid, Unauthenticated
from cairnfs.net.asgi import Headers, Scope
from cairnfs.net.transport import Transport

CLIENTS_MAX = 64
REQUESTS_MAX = 128
#: Chunk bytes in flight for all callers together; the process has other work to do.
IN_FLIGHT_BYTES = 8 * 1024 * 1024
IDLE_S = 60.0
#: After so long a password counts only if it is still the right one.
PASSWORD_S = 300.0
_SWEEP_S = 15.0


class _Kept:
    """A client and who uses it."""

    def __init__(self, now: float) -> None:
        self.ready: asyncio.Future[Filesystem] = asyncio.get_running_loop().create_future()
        self.refresh_token: str | None = None
        self.began = now
        self.used = now
        self.users = 0


class Clients:
    """Clients of the control plane at `control`, by credential."""

    def __init__(self, control: str, transport: Transport, clock: Clock) -> None:
        self._control = control
        self._transport = transport
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._kept: dict[bytes, _Kept] = {}
        self._budget = Budget(IN_FLIGHT_BYTES)
        self._requests = 0
        self._sweeper: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, scope: Scope, headers: Headers) -> AsyncIterator[Filesystem]:
        """The caller's client, for one request. Raises Unauthenticated's kinds, Forbidden, Busy."""
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        scheme, credential = scheme.lower(), credential.strip()
        if scheme not in ("bearer", "basic") or not credential:
            raise Unauthenticated("the door wants a bearer token, or name and password")
        if scheme == "basic" and not _private(scope):
            raise Forbidden("name and password are taken only over TLS or from this machine")
        if self._requests >= REQUESTS_MAX:
            raise Busy(f"{REQUESTS_MAX} requests are under way at this door")
        self._requests += 1
        try:
            kept = await self._keep(scheme, credential, _peer(scope))
            kept.users += 1
            try:
                yield await asyncio.shield(kept.ready)
            finally:
                kept.users -= 1
                kept.used = self._clock.monotonic()
        finally:
            self._requests -= 1

    async def close(self) -> None:
        """Close every client."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for key in list(self._kept):
            await self._drop(key)

    async def _keep(self, scheme: str, credential: str, peer: str) -> _Kept:
        key = hmac.digest(self._secret, f"{scheme} {credential}".encode(errors="replace"), hashlib.sha256)
        now = self._clock.monotonic()
        kept = self._kept.get(key)
        if kept is not None and scheme == "basic" and now - kept.began > PASSWORD_S and not kept.users:
            await self._drop(key)
            kept = None
        if kept is not None:
            return kept
        await self._make_room()
        if (kept := self._kept.get(key)) is not None:
            return kept
        kept = self._kept[key] = _Kept(now)
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        try:
            kept.ready.set_result(await self._connect(kept, scheme, credential, peer))
        except BaseException as error:
            self._kept.pop(key, None)
            # Whoever waits for the same client learns the same; here it is raised once.
            kept.ready.set_exception(
                error if isinstance(error, CairnError) else Busy("the login was interrupted")
            )
            kept.ready.exception()
            raise
        return kept

    async def _connect(self, kept: _Kept, scheme: str, credential: str, peer: str) -> Filesystem:
        tokens: TokenSource = (
            await self._login(kept, credential, peer) if scheme == "basic" else GivenToken(credential)
        )
        connection = Connection(
            self._transport,
            self._control,
            clock=self._clock,
            tokens=tokens,
            label="http door",
            budget=self._budget,
        )
        filesystem = Filesystem(connection, owns_transport=False)
        # Nobody is kept on their word alone.
        await filesystem.whoami()
        return filesystem

    async def _login(self, kept: _Kept, credential: str, peer: str) -> RefreshedToken:
        try:
            name, colon, password = base64.b64decode(credential, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadCredentials("the Authorization header cannot be read") from error
        if not colon:
            raise BadCredentials("the Authorization header has no password")
        reply = await credentials.login(
            self._transport, self._control, self._clock, name, password, peer=peer
        )
        kept.refresh_token = reply.refresh_token

        async def renew(refused: str | None) -> tuple[str, int]:
            if kept.refresh_token is None:
                raise TokenInvalid("the login is over")
            latest = await credentials.refresh(
                self._transport, self._control, self._clock, kept.refresh_token
            )
            kept.refresh_token = latest.refresh_token
            return latest.token, latest.expires_at_us

        return RefreshedToken(self._clock, renew, (reply.token, reply.expires_at_us))

    async def _make_room(self) -> None:
        while len(self._kept) >= CLIENTS_MAX:
            idle = [key for key, kept in self._kept.items() if not kept.users and kept.ready.done()]
            if not idle:
                raise Busy(f"{CLIENTS_MAX} callers are being served at this door")
            await self._drop(min(idle, key=lambda key: self._kept[key].used))

    async def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is None or not kept.ready.done() or kept.ready.exception() is not None:
            return
        await kept.ready.result().close()
        if kept.refresh_token is not None:
            token, kept.refresh_token = kept.refresh_token, None
            try:
                await credentials.logout(self._transport, self._control, self._clock, token)
            except CairnError:
                return

    async def _sweep(self) -> None:
        """Close clients that nobody has used for a while."""
        while self._kept:
            await self._clock.sleep(_SWEEP_S)
            now = self._clock.monotonic()
            for key, kept in list(self._kept.items()):
                if not kept.users and kept.ready.done() and now - kept.used > IDLE_S:
                    await self._drop(key)


def _private(scope: Scope) -> bool:
    """Whether nobody on the way can read along."""
    if scope.get("scheme") == "https":
        return True
    try:
        return ipaddress.ip_address(_peer(scope)).is_loopback
    except ValueError:
        return False


def _peer(scope: Scope) -> str:
    """The address of the other end; empty where the server does not know it."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""
