"""The members' answers to one put: they are counted as they come, and who asked is woken once.

What belongs here: how long to wait for whom. What does not: what the answers come to (`receipts.py`).
One event loop.
"""

from __future__ import annotations

import asyncio

from cairnfs.errors import CairnError, NoSpace
from cairnfs.fileserver.receipts import Votes
from cairnfs.wire.receipts import Holder

Answer = asyncio.Future[Holder]


class Ballot:
    """Counts answers into votes until all came, or enough did and a moment passed.

    `failure` is this server's own, or that a disk is full; `missing` are those who have not answered.
    """

    def __init__(self, votes: Votes, goal: str, grace_s: float) -> None:
        """`goal` is the durability that is enough; then the others have `grace_s` to join."""
        self.failure: CairnError | None = None
        self.missing: set[Answer] = set()
        self._votes = votes
        self._goal = goal
        self._grace_s = grace_s
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._grace: asyncio.TimerHandle | None = None
        self._local: Answer | None = None

    def expect(self, answer: Answer, *, local: bool = False) -> None:
        """Wait for this one too; `local`: it is this server's own."""
        self.missing.add(answer)
        if local:
            self._local = answer
        answer.add_done_callback(self._answered)

    async def close(self, within_s: float) -> None:
        """Return when it is decided, or time is over; what comes later does not count any more.

        Raises what an answer raises besides CairnError.
        """
        limit = self._loop.call_later(max(0.0, within_s), self._end)
        try:
            if self.missing:
                await self._over
        finally:
            limit.cancel()
            if self._grace is not None:
                self._grace.cancel()
            self._end()

    def _answered(self, answer: Answer) -> None:
        error = None if answer.cancelled() else answer.exception()
        if self._over.done():
            return
        self.missing.discard(answer)
        if error is not None and not isinstance(error, CairnError):
            self._over.set_exception(error)
            return
        if error is not None:
            if answer is self._local or (self.failure is None and isinstance(error, NoSpace)):
                self.failure = error
        elif not answer.cancelled():
            self._votes.hold(answer.result())
        if not self.missing or (self._grace_s <= 0 and self._votes.enough(self._goal)):
            self._end()
        elif self._grace is None and self._votes.enough(self._goal):
            self._grace = self._loop.call_later(self._grace_s, self._end)

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)
