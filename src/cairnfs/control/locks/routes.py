"""Routes of the lock service: sessions, which hold the leases. One event loop."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from cairnfs.core.leases import LeaseTimes
from cairnfs.ids import SessionId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import sessions
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.codec import Empty
from cairnfs.wire.sessions import RenewReply, RenewRequest, SessionReply, SessionRequest


class SessionRoutes:
    """The session endpoints."""

    def __init__(self, driver: Driver, times: LeaseTimes) -> None:
        """`times`: what new sessions are promised."""
        self._driver = driver
        self._times = times

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.BEGIN_SESSION.name: self.begin,
            endpoints.RENEW_SESSION.name: self.renew,
            endpoints.END_SESSION.name: self.end,
        }

    async def begin(self, context: Context, request: SessionRequest) -> SessionReply:
        """Begin a session of the caller."""
        session = SessionId(secrets.token_hex(16))
        operation = sessions.BeginSession(
            session,
            context.user.user_id,
            request.label,
            deadline=context.deadline,
            needs=request.needs,
            times=self._times,
        )
        commit, incarnation = await self._driver.submit(operation)
        return SessionReply(
            session=session,
            incarnation=incarnation,
            commit=commit,
            renew_ms=self._times.renew_ms,
            suspend_ms=self._times.suspend_ms,
            lease_ms=self._times.lease_ms,
        )

    async def renew(self, context: Context, request: RenewRequest) -> RenewReply:
        """Raise a session's counter and needs."""
        session, user = SessionId(context.params["session"]), context.user.user_id
        return await self._driver.light(
            lambda tx: sessions.renew(tx, session, user, request.counter, request.needs)
        )

    async def end(self, context: Context, request: Empty) -> Empty:
        """End a session of the caller."""
        session = SessionId(context.params["session"])
        await self._driver.submit(
            sessions.EndSession(session, context.user.user_id, deadline=context.deadline)
        )
        return Empty()
