"""Routes of the transaction service: commits, in one request or in pages, and settling lost answers.

Everything that can be done before the clock is taken is done here: reading, hashing, receipts, a look
at bases and below directories that are to be removed. One event loop; large commits are read in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from blake3 import blake3

from cairnfs.clock import Clock
from cairnfs.control.people import person
from cairnfs.control.transactions.receipts import Receipts
from cairnfs.control.transactions.refused import Refused
from cairnfs.control.transactions.staging import Staging
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, CairnError, DeadlineExceeded
from cairnfs.metadata import replies
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops.commit import Commit, prepare
from cairnfs.metadata.ops.settle import Settle
from cairnfs.metadata.ops.staged import Page
from cairnfs.metadata.ops.unchanged import FarBehind
from cairnfs.metadata.rows import replies as reply_rows
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.net.deadlines import within
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.commits import CommitReply, CommitRequest, SettleReply, SettleRequest, Write
from cairnfs.wire.receipts import ReceiptBody
from cairnfs.wire.shapes import is_id, request_id

#: A commit of more operations or chunks than these would hold up the loop for a millisecond or more.
_SMALL_OPERATIONS, _SMALL_CHUNKS = 64, 512
#: How often a commit is looked at anew because too much was committed since.
_LOOKS_MAX = 5
#: Commits with staged pages that are worked at in one process: each may fill much memory.
_LARGE_MAX = 2
_encoder = msgspec.msgpack.Encoder()


class TransactionRoutes:
    """The transaction endpoints."""

    def __init__(self, driver: Driver, receipts: Receipts, clock: Clock) -> None:
        self._driver = driver
        self._receipts = receipts
        self._clock = clock
        self._staging = Staging(driver, receipts, clock)
        self._large = asyncio.Semaphore(_LARGE_MAX)

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.COMMIT.name: self.commit,
            endpoints.STAGE.name: self._staging.stage,
            endpoints.SETTLE.name: self.settle,
        }

    async def commit(self, context: Context, request: CommitRequest) -> CommitReply:
        """Change many paths at one instant, or nothing."""
        who = person(context)
        if request.deadline_ms < 1:
            raise BadRequest("deadline_ms is at least 1")
        if request.session is not None and not is_id(request.session):
            raise BadRequest("a session's id has 32 hexadecimal digits, in lower case")
        deadline = min(context.deadline, self._clock.monotonic() + request.deadline_ms / 1000)
        receipts = await self._receipts.genuine(request.receipts) if request.receipts else []
        if request.staged:
            return await self._commit_large(who, request, receipts, deadline)
        if _is_small(request):
            operation = _prepare(who, request, receipts, (), deadline)
        else:
            operation = await asyncio.to_thread(_prepare, who, request, receipts, (), deadline)
        return await self._decide(operation)

    async def _commit_large(
        self, who: Person, request: CommitRequest, receipts: list[ReceiptBody], deadline: float
    ) -> CommitReply:
        """One after the other, as many as there may be at once."""
        try:
            async with within(self._clock, deadline - self._clock.monotonic()):
                await self._large.acquire()
        except TimeoutError:
            raise DeadlineExceeded("other large commits took all the time") from None
        try:
            return await self._commit_staged(who, request, receipts, deadline)
        finally:
            self._large.release()

    async def _commit_staged(
        self, who: Person, request: CommitRequest, receipts: list[ReceiptBody], deadline: float
    ) -> CommitReply:
        """With the pages that were staged, which are forgotten once it is decided."""
        staging, number = self._staging, request.request_id
        try:
            pages = await staging.pages(who, number, request.staged, request.session, deadline)
        except BadRequest:
            # They may have been forgotten because it is decided.
            key = ReplyKey(who.user_id, request_id(number), body_hash(request))
            known = await self._driver.read(lambda tx: reply_rows.find(tx, [key[:2]]))
            if not known:
                raise
            first: CommitReply = replies.repeat(known[0], key.body_hash, CommitReply)
            return first
        operation = await asyncio.to_thread(_prepare, who, request, receipts, pages, deadline)
        try:
            reply = await self._decide(operation)
        except CairnError as error:
            if replies.is_first_answer(error):
                await staging.forget(who, number)
            raise
        await staging.forget(who, number)
        return reply

    async def _decide(self, operation: Commit) -> CommitReply:
        for again in range(_LOOKS_MAX):
            try:
                await self._look(operation)
            except CairnError as error:
                # Through the clock as well: an earlier sending may have been committed.
                refused = Refused(operation.reply_key, CommitReply, error, deadline=operation.deadline)
                reply: CommitReply = await self._driver.submit(refused)
                return reply
            try:
                return await self._driver.submit(operation)
            except FarBehind:
                if again == _LOOKS_MAX - 1:
                    raise
        raise AssertionError("counted to the end")

    async def _look(self, operation: Commit) -> None:
        """Look at all that has to be looked at before the clock."""
        if not operation.looks:
            return
        await self._driver.read(operation.look)
        while not operation.looked_enough:
            if self._clock.monotonic() > operation.deadline:
                raise DeadlineExceeded
            await self._driver.read(operation.look)

    async def settle(self, context: Context, request: SettleRequest) -> SettleReply:
        """The outcome of a commit whose answer was lost."""
        who, key = person(context), request_id(request.request_id)
        operation = Settle(who.user_id, key, deadline=context.deadline, asker=who)
        return await self._driver.submit(operation)


def _is_small(request: CommitRequest) -> bool:
    if len(request.operations) > _SMALL_OPERATIONS:
        return False
    return sum(len(one.chunks) for one in request.operations if isinstance(one, Write)) <= _SMALL_CHUNKS


def _prepare(
    who: Person,
    request: CommitRequest,
    receipts: list[ReceiptBody],
    pages: Sequence[Page],
    deadline: float,
) -> Commit:
    return prepare(who, request, receipts, body_hash=body_hash(request), deadline=deadline, pages=pages)


def body_hash(request: CommitRequest) -> bytes:
    """What makes two requests the same: what they ask for, not how long one waits or by which receipts.

    Of the pages it says how many: under one request id there is one of each number (see `ops/staged`).
    """
    asked = (request.session, request.message, request.operations)
    return blake3(_encoder.encode((*asked, request.staged) if request.staged else asked)).digest()
