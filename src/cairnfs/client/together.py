"""Commits of several callers of one client, sent in one request while an earlier one is under way.

A caller that is alone loses nothing by it: its commit leaves at once. While answers are awaited, what comes
meanwhile gathers and leaves together, so the more callers there are, the fewer requests each of them
costs; every commit keeps its own request id, outcome and deadline. What belongs here: that. What does not:
repeating and settling (`commit.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cairnfs.errors import CairnError, Internal
from cairnfs.wire import endpoints, problems
from cairnfs.wire.commits import COMMITS_MAX, CommitManyRequest, CommitReply, CommitRequest, Write

#: Requests under way at once. With a second one the server has work while an answer is on its way.
WIDTH = 2
#: What is larger than this goes alone: it would only hold up the others.
OPERATIONS_MAX, CHUNKS_MAX, LOCKS_MAX = 4, 64, 16


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    request: CommitRequest
    timeout_s: float
    answer: asyncio.Future[CommitReply]


class Together:
    """Sends small commits, several in one request where several wait."""

    def __init__(self, once: Callable[..., Awaitable[Any]]) -> None:
        """`once` asks an endpoint one time: `Control.once`."""
        self._once = once
        self._waiting: deque[_Waiting] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._alone = 0

    async def once(self, request: CommitRequest, *, timeout_s: float) -> CommitReply:
        """Ask for this commit one time. Raises as `Control.once`."""
        if _large(request) or (not self._waiting and self._alone + len(self._lanes) < WIDTH):
            return await self._ask_alone(request, timeout_s)
        one = _Waiting(request, timeout_s, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._begin_lane()
        try:
            return await one.answer
        finally:
            one.answer.cancel()

    async def _ask_alone(self, request: CommitRequest, timeout_s: float) -> CommitReply:
        self._alone += 1
        try:
            reply: CommitReply = await self._once(endpoints.COMMIT, request, timeout_s=timeout_s)
            return reply
        finally:
            self._alone -= 1
            self._begin_lane()

    def _begin_lane(self) -> None:
        if self._waiting and self._alone + len(self._lanes) < WIDTH:
            lane = asyncio.create_task(self._lane(), name="cairn commits")
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)

    async def _lane(self) -> None:
        """Send what waits until nothing does."""
        # Those who were told of one answer ask for their next commit in the same turn of the loop.
        await asyncio.sleep(0)
        while batch := self._take():
            try:
                await self._send(batch)
            except CairnError as error:
                _fail(batch, error)
            except BaseException as error:
                _fail(batch, Internal("the commits of a request were given up"))
                if not isinstance(error, asyncio.CancelledError):
                    raise
                return

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < COMMITS_MAX:
            one = self._waiting.popleft()
            if not one.answer.done():
                batch.append(one)
        return batch

    async def _send(self, batch: Sequence[_Waiting]) -> None:
        timeout_s = max(one.timeout_s for one in batch)
        if len(batch) == 1:
            reply = await self._once(endpoints.COMMIT, batch[0].request, timeout_s=timeout_s)
            _answer(batch[0], reply, None)
            return
        together = CommitManyRequest(commits=[one.request for one in batch])
        many = await self._once(endpoints.COMMIT_MANY, together, timeout_s=timeout_s)
        if len(many.results) != len(batch):
            raise Internal("another number of commits was answered than was asked for")
        for one, result in zip(batch, many.results, strict=True):
            _answer(one, result.reply, None if result.error is None else problems.to_error(result.error))


def _large(request: CommitRequest) -> bool:
    if len(request.operations) > OPERATIONS_MAX or len(request.receipts) > CHUNKS_MAX:
        return True
    if len(request.locks) > LOCKS_MAX:
        return True
    return sum(len(one.chunks) for one in request.operations if isinstance(one, Write)) > CHUNKS_MAX


def _answer(one: _Waiting, reply: CommitReply | None, error: CairnError | None) -> None:
    if one.answer.done():
        return
    if reply is not None:
        one.answer.set_result(reply)
    else:
        one.answer.set_exception(error or Internal("a commit was not answered"))


def _fail(batch: Sequence[_Waiting], error: CairnError) -> None:
    for one in batch:
        _answer(one, None, error)
