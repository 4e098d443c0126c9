"""Routes of the auth service: sign up, log in, refresh, log out, who am I. Of people: `people.py`.

Thin: messages to `logins.py` and operations, and back. One event loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.clock import Clock
from cairnfs.control.auth.keys import Keys
from cairnfs.control.auth.logins import Logins
from cairnfs.control.people import person
from cairnfs.ids import ClusterId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import whoami
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.auth import (
    KeysReply,
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
        """Who one is, and is now."""
        caller, asker = context.user, person(context)
        now, home, groups = await self._driver.read(lambda tx: whoami.own(tx, asker))
        return WhoamiReply(
            user=caller.name,
            user_id=caller.user_id,
            role=now.role,
            cluster_id=self._cluster_id,
            expires_at_us=caller.expires_at_us,
            home=home or None,
            user_groups=groups,
        )
