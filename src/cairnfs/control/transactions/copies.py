"""Copying trees for people: one task a copy, page after page, until one commit attaches it.

A copy goes on after the request that began it has run out of time, and the same request, sent again, joins
it: so a tree of any size can be copied. It is given up some time after the last request for it has ended;
a duty ends what is left then, as it does after a crash. What belongs here: that, and the endpoint. What
does not: what a page is (`metadata/ops/copy_tree`) and writing it (`metadata/ops/detached`). One event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import structlog

from cairnfs.clock import Clock
from cairnfs.control.asked import hash_of
from cairnfs.control.people import person
from cairnfs.control.transactions.refused import Refused
from cairnfs.core.permissions import Person
from cairnfs.errors import (
    BadRequest,
    Busy,
    CairnError,
    DeadlineExceeded,
    Internal,
    OutcomeUnknown,
    RequestReused,
    Unavailable,
)
from cairnfs.ids import InodeId
from cairnfs.metadata import replies
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.guard import ahead
from cairnfs.metadata.ops import copy_tree, detached
from cairnfs.metadata.ops.copy_tree import Asked, Begun
from cairnfs.metadata.ops.detached import AttachCopy, BeginCopy, CopyPage
from cairnfs.metadata.ops.emptying import look_below
from cairnfs.metadata.rows import replies as reply_rows
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state.locks import Shown
from cairnfs.net.deadlines import within
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints, names
from cairnfs.wire.copies import CopyReply, CopyRequest
from cairnfs.wire.shapes import request_id

#: Copies that one process works at; each writes a page at a time.
COPIES_MAX = 8
#: How long a copy goes on for which no request waits.
LINGER_S = 30.0
#: A request is told that its copy goes on this long before its own deadline.
_MARGIN_S = 0.5
_RETRY_AFTER_MS = 200
_log = structlog.get_logger("cairnfs.control.copies")


class _Order(NamedTuple):
    """What is to be done, and for whom."""

    person: Person
    asked: Asked
    key: ReplyKey
    locks: Shown


class _Running:
    """A copy under way. `until`: when the last request for it ends, in seconds of the monotonic clock."""

    def __init__(self, order: _Order, until: float) -> None:
        self.order = order
        self.until = until
        self.locks = order.locks
        self.entries = 0
        self.task: asyncio.Task[CopyReply] | None = None


class CopyRoutes:
    """The endpoint of copies. `close` it before the driver."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock
        self._running: dict[tuple[int, str], _Running] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {endpoints.COPY.name: self.copy}

    async def close(self) -> None:
        """Stop all copies where they are. What is left of them, a duty ends."""
        tasks = [one.task for one in self._running.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def copy(self, context: Context, request: CopyRequest) -> CopyReply:
        """Copy a directory with all below it in one commit."""
        order = _order(person(context), request)
        deadline = min(context.deadline, self._clock.monotonic() + request.deadline_ms / 1000)
        key = (order.key.user_id, order.key.request_id)
        known = await self._driver.read(lambda tx: reply_rows.find(tx, [key]))
        if known:
            reply: CopyReply = replies.repeat(known[0], order.key.body_hash, CopyReply)
            return reply
        running = self._running.get(key) or self._begin(order, deadline)
        if running.order.key != order.key:
            raise RequestReused("this request id was used with another body", hint="use a new request id")
        running.until = max(running.until, deadline)
        running.locks = order.locks  # those of whoever asked last
        return await self._wait(running, deadline)

    def _begin(self, order: _Order, deadline: float) -> _Running:
        if len(self._running) >= COPIES_MAX:
            raise _later("as many trees are being copied as can be at once")
        running = _Running(order, deadline)
        key = (order.key.user_id, order.key.request_id)
        running.task = asyncio.create_task(self._run(running), name="copy of a tree")
        self._running[key] = running

        def over(task: asyncio.Task[CopyReply]) -> None:
            self._running.pop(key, None)
            if not task.cancelled():
                task.exception()  # whoever waits is told; if nobody does, nobody needs to be

        running.task.add_done_callback(over)
        return running

    async def _wait(self, running: _Running, deadline: float) -> CopyReply:
        assert running.task is not None
        left_s = deadline - self._clock.monotonic()
        try:
            async with within(self._clock, max(left_s - _MARGIN_S, left_s / 2)):
                return await asyncio.shield(running.task)
        except TimeoutError:
            raise _later(f"the copy goes on: {running.entries:,} entries so far") from None
        except asyncio.CancelledError:
            if running.task.cancelled():
                raise Unavailable("the server is stopping") from None
            raise

    async def _run(self, running: _Running) -> CopyReply:
        order = running.order
        try:
            return await self._copy(running)
        except Internal:
            raise  # a defect, and never a first answer
        except CairnError as error:
            if error.retryable:
                raise
            refused = Refused(order.key, CopyReply, error, deadline=running.until + LINGER_S)
            reply: CopyReply = await self._driver.submit(refused)
            return reply

    async def _copy(self, running: _Running) -> CopyReply:
        asker, asked, key, _ = running.order
        await self._driver.read(lambda tx: ahead.look(tx, asker, asked.target, running.locks))
        begun = await self._started(running, asker, asked)
        try:
            counts = await self._fill(running, begun)
            attach = AttachCopy(
                begun,
                asked,
                counts,
                locks=running.locks,
                reply_key=key,
                deadline=running.until + LINGER_S,
            )
            if asked.replace:
                attach.looked = await self._driver.read(
                    lambda tx: look_below(tx, begun.source.person, [asked.target])
                )
            return await self._driver.submit(attach)
        except CairnError:
            await self._give_up(begun)
            raise

    async def _started(self, running: _Running, asker: Person, asked: Asked) -> Begun:
        source = await self._driver.read(lambda tx: copy_tree.find_source(tx, asker, asked))
        try:
            return await self._driver.submit(BeginCopy(source, deadline=running.until + LINGER_S))
        except OutcomeUnknown as error:
            raise _later(error.detail) from error

    async def _fill(self, running: _Running, begun: Begun) -> Counter[str]:
        """Copy page after page. Gives how many of each kind."""
        frames, first = copy_tree.first_frames(begun), begun.next_inode
        linked: dict[InodeId, InodeId] = {}
        counts: Counter[str] = Counter()
        while frames:
            if self._clock.monotonic() > running.until + LINGER_S:
                raise DeadlineExceeded("nobody waited for the copy any more")
            page = await self._driver.read(
                partial(copy_tree.next_page, begun=begun, frames=frames, linked=linked, first=first)
            )
            try:
                first = await self._driver.submit(CopyPage(begun, page, deadline=running.until + LINGER_S))
            except OutcomeUnknown as error:
                raise _later(error.detail) from error
            linked.update(page.linked)
            frames = page.frames
            counts += page.counts()
            running.entries += len(page.names)
        return counts

    async def _give_up(self, begun: Begun) -> None:
        """Let the duty take it soon. Where that fails, it takes it an hour later."""
        try:
            await self._driver.light(lambda tx: detached.give_up(tx, begun.top))
        except CairnError as error:
            _log.info("a copy that failed is cleared away later", error=str(error))


def _order(who: Person, request: CopyRequest) -> _Order:
    number = request_id(request.request_id)
    if request.deadline_ms < 1:
        raise BadRequest("deadline_ms is at least 1")
    asked = Asked(
        names.to_path(request.path, request.path_b64),
        request.at,
        names.to_path(request.target, request.target_b64),
        request.preserve,
        request.replace,
        request.message,
    )
    copy_tree.check(asked)
    key = ReplyKey(who.user_id, number, hash_of("copy", *asked))
    return _Order(who, asked, key, Shown.of(who, request.locks))


def _later(detail: str) -> Busy:
    error = Busy(detail)
    error.retry_after_ms = _RETRY_AFTER_MS
    return error
