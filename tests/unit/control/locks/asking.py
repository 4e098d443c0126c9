"""Clients of the lock endpoints, for tests: each one session, on a control plane in this process.

What belongs here: asking. What does not: tests.
"""

from __future__ import annotations

import secrets
from contextlib import AbstractAsyncContextManager
from typing import Any

from cairnfs.net.event_stream import EventStream
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import CommitReply
from cairnfs.wire.locks import (
    AcquireRequest,
    BreakRequest,
    LockEventsRequest,
    LockPath,
    LockProof,
    LockReply,
    LockToken,
    ReleaseRequest,
    TokenRequest,
    WaitRequest,
)
from cairnfs.wire.sessions import RenewReply, RenewRequest, SessionReply, SessionRequest
from tests.unit.control.plane import Plane, empty_file

TOKEN = "ab" * 16


class Client:
    """One session of a user."""

    def __init__(self, plane: Plane, user: TokenReply, session: SessionReply) -> None:
        self.plane = plane
        self.user = user
        self.session = session
        self.counter = 0

    @classmethod
    async def begin(cls, plane: Plane, user: TokenReply, label: str = "a test") -> Client:
        """A new one."""
        session = await plane.ask(endpoints.BEGIN_SESSION, SessionRequest(label=label), user.token)
        return cls(plane, user, session)

    async def lock(self, *paths: str, wait: bool = True, **fields: Any) -> LockReply:
        """Ask for a lock; its token is always the same."""
        said: dict[str, Any] = {
            "request_id": secrets.token_hex(16),
            "session": self.session.session,
            "owner": secrets.token_hex(16),
            "token": TOKEN,
            "paths": [LockPath(path=path) for path in paths],
            "wait": wait,
            **fields,
        }
        return await self.plane.ask(endpoints.ACQUIRE_LOCK, AcquireRequest(**said), self.user.token)

    async def wait(self, lock: int, timeout_s: float = 0.0, *, token: str = TOKEN) -> LockReply:
        """How it stands once it is granted, or then."""
        request = WaitRequest(token=token, timeout_ms=round(timeout_s * 1000))
        return await self.plane.ask(endpoints.WAIT_LOCK, request, self.user.token, lock=str(lock))

    async def release(self, *locks: int, token: str = TOKEN) -> None:
        """Give locks back."""
        request = ReleaseRequest(locks=[LockToken(lock=lock, token=token) for lock in locks])
        await self.plane.ask(endpoints.RELEASE_LOCKS, request, self.user.token)

    async def upgrade(self, lock: int, *, token: str = TOKEN) -> LockReply:
        """Make a shared one exclusive."""
        request = TokenRequest(token=token)
        return await self.plane.ask(endpoints.UPGRADE_LOCK, request, self.user.token, lock=str(lock))

    async def take_away(self, lock: int, reason: str = "") -> None:
        """Break one."""
        request = BreakRequest(reason=reason)
        await self.plane.ask(endpoints.BREAK_LOCK, request, self.user.token, lock=str(lock))

    async def renew_by_lock(self, lock: int, *, token: str = TOKEN) -> RenewReply:
        """Renew whichever session has it."""
        request = TokenRequest(token=token)
        return await self.plane.ask(endpoints.RENEW_LOCK, request, self.user.token, lock=str(lock))

    async def renew(self) -> None:
        """Renew the session."""
        self.counter += 1
        request = RenewRequest(counter=self.counter, needs=self.session.commit)
        await self.plane.ask(endpoints.RENEW_SESSION, request, self.user.token, session=self.session.session)

    async def end(self) -> None:
        """End the session."""
        await self.plane.ask(endpoints.END_SESSION, None, self.user.token, session=self.session.session)

    def events(
        self, since: int = 0, *, last_id: str = "", idle_s: float = 60.0
    ) -> AbstractAsyncContextManager[EventStream]:
        """The session's grants."""
        request = LockEventsRequest(session=self.session.session, since=since)
        headers = {"last-event-id": last_id} if last_id else None
        return self.plane.calls(self.user.token).events(
            endpoints.LOCK_EVENTS, request, idle_s=idle_s, headers=headers
        )

    async def write(self, path: str, *proofs: LockProof) -> CommitReply:
        """Commit an empty file there, showing these."""
        return await self.plane.commit(self.user.token, empty_file(path), locks=list(proofs))


def proof(reply: LockReply) -> LockProof:
    """What the holder of this shows."""
    return LockProof(lock=reply.lock, fence=reply.fence, incarnation=reply.incarnation, token=TOKEN)
