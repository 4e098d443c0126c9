"""Carries chunks to or from the members of their groups, each by a member that does it.

An item goes to the first member of its order; what waits for one member goes in one request, a few
requests at once. A member that fails is avoided and its items go to the next; one that stalls keeps
its request, but the items go to the next as well, and whoever is first counts. When all members were
tried, the map is fetched again and all are asked once more, as long as the errors may pass and
patience lasts. What belongs here: that. What does not: what a request does (`upload.py`,
`download.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cairnfs.client.cluster import Cluster
from cairnfs.client.control import CLOSED
from cairnfs.client.retry import Pauses, worth_repeating
from cairnfs.client.transfer import BATCH_BYTES, BATCH_CHUNKS, Beat
from cairnfs.clock import Clock
from cairnfs.errors import BadRequest, CairnError, Conflict, Denied, NotAMember, TooFewCopies, Unreachable
from cairnfs.ids import FileserverId, Hash

R = TypeVar("R")

#: Requests that run at once at one fileserver.
WIDTH = 2
PATIENCE_S = 30.0


class Item(Generic[R]):
    """A chunk to carry; `result` is what the carrying gives. What goes together may be one item."""

    #: How many chunks it is.
    count = 1

    def __init__(self, chunk: Hash, size: int, content: bytes = b"") -> None:
        """`content` is empty where the chunk is to be fetched."""
        self.chunk = chunk
        self.size = size
        self.content = content
        self.result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        #: Why the members that were tried in this round did not do it.
        self.failures: dict[FileserverId, CairnError] = {}
        self.order: list[FileserverId] = []
        self.attempts: set[_Attempt[R]] = set()
        self.queued = 0
        self.rounds = 0
        self.pauses: Pauses | None = None

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return not self.result.done()


@dataclass(frozen=True, slots=True)
class Plan(Generic[R]):
    """How one kind of item is carried.

    `exchange(address, items, beat)` does what it can with one member: it sets results, and raises, or
    notes in `refused`, why items remain. `order` gives the members to try. `verdict` says what the
    members' failures mean together.
    """

    exchange: Exchange[R]
    order: Callable[[Hash], list[FileserverId]]
    verdict: Callable[[Mapping[FileserverId, CairnError]], CairnError]
    stall_s: float


Refuse = Callable[[Item[R], CairnError], None]
Exchange = Callable[[str, Sequence[Item[R]], Refuse[R], Beat], Awaitable[None]]


class _Attempt(Generic[R]):
    """One request to one member for some items."""

    def __init__(self, member: FileserverId, items: list[Item[R]], now: float) -> None:
        self.member = member
        self.items = items
        self.moved_at = now
        self.stalled = False
        self.open = len(items)
        self.task: asyncio.Task[None] | None = None


class Courier(Generic[R]):
    """Carries items by one plan. Close it when its work is done or given up."""

    def __init__(self, plan: Plan[R], cluster: Cluster, clock: Clock) -> None:
        self._plan = plan
        self._cluster = cluster
        self._clock = clock
        self._waiting: dict[FileserverId, deque[Item[R]]] = {}
        self._running: dict[FileserverId, int] = {}
        self._attempts: set[_Attempt[R]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._items: set[Item[R]] = set()
        self._closed = False

    def carry(self, item: Item[R]) -> None:
        """Take an item on; its `result` tells the end. The cluster's map must have been loaded."""
        if self._closed:
            item.result.set_exception(BadRequest(CLOSED))
            return
        self._items.add(item)
        item.order = self._plan.order(item.chunk)
        item.result.add_done_callback(lambda _: self._settled(item))
        self._route(item)

    async def close(self) -> None:
        """Stop everything; whoever waits for an unfinished item learns it by BadRequest."""
        self._closed = True
        for item in self._items:
            if item.open:
                item.result.set_exception(BadRequest(CLOSED))
                item.result.exception()  # seen: nobody need be waiting
        self._waiting.clear()
        tasks = [*self._tasks, *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # From item to request.

    def _route(self, item: Item[R]) -> None:
        """Send the item to its next member, or into the next round where there is none."""
        if not item.open or self._closed:
            return
        if not item.order:
            if not item.attempts and not item.queued:
                self._spawn(self._again(item))
            return
        member = item.order.pop(0)
        item.queued += 1
        queue = self._waiting.setdefault(member, deque())
        queue.append(item)
        if len(queue) == 1:
            # Later in this turn of the loop, so that all that comes in this turn goes together.
            asyncio.get_running_loop().call_soon(self._start, member)

    def _start(self, member: FileserverId) -> None:
        while not self._closed and self._waiting.get(member) and self._running.get(member, 0) < WIDTH:
            items = self._batch(self._waiting[member])
            if not items:
                continue
            attempt = _Attempt(member, items, self._clock.monotonic())
            for item in items:
                item.attempts.add(attempt)
            self._attempts.add(attempt)
            self._running[member] = self._running.get(member, 0) + 1
            self._spawn(self._run(attempt))
            if self._watcher is None or self._watcher.done():
                self._watcher = asyncio.create_task(self._watch())

    def _batch(self, queue: deque[Item[R]]) -> list[Item[R]]:
        items: list[Item[R]] = []
        size = count = 0
        while queue and (
            not items or (count + queue[0].count <= BATCH_CHUNKS and size + queue[0].size <= BATCH_BYTES)
        ):
            item = queue.popleft()
            item.queued -= 1
            if item.open:
                items.append(item)
                size += item.size
                count += item.count
        return items

    async def _run(self, attempt: _Attempt[R]) -> None:
        """One request; afterwards what it left undone goes on to other members."""
        member = attempt.member
        attempt.task = asyncio.current_task()

        def refuse(item: Item[R], error: CairnError) -> None:
            item.failures[member] = error

        def beat() -> None:
            attempt.moved_at = self._clock.monotonic()

        server = self._cluster.server(member)
        failure: CairnError | None = None
        try:
            if server is None:
                raise Unreachable(f"fileserver {member} is not in the cluster map")
            await self._plan.exchange(server.address, attempt.items, refuse, beat)
        except CairnError as error:
            failure = error
            if not isinstance(error, Conflict | Denied):
                self._doubt(member)
        finally:
            self._attempts.discard(attempt)
            self._free(attempt)
            for item in attempt.items:
                item.attempts.discard(attempt)
        for item in attempt.items:
            if failure is not None and item.open:
                item.failures.setdefault(member, failure)
            # Items of an attempt that stalled went on already; only the last one's end matters then.
            if not attempt.stalled or not item.attempts:
                self._route(item)

    def _free(self, attempt: _Attempt[R]) -> None:
        """Another request may start in its place; an attempt that stalled gave its place up before."""
        if not attempt.stalled:
            self._running[attempt.member] -= 1
        self._start(attempt.member)

    def _settled(self, item: Item[R]) -> None:
        """The item is done: a request of which nothing more is wanted is not worth waiting for."""
        self._items.discard(item)
        item.content = b""
        for attempt in item.attempts:
            attempt.open -= 1
            if attempt.open == 0 and attempt.task is not None and attempt.stalled:
                attempt.task.cancel()

    # Stalls and further rounds.

    async def _watch(self) -> None:
        """Look at the requests from time to time; ends when there are none."""
        step_s = self._plan.stall_s / 4
        while self._attempts and not self._closed:
            before = self._clock.monotonic()
            await self._clock.sleep(step_s)
            now = self._clock.monotonic()
            if now - before > 2 * step_s:
                # We were not running ourselves; that says nothing about the members.
                for attempt in self._attempts:
                    attempt.moved_at = now
            for attempt in list(self._attempts):
                if not attempt.stalled and now - attempt.moved_at >= self._plan.stall_s:
                    self._stall(attempt)

    def _stall(self, attempt: _Attempt[R]) -> None:
        attempt.stalled = True
        self._running[attempt.member] -= 1
        self._doubt(attempt.member)
        for item in attempt.items:
            if item.open and item.order:
                self._route(item)
        self._start(attempt.member)

    def _doubt(self, member: FileserverId) -> None:
        """Avoid the member for a while, and look whether the cluster thinks the same."""
        self._cluster.avoid(member)
        self._spawn(self._cluster.look_again())

    async def _again(self, item: Item[R]) -> None:
        """All members were tried: fetch the map and begin another round, or give the item up."""
        error = self._plan.verdict(item.failures)
        item.rounds += 1
        if item.pauses is None:
            item.pauses = Pauses(self._clock, PATIENCE_S)
        try:
            if item.rounds > 1 and not worth_repeating(error):
                raise error
            await item.pauses.after(error)
            await self._cluster.load(stale=True)
        except CairnError as final:
            if item.open:
                item.result.set_exception(final)
            return
        item.failures = {}
        item.order = self._plan.order(item.chunk)
        if not item.order:
            item.failures = {FileserverId(0): TooFewCopies("the chunk's group has no members")}
        self._route(item)


def worst(failures: Mapping[FileserverId, CairnError]) -> CairnError:
    """The failure to report of several: one that may pass, if there is one; else the first."""
    passing = [error for error in failures.values() if error.retryable and not isinstance(error, NotAMember)]
    return next(iter([*passing, *failures.values()]), TooFewCopies("the chunk's group has no members"))
