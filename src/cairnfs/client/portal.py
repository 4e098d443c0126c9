"""The way from ordinary threads into the client's event loop, which runs on a thread of its own.

One portal per process, started at the first call and shared by all synchronous clients; after a fork
the child starts its own. A call that is interrupted (Ctrl-C) cancels its work and waits a moment for
it to end; one that is made under a lock ends when that is lost. What belongs here: that. What does not: which
calls there are (`sync.py`). Any thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from cairnfs.client.locks.guard import under_locks
from cairnfs.errors import BadRequest, Unavailable
from cairnfs.net.loop import new_loop

R = TypeVar("R")
T = TypeVar("T")

#: How long an interrupted call's work may take to end before it is left behind.
_CANCEL_S = 2.0


class Portal:
    """An event loop on a background thread."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = new_loop()()
        self._thread = threading.Thread(target=self._run, name="cairn", daemon=True)
        self._thread.start()

    @property
    def ours(self) -> bool:
        """Whether it is of this process and not of the one that this was forked from."""
        return self._pid == os.getpid()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def post(self, work: Callable[[], object]) -> None:
        """Have `work` called on the loop, without waiting for it."""
        if self.ours:
            self._loop.call_soon_threadsafe(work)

    def call(self, work: Coroutine[Any, Any, R], *, bare: bool = False) -> R:
        """Run `work` on the loop and wait for its result. Raises what it raises.

        Raises LockLost where a lock that is held in this thread is lost before its end, unless `bare`.
        """
        if not self.ours or threading.current_thread() is self._thread:
            work.close()
            raise BadRequest(
                "this was opened before the process forked"
                if not self.ours
                else "a synchronous call from Cairn's own thread would wait for itself"
            )
        if not bare:
            work = under_locks(work)
        result: concurrent.futures.Future[R] = concurrent.futures.Future()
        running: list[asyncio.Task[R]] = []

        def start() -> None:
            task = self._loop.create_task(work)
            task.add_done_callback(lambda ended: _hand_over(ended, result))
            running.append(task)

        self._loop.call_soon_threadsafe(start)
        try:
            return result.result()
        except BaseException:
            # Its own error; or this thread was interrupted, and the work is to end as well.
            if not result.done():
                self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in running])
                concurrent.futures.wait([result], timeout=_CANCEL_S)
            raise

    def iterate(self, items: AsyncIterator[T], at_once: int) -> Iterator[T]:
        """The items, up to `at_once` crossing together; an iteration may be left unfinished."""

        async def take() -> list[T]:
            taken: list[T] = []
            async for item in items:
                taken.append(item)
                if len(taken) == at_once:
                    break
            return taken

        try:
            while taken := self.call(take()):
                yield from taken
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                self.post(lambda: self._loop.create_task(close()))


def _hand_over(ended: asyncio.Task[R], result: concurrent.futures.Future[R]) -> None:
    if ended.cancelled():
        result.set_exception(Unavailable("the call was given up"))
    elif (error := ended.exception()) is not None:
        result.set_exception(error)
    else:
        result.set_result(ended.result())


_portal: Portal | None = None
_starting = threading.Lock()


def portal() -> Portal:
    """This process's portal."""
    global _portal
    with _starting:
        if _portal is None or not _portal.ours:
            _portal = Portal()
        return _portal


def _after_fork() -> None:
    """The lock may have been held by a thread that does not exist here."""
    global _starting
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
