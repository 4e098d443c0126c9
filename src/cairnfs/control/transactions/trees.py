"""Detached trees for clients: begun, extended a page at a time, dropped. A commit attaches them.

Everything that can be done before the clock is taken is done here: reading, hashing, receipts, looking at
what the tree holds, working out rows. Nothing of a tree is kept in this process: any of them serves any page.
What does not belong here: what a page makes (`metadata/ops/tree_page`), writing it (`metadata/ops/
extend_tree`). One event loop; pages are read and worked out in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from cairnfs.clock import Clock
from cairnfs.control.asked import hash_of
from cairnfs.control.people import person
from cairnfs.control.transactions.receipts import Receipts
from cairnfs.control.transactions.refused import Refused
from cairnfs.errors import Busy, CairnError, Internal
from cairnfs.ids import Incarnation, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import begin_tree, detached, detached_handle, extend_tree, tree_page
from cairnfs.metadata.ops.begin_tree import BeginTree
from cairnfs.metadata.ops.extend_tree import ExtendTree, Parsed, Reserved, ReserveInodes
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.commits import OPERATIONS_MAX
from cairnfs.wire.detached import (
    BeginTreeReply,
    BeginTreeRequest,
    DropTreeReply,
    DropTreeRequest,
    ExtendTreeReply,
    ExtendTreeRequest,
)

#: How often a page is looked up again because something changed between the look and the clock.
_TRIES = 3
#: Pages that one process works at: each may fill much memory.
_PAGES_MAX = 3
#: Inode numbers that are taken at once.
_INODES = 16 * OPERATIONS_MAX
A = TypeVar("A")


class TreeRoutes:
    """The endpoints of detached trees."""

    def __init__(self, driver: Driver, receipts: Receipts, clock: Clock) -> None:
        self._driver = driver
        self._receipts = receipts
        self._clock = clock
        self._inodes = _Inodes(driver)
        self._pages = asyncio.Semaphore(_PAGES_MAX)

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.BEGIN_TREE.name: self.begin,
            endpoints.EXTEND_TREE.name: self.extend,
            endpoints.DROP_TREE.name: self.drop,
        }

    async def begin(self, context: Context, request: BeginTreeRequest) -> BeginTreeReply:
        """Begin a tree."""
        body_hash = hash_of("begin", request.path, request.path_b64, request.mode, request.attributes)
        asked = begin_tree.parse(person(context), request, body_hash)

        async def attempt() -> BeginTreeReply:
            look = await self._driver.read(lambda tx: begin_tree.look_up(tx, asked))
            return await self._driver.submit(BeginTree(asked, look, deadline=context.deadline))

        return await self._settled(attempt, asked.reply_key, BeginTreeReply, context.deadline)

    async def extend(self, context: Context, request: ExtendTreeRequest) -> ExtendTreeReply:
        """Put a page into a tree."""
        async with self._pages:
            return await self._extended(context, request)

    async def _extended(self, context: Context, request: ExtendTreeRequest) -> ExtendTreeReply:
        who = person(context)
        receipts = await self._receipts.genuine(request.receipts) if request.receipts else []

        def read() -> Parsed:
            body_hash = hash_of("extend", request.tree, request.session, request.operations)
            return extend_tree.parse(who, request, receipts, body_hash)

        parsed = await asyncio.to_thread(read)

        async def attempt() -> ExtendTreeReply:
            return await self._extend(parsed, context.deadline)

        return await self._settled(attempt, parsed.reply_key, ExtendTreeReply, context.deadline)

    async def _extend(self, parsed: Parsed, deadline: float) -> ExtendTreeReply:
        look = await self._driver.read(lambda tx: extend_tree.look_up(tx, parsed))
        first = await self._inodes.take(len(parsed.steps), look.handle.incarnation, deadline)
        page = await asyncio.to_thread(tree_page.make, look, parsed.steps, first)
        return await self._driver.submit(ExtendTree(parsed, look, page, deadline=deadline))

    async def drop(self, context: Context, request: DropTreeRequest) -> DropTreeReply:
        """Give a tree up: a duty ends what it holds."""
        who = person(context)

        def give_up(tx: Tx) -> bool:
            now = clock_row.read(tx)
            handle = detached_handle.read(tx, People(tx, now).now(who), request.tree)
            detached_handle.require_same(handle, now.incarnation)
            return detached.give_up(tx, handle.top)

        return DropTreeReply(dropped=await self._driver.light(give_up))

    async def _settled(
        self, attempt: Callable[[], Awaitable[A]], key: ReplyKey, answer_type: type[Any], deadline: float
    ) -> A:
        """The answer; a refusal for good goes through the clock as well, for an earlier sending may have
        been answered."""
        for left in reversed(range(_TRIES)):
            try:
                return await attempt()
            except Internal:
                raise  # a defect, and never a first answer
            except Busy as error:
                if not left or error.retry_after_ms is not None:
                    raise  # what says when to come back is about the server, not about a look that is over
            except CairnError as error:
                if error.retryable:
                    raise
                reply: A = await self._driver.submit(Refused(key, answer_type, error, deadline=deadline))
                return reply
        raise AssertionError("the last attempt answers or raises")


class _Inodes:
    """Numbers for pages to come. One event loop."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._turn = asyncio.Lock()
        self._left: Reserved | None = None

    async def take(self, count: int, incarnation: Incarnation, deadline: float) -> InodeId:
        """The first of so many numbers. Raises Busy where history was cut meanwhile."""
        async with self._turn:
            left = self._left
            if left is None or left.incarnation != incarnation or left.end - left.first < count:
                left = await self._driver.submit(ReserveInodes(max(_INODES, count), deadline=deadline))
            if left.incarnation != incarnation:
                raise Busy("history was cut meanwhile: try again")
            self._left = left._replace(first=InodeId(left.first + count))
            return left.first
