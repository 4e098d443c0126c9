"""Waiting no longer than so many seconds of the clock one was given.

What belongs here: the one way in which this room bounds a wait. Under the machine's clock it is
`asyncio.timeout`; under any other clock (tests) a watcher sleeps on that clock, so that moving it by
hand ends waits too. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from cairnfs.clock import Clock, SystemClock


def within(clock: Clock, seconds: float) -> AbstractAsyncContextManager[object]:
    """`async with within(clock, 2.0):` raises TimeoutError if its body takes longer."""
    if isinstance(clock, SystemClock):
        return asyncio.timeout(max(seconds, 0.0))
    return _watched(clock, seconds)


@asynccontextmanager
async def _watched(clock: Clock, seconds: float) -> AsyncIterator[None]:
    task = asyncio.current_task()
    assert task is not None
    fired = False

    async def watch() -> None:
        nonlocal fired
        await clock.sleep(seconds)
        fired = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if fired and task.uncancel() == 0:
            raise TimeoutError from None
        raise
    finally:
        watcher.cancel()
    if fired:
        # The body ended in the same step in which time ran out: its result counts.
        task.uncancel()
