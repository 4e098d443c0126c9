"""A control plane in this process, for tests: a database in memory, a clock moved by hand, no sockets.

What belongs here: making one, and asking it as different callers. What does not: tests.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cairnfs.control.app import ControlApp, Cost, build
from cairnfs.core.leases import Times
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.net.calls import Calls
from cairnfs.net.inprocess import InProcessTransport
from cairnfs.testing.clock import ManualClock
from cairnfs.wire import endpoints
from cairnfs.wire.auth import (
    LoginSealed,
    OneTimeRequest,
    PasswordSealed,
    SealedRequest,
    SignupSealed,
    TokenReply,
)
from cairnfs.wire.cluster import HeartbeatReply, HeartbeatRequest, JoinReply, JoinRequest
from cairnfs.wire.codec import Request
from cairnfs.wire.commits import CommitReply, CommitRequest, MakeDirectory, Operation, Write
from cairnfs.wire.endpoints import Endpoint
from cairnfs.wire.sealing import new_nonce, seal

ORIGIN = "http://control"
ADMIN_SECRET = "the first administrator's secret"
CHEAP = Cost(passes=1, memory_kib=8, threads=2, waiting_max=64)
Q = TypeVar("Q")
A = TypeVar("A")


@dataclass
class Plane:
    """One control-plane process and the ways to ask it."""

    app: ControlApp
    clock: ManualClock
    database: Database
    transport: InProcessTransport
    made_admin: list[str] = field(default_factory=list)

    def calls(self, token: str | None = None) -> Calls:
        """Calls by whoever has this token."""

        async def source() -> str | None:
            return token

        return Calls(self.transport, ORIGIN, clock=self.clock, token=source)

    async def ask(
        self, endpoint: Endpoint[Q, A], request: Q | None = None, token: str | None = None, **params: str
    ) -> A:
        """One request and its answer. Raises the error that was answered."""
        return await self.calls(token).call(endpoint, request, params=params)

    async def sealed(self, message: Request) -> SealedRequest:
        """A message sealed to this plane's key."""
        keys = await self.ask(endpoints.KEYS)
        return SealedRequest(sealed=seal(keys.keys, message))

    def signup_message(self, name: str, password: str | None = None, **fields: Any) -> SignupSealed:
        """What a sign-up seals, now."""
        said: dict[str, Any] = {
            "purpose": "signup",
            "name": name,
            "password": password or f"{name}'s password",
            "time_us": self.clock.now_us(),
            "nonce": new_nonce(),
            **fields,
        }
        return SignupSealed(**said)

    def login_message(self, name: str, password: str | None = None, **fields: Any) -> LoginSealed:
        """What a login seals, now."""
        said: dict[str, Any] = {
            "purpose": "login",
            "name": name,
            "password": password or f"{name}'s password",
            "time_us": self.clock.now_us(),
            "nonce": new_nonce(),
            **fields,
        }
        return LoginSealed(**said)

    async def signup(self, name: str, password: str | None = None, **fields: Any) -> TokenReply:
        """Make a user whose password is "NAME's password" unless another is given."""
        message = await self.sealed(self.signup_message(name, password, **fields))
        return await self.ask(endpoints.SIGNUP, message)

    async def admin(self) -> TokenReply:
        """Make the first administrator, named root."""
        return await self.signup("root", invitation=ADMIN_SECRET)

    async def login(self, name: str, password: str | None = None, **fields: Any) -> TokenReply:
        """Log in."""
        message = await self.sealed(self.login_message(name, password, **fields))
        return await self.ask(endpoints.LOGIN, message)

    async def change_password(self, token: str, old: str | None, new: str) -> None:
        """Change the password of whoever has this token."""
        message = PasswordSealed(
            purpose="password", old=old, new=new, time_us=self.clock.now_us(), nonce=new_nonce()
        )
        await self.ask(endpoints.PASSWORD, await self.sealed(message), token)

    async def join_token(self, admin: TokenReply) -> str:
        """A join token made by an administrator."""
        return (await self.ask(endpoints.JOIN_TOKEN, OneTimeRequest(), admin.token)).secret

    async def join(self, admin: TokenReply, number: int = 1) -> Joined:
        """A fileserver that joins at http://fsN."""
        address, boot = f"http://fs{number}:1", secrets.token_hex(16)
        request = JoinRequest(
            join_token=await self.join_token(admin), address=address, boot=boot, capacity_bytes=10**12
        )
        return Joined(await self.ask(endpoints.JOIN, request), address, boot)

    async def beat(self, joined: Joined, **changes: Any) -> HeartbeatReply:
        """A heartbeat of this fileserver."""
        joined.counter += 1
        said: dict[str, Any] = {
            "boot": joined.boot,
            "counter": joined.counter,
            "used_bytes": 0,
            "free_bytes": 10**12,
            "chunks": 0,
            **changes,
        }
        return await self.ask(
            endpoints.HEARTBEAT,
            HeartbeatRequest(**said),
            joined.reply.token,
            fileserver=str(joined.reply.fileserver),
        )

    async def commit(self, token: str, *operations: Operation, **fields: Any) -> CommitReply:
        """One commit under a fresh request id."""
        said: dict[str, Any] = {"request_id": secrets.token_hex(16), **fields}
        return await self.ask(endpoints.COMMIT, CommitRequest(operations=list(operations), **said), token)

    async def state(self, admin: TokenReply, joined: Joined) -> str:
        """What the cluster says of a fileserver."""
        status = await self.ask(endpoints.STATUS, None, admin.token)
        return next(one.state for one in status.fileservers if one.id == joined.reply.fileserver)


@dataclass
class Joined:
    """A fileserver as the control plane knows it."""

    reply: JoinReply
    address: str
    boot: str
    counter: int = 0


def empty_file(path: str, **fields: Any) -> Write:
    """An operation that makes a file without a byte."""
    return Write(path=path, chunks=[], size=0, **fields)


def directory(path: str, **fields: Any) -> MakeDirectory:
    """An operation that makes a directory."""
    return MakeDirectory(path=path, **fields)


@asynccontextmanager
async def plane(
    *,
    open_signup: bool = True,
    database: Database | None = None,
    clock: ManualClock | None = None,
    times: Times | None = None,
) -> AsyncIterator[Plane]:
    """A control plane whose duties are not started. `app.start()` starts them."""
    clock = clock or ManualClock()
    kept = database or SqliteDatabase(MEMORY, clock)
    made: list[str] = []
    transport = InProcessTransport(clock=clock)
    app = build(
        kept,
        clock,
        open_signup=open_signup,
        transport=transport,
        first_admin_secret=ADMIN_SECRET,
        first_admin_made=lambda: made.append("made"),
        password_cost=CHEAP,
        times=times,
    )
    transport.apps[ORIGIN] = app.asgi
    try:
        yield Plane(app, clock, kept, transport, made)
    finally:
        await app.stop()
        await transport.close()
        if database is None:
            kept.close()
