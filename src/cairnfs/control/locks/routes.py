"""Routes of the lock service: sessions, which hold the leases, and locks. One event loop."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from cairnfs.clock import Clock
from cairnfs.control.locks.events import GrantStreams
from cairnfs.control.locks.news import News
from cairnfs.control.people import person
from cairnfs.core.leases import LeaseTimes
from cairnfs.errors import NoSuchLock
from cairnfs.ids import SessionId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import sessions
from cairnfs.metadata.ops.locks import list as listing
from cairnfs.metadata.ops.locks import renewing
from cairnfs.metadata.ops.locks.acquire import Acquire
from cairnfs.metadata.ops.locks.breaking import Break
from cairnfs.metadata.ops.locks.release import Release
from cairnfs.metadata.ops.locks.standing import standing
from cairnfs.metadata.ops.locks.upgrade import Upgrade
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.codec import Empty
from cairnfs.wire.locks import (
    AcquireRequest,
    BreakRequest,
    ListLocksReply,
    ListLocksRequest,
    LockReply,
    ReleaseRequest,
    TokenRequest,
    WaitRequest,
)
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


class LockRoutes:
    """The lock endpoints."""

    def __init__(self, driver: Driver, news: News, clock: Clock) -> None:
        self._driver = driver
        self._news = news
        self._clock = clock
        self._streams = GrantStreams(driver, news, clock)

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.ACQUIRE_LOCK.name: self.acquire,
            endpoints.WAIT_LOCK.name: self.wait,
            endpoints.LOCK_EVENTS.name: self._streams.events,
            endpoints.RENEW_LOCK.name: self.renew,
            endpoints.UPGRADE_LOCK.name: self.upgrade,
            endpoints.RELEASE_LOCKS.name: self.release,
            endpoints.BREAK_LOCK.name: self.take_away,
            endpoints.LIST_LOCKS.name: self.list,
        }

    async def acquire(self, context: Context, request: AcquireRequest) -> LockReply:
        """Ask for a lock; whether it is held or waited for is answered at once."""
        return await self._driver.submit(Acquire(person(context), request, deadline=context.deadline))

    async def wait(self, context: Context, request: WaitRequest) -> LockReply:
        """Wait for a grant, as long as asked and as the deadline lets it."""
        who, lock = person(context), _lock(context)
        until = min(self._clock.monotonic() + request.timeout_ms / 1000, context.deadline)
        with self._news.waiting(lock) as waiter:
            while True:
                reply = await self._driver.read(lambda tx: standing(tx, who, lock, request.token))
                left_s = until - self._clock.monotonic()
                if reply.state == "held" or left_s <= 0:
                    return reply
                await waiter.wait(left_s)
                if granted := waiter.granted:
                    # Whoever asked was found to have the token when it waited.
                    return LockReply(
                        lock=lock, state="held", fence=granted.fence, incarnation=granted.incarnation
                    )

    async def renew(self, context: Context, request: TokenRequest) -> RenewReply:
        """Renew the session that holds a lock."""
        who, lock = person(context), _lock(context)
        return await self._driver.light(lambda tx: renewing.renew(tx, who, lock, request.token))

    async def upgrade(self, context: Context, request: TokenRequest) -> LockReply:
        """Make a shared lock exclusive."""
        operation = Upgrade(person(context), _lock(context), request, deadline=context.deadline)
        return await self._driver.submit(operation)

    async def release(self, context: Context, request: ReleaseRequest) -> Empty:
        """Release locks, or withdraw requests."""
        return await self._driver.submit(Release(person(context), request, deadline=context.deadline))

    async def take_away(self, context: Context, request: BreakRequest) -> Empty:
        """Break a lock."""
        operation = Break(person(context), _lock(context), request, deadline=context.deadline)
        return await self._driver.submit(operation)

    async def list(self, context: Context, request: ListLocksRequest) -> ListLocksReply:
        """Who holds locks, and who waits; or which were broken."""
        who = person(context)
        return await self._driver.read(lambda tx: listing.page(tx, who, request))


def _lock(context: Context) -> int:
    number = context.params["lock"]
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise NoSuchLock("a lock is named by its number")
    return int(number)
