"""Routes of the auth service: sign up, log in, refresh, log out, who am I, join tokens, invitations.

Thin: messages to `logins.py` and operations, and back. One event loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.clock import Clock
from cairnfs.control.auth.keys import Keys
from cairnfs.control.auth.logins import Logins
from cairnfs.control.auth.tokens import new_secret
from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import NotFound, TokenInvalid
from cairnfs.ids import ClusterId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import tokens, users
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.auth import (
    KeysReply,
    OneTimeReply,
    OneTimeRequest,
    RefreshRequest,
    TokenReply,
    WhoamiReply,
)
from cairnfs.wire.codec import Empty


class AuthRoutes:
    """The auth endpoints."""

    def __init__(
        self, driver: Driver, clock: Clock, *, logins: Logins, keys: Keys, cluster_id: ClusterId
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._logins = logins
        self._jwks = keys.public()
        self._cluster_id = cluster_id

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.KEYS.name: self.keys,
            endpoints.SIGNUP.name: self._logins.signup,
            endpoints.LOGIN.name: self._logins.login,
            endpoints.PASSWORD.name: self._logins.password,
            endpoints.REFRESH.name: self.refresh,
            endpoints.LOGOUT.name: self.logout,
            endpoints.WHOAMI.name: self.whoami,
            endpoints.JOIN_TOKEN.name: self.join_token,
            endpoints.INVITATION.name: self.invitation,
        }

    async def keys(self, context: Context, request: Empty) -> KeysReply:
        """The public keys, and the service's time for whoever seals."""
        return KeysReply(keys=self._jwks, cluster_id=self._cluster_id, now_us=self._clock.now_us())

    async def refresh(self, context: Context, request: RefreshRequest) -> TokenReply:
        """A new access token."""
        return await self._logins.refresh(request.refresh_token)

    async def logout(self, context: Context, request: RefreshRequest) -> Empty:
        """Revoke a refresh token."""
        await self._logins.logout(request.refresh_token)
        return Empty()

    async def whoami(self, context: Context, request: Empty) -> WhoamiReply:
        """Who the token says one is."""
        caller = context.user
        try:
            user = await self._driver.read(lambda tx: users.get(tx, caller.user_id))
        except NotFound as error:
            raise TokenInvalid("the user is gone") from error
        return WhoamiReply(
            user=caller.name,
            user_id=caller.user_id,
            role=caller.role,
            cluster_id=self._cluster_id,
            expires_at_us=caller.expires_at_us,
            home=user.home or None,
        )

    async def join_token(self, context: Context, request: OneTimeRequest) -> OneTimeReply:
        """A secret by which one fileserver joins."""
        return await self._one_time(tokens.JOIN, request)

    async def invitation(self, context: Context, request: OneTimeRequest) -> OneTimeReply:
        """A secret by which one person signs up."""
        return await self._one_time(tokens.INVITATION, request)

    async def _one_time(self, purpose: str, request: OneTimeRequest) -> OneTimeReply:
        secret = new_secret()
        expires_us = self._clock.now_us() + request.ttl_ms * 1000
        digest = hash_bytes(secret.encode())
        await self._driver.light(lambda tx: tokens.issue_one_time(tx, digest, purpose, expires_us))
        return OneTimeReply(secret=secret, expires_at_us=expires_us)
