"""A fake cluster that has locks: on paths as they are written, first come, first served.

What a client must live through is done on demand: streams that are silent or refused, grants that come while
an answer is on its way, locks that are broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from cairnfs.clock import Clock
from cairnfs.errors import CairnError, Locked, LockLost, NoSuchLock, NotSoleHolder, SessionEnded
from cairnfs.net.serving import Context, Event, Events, Heartbeat, application
from cairnfs.wire import codec, commits, endpoints, locks, sessions
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoints import locks as service
from tests.unit.client.fake_cluster import CONTROL, FakeCluster

LOCKS = (
    service.ACQUIRE_LOCK,
    service.WAIT_LOCK,
    service.LOCK_EVENTS,
    service.UPGRADE_LOCK,
    service.RELEASE_LOCKS,
    service.BREAK_LOCK,
    service.LIST_LOCKS,
)


@dataclass(eq=False)
class Row:
    """A request."""

    number: int
    asked: locks.AcquireRequest
    fence: int = 0

    @property
    def paths(self) -> set[str]:
        return {one.path for one in self.asked.paths}

    @property
    def owner(self) -> tuple[str, str]:
        return (self.asked.session, self.asked.owner)

    def bars(self, other: Row) -> bool:
        shared = self.asked.mode == other.asked.mode == "shared"
        return self.owner != other.owner and not shared and bool(self.paths & other.paths)


class FakeLocks(FakeCluster):
    """`rows`: requests by number. `shown`: the proofs of each commit. `streams`: how many are open."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.rows: dict[int, Row] = {}
        self.shown: list[list[locks.LockProof]] = []
        self.acquired: list[locks.AcquireRequest] = []
        self.streams = 0
        self.since: list[int] = []
        #: What streams are refused with; whether they tell nothing of grants.
        self.no_streams: CairnError | None = None
        self.silent = False
        #: Set to hold back answers of a kind: `gates["acquire_lock"]`.
        self.gates: dict[str, asyncio.Event] = {}
        self._numbers, self._fences = count(1), count(1)
        self._answers: dict[str, int] = {}
        self._news = asyncio.Event()
        there = [endpoint for endpoint in endpoints.CONTROL if endpoint not in LOCKS]
        names = [endpoint.name for endpoint in (*there, *LOCKS)]
        self.app = application(
            endpoints=(*there, *LOCKS),
            handlers={name: self._counted(name, self._now(name)) for name in names},
            authenticate=self.authenticate,
            clock=self.clock,
            title="fake control",
        )
        self.transport.apps[CONTROL] = self.app

    def _now(self, name: str) -> Callable[[Context, Any], Any]:
        """What the fake does by then: a test may put something in its place."""

        async def handle(context: Context, request: Any) -> Any:
            return await getattr(self, name, _nothing)(context, request)

        return handle

    async def acquire_lock(self, context: Context, request: locks.AcquireRequest) -> locks.LockReply:
        if request.session not in self.sessions:
            raise SessionEnded("no such session")
        if request.request_id not in self._answers:
            row = Row(0, request)
            if not request.wait and any(other.bars(row) for other in self.rows.values()):
                raise Locked("in the way is somebody", where=request.paths[0].path.encode())
            row.number = next(self._numbers)
            self.rows[row.number] = row
            self._answers[request.request_id] = row.number
            self.acquired.append(request)
            self._promote()
        reply = self._reply(self._answers[request.request_id])
        await self._gate("acquire_lock")
        return reply

    async def wait_lock(self, context: Context, request: locks.WaitRequest) -> locks.LockReply:
        number = int(context.params["lock"])
        async with asyncio.timeout(request.timeout_ms / 1000 or None):
            while request.timeout_ms and not self._row(number, request.token).fence:
                await self._news.wait()
        self._row(number, request.token)
        return self._reply(number)

    async def lock_events(self, context: Context, request: locks.LockEventsRequest) -> Events:
        if self.no_streams is not None:
            raise self.no_streams
        self.since.append(request.since)
        return Events(self._events(request.session, request.since))

    async def _events(self, session: str, after: int) -> AsyncIterator[Event | Heartbeat]:
        self.streams += 1
        try:
            yield Heartbeat()
            while True:
                news = self._news
                mine = [row for row in self.rows.values() if row.asked.session == session]
                for row in sorted(mine, key=lambda row: row.fence):
                    if row.fence > after and not self.silent:
                        after = row.fence
                        told = locks.LockEvent(lock=row.number, fence=row.fence, incarnation=1)
                        yield Event(f"1.{row.fence}", locks.LOCK_EVENT, codec.encode(told))
                await news.wait()
        finally:
            self.streams -= 1

    async def upgrade_lock(self, context: Context, request: locks.TokenRequest) -> locks.LockReply:
        row = self._row(int(context.params["lock"]), request.token)
        if any(other.fence and other is not row and other.paths & row.paths for other in self.rows.values()):
            raise NotSoleHolder("others share it")
        row.asked = codec.decode(
            locks.AcquireRequest, codec.encode(row.asked).replace(b'"mode":"shared"', b'"mode":"exclusive"')
        )
        row.fence = next(self._fences)
        await self._gate("upgrade_lock")  # it is done, and the answer late
        return self._reply(row.number)

    async def release_locks(self, context: Context, request: locks.ReleaseRequest) -> Empty:
        for one in request.locks:
            self._row(one.lock, one.token)
        for one in request.locks:
            self.drop(one.lock)
        await self._gate("release_locks")
        return Empty()

    async def break_lock(self, context: Context, request: locks.BreakRequest) -> Empty:
        self.drop(int(context.params["lock"]))
        return Empty()

    async def list_locks(self, context: Context, request: locks.ListLocksRequest) -> locks.ListLocksReply:
        """A page has one."""
        if request.broken:
            return locks.ListLocksReply(
                broken=[locks.BrokenItem(lock=1, fence=1, user="ann", by="root", at_us=1, reason="why not")]
            )
        numbers = sorted(self.rows)
        place = int(request.cursor or 0)
        items = [self._item(self.rows[number]) for number in numbers[place : place + 1]]
        more = place + 1 < len(numbers)
        return locks.ListLocksReply(locks=items, cursor=str(place + 1) if more else None)

    async def end_session(self, context: Context, request: Any) -> Empty:
        self.end(context.params["session"])
        return Empty()

    async def commit(self, context: Context, request: commits.CommitRequest) -> commits.CommitReply:
        self.shown.append(list(request.locks))
        for proof in request.locks:
            row = self.rows.get(proof.lock)
            if row is None or row.fence != proof.fence or row.asked.token != proof.token:
                raise LockLost("the lock is held no more")
        proven = {proof.lock for proof in request.locks}
        for operation in request.operations:
            for row in self.rows.values():
                if row.fence and row.number not in proven and operation.path in row.paths:
                    raise Locked("in the way is somebody", where=operation.path.encode())
        return await super().commit(context, request)

    # what a test does

    def drop(self, number: int) -> None:
        """A lock or request is gone, and others are granted."""
        if self.rows.pop(number, None) is None:
            raise NoSuchLock(f"no lock {number}")
        self._promote()

    def end(self, session: str) -> None:
        """A session is over, and what it had is gone."""
        self.sessions.pop(session, None)
        for number in [row.number for row in self.rows.values() if row.asked.session == session]:
            self.drop(number)

    def hold(self, path: str, mode: locks.Mode = "exclusive") -> int:
        """Somebody else takes a lock, or gets in line. Gives its number."""
        request = locks.AcquireRequest(
            request_id="e" * 32,
            session="e" * 32,
            owner=f"{next(self._fences):032x}",
            token="e" * 32,
            paths=[locks.LockPath(path=path)],
            mode=mode,
        )
        row = Row(next(self._numbers), request)
        self.rows[row.number] = row
        self._promote()
        return row.number

    def held(self) -> list[int]:
        """Numbers of locks that are held."""
        return [row.number for row in self.rows.values() if row.fence]

    def waiting(self) -> list[int]:
        """Numbers of requests that wait."""
        return [row.number for row in self.rows.values() if not row.fence]

    async def renew_session(self, context: Context, request: sessions.RenewRequest) -> sessions.RenewReply:
        await self._gate("renew_session")
        return await super().renew_session(context, request)

    async def _gate(self, name: str) -> None:
        if name in self.gates:
            await self.gates[name].wait()

    def _promote(self) -> None:
        for row in list(self.rows.values()):
            others = [other for other in self.rows.values() if other.fence or other.number < row.number]
            if not row.fence and not any(other.bars(row) for other in others if other is not row):
                row.fence = next(self._fences)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _row(self, number: int, token: str) -> Row:
        row = self.rows.get(number)
        if row is None or row.asked.token != token:
            raise NoSuchLock(f"no lock {number}")
        return row

    def _reply(self, number: int) -> locks.LockReply:
        row = self.rows[number]
        holder = locks.LockHolder(lock=9, user="bob", label="host x", mode="exclusive", since_us=1)
        return locks.LockReply(
            lock=number,
            state="held" if row.fence else "waiting",
            fence=row.fence,
            incarnation=1,
            place=0 if row.fence else 1,
            holder=None if row.fence else holder,
        )

    def _item(self, row: Row) -> locks.LockItem:
        return locks.LockItem(
            lock=row.number,
            state="held" if row.fence else "waiting",
            mode=row.asked.mode,
            subtree=row.asked.subtree,
            paths=row.asked.paths,
            user="ann",
            label="",
            session=row.asked.session,
            fence=row.fence,
            asked_us=1,
        )


async def _nothing(context: Context, request: Any) -> Any:
    raise NoSuchLock("this fake does not do that")
