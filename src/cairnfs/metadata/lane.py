"""From the event loop to a few threads and back: a bounded queue whose waiting tasks travel together.

What belongs here: the hand-over in both directions, limits, closing. What does not: who is next
(`waiting.py`), what is done with the tasks (`batch.py`). Nothing is delayed to make a batch larger: a
thread takes what waits, and whatever arrives meanwhile forms the next batch.

Threads: `ask` and `close` belong to one event loop; `work` runs in the lane's own threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import structlog

from cairnfs.errors import Busy, CairnError, Internal
from cairnfs.metadata.waiting import Waiting

P = TypeVar("P")
#: What `work` wants done on the loop before its answers are given.
Announce = Callable[[], None]

RETRY_AFTER_MS = 1_000
_log = structlog.get_logger("metadata.lane")


class Task(Generic[P]):
    """One thing asked. A worker calls `answer` or `refuse` once; the lane tells who asked."""

    __slots__ = ("_error", "_value", "asked", "done", "future", "uncertain")

    def __init__(self, asked: P, future: asyncio.Future[Any]) -> None:
        self.asked = asked
        self.future = future
        self.done = False
        #: A COMMIT that held it went unanswered: it may have taken effect.
        self.uncertain = False
        self._value: Any = None
        self._error: CairnError | None = None

    def answer(self, value: object) -> None:
        """It is done, with this result."""
        self._value, self.done = value, True

    def refuse(self, error: CairnError) -> None:
        """It is not done, for this reason."""
        self._error, self.done = error, True

    def tell(self) -> None:
        """On the loop: wake who asked, unless nobody waits any more."""
        if self.future.done():
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        elif self.done:
            self.future.set_result(self._value)
        else:
            self.future.set_exception(Internal("left without an answer"))


class Lane(Generic[P]):
    """A queue with `threads` workers, each taking up to `batch_max` tasks at a time.

    `weigh` says about how many paths a task concerns; it runs on the loop.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Task[P]]], Announce | None],
        *,
        threads: int = 1,
        batch_max: int = 256,
        queue_max: int = 4_096,
        weigh: Callable[[P], int] = lambda asked: 1,
    ) -> None:
        self._name = name
        self._work = work
        self._count = threads
        self._queue_max = queue_max
        self._weigh = weigh
        self._queue: Waiting[Task[P]] = Waiting(batch_max)
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event = asyncio.Event()
        self._waiting = 0
        self._closing = False

    async def ask(self, asked: P) -> Any:
        """Queue it and wait for its answer. Raises Busy when the queue is full or closing."""
        if self._closing:
            raise _busy("closing down")
        if self._waiting >= self._queue_max:
            raise _busy(f"too many requests wait for the {self._name}")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._start(loop)
        assert self._loop is loop, "a lane belongs to one event loop"
        task = Task(asked, loop.create_future())
        weight = self._weigh(asked)
        self._waiting += 1
        self._queue.put(task, weight)
        return await task.future

    async def close(self) -> None:
        """Take nothing more, answer everything that is queued, end the threads."""
        self._closing = True
        if not self._threads:
            return
        self._queue.end()
        await self._ended.wait()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        for number in range(self._count):
            # Daemons: a process that ends without closing loses only what nobody was told of.
            thread = threading.Thread(target=self._serve, name=f"{self._name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop was closed under us: nobody is left to be told
            while tasks := self._queue.take():
                self._loop.call_soon_threadsafe(self._deliver, tasks, self._run(tasks))
            self._loop.call_soon_threadsafe(self._end_one)

    def _run(self, tasks: list[Task[P]]) -> Announce | None:
        # Who hung up before it was begun wants nothing done.
        wanted = [task for task in tasks if not task.future.cancelled()]
        try:
            return self._work(wanted) if wanted else None
        except Exception as error:  # noqa: BLE001  (whoever asked must be told something)
            _log.exception("a worker failed", lane=self._name)
            for task in wanted:
                if not task.done:
                    task.refuse(_internal(error))
            return None

    def _deliver(self, tasks: list[Task[P]], announce: Announce | None) -> None:
        self._waiting -= len(tasks)
        try:
            if announce is not None:
                announce()
        except Exception:  # noqa: BLE001  (the answers must go out)
            _log.exception("an announcement failed", lane=self._name)
        for task in tasks:
            task.tell()

    def _end_one(self) -> None:
        self._count -= 1
        if self._count == 0:
            self._ended.set()


def _busy(why: str) -> Busy:
    error = Busy(why)
    error.retry_after_ms = RETRY_AFTER_MS
    return error


def _internal(cause: BaseException) -> Internal:
    error = Internal()
    error.__cause__ = cause
    return error
