"""The one place that writes: operations go in, answers come out once the database has committed.

    submit   a change under the clock row     one committer thread, group commit   (`batch.py`)
    light    a small change beside the clock  the same thread, grouped too         (`light.py`)
    read     a look at one snapshot           a few reader threads
    survey   a look that may take long        one thread of its own

What belongs here: the async face, and who works for whom. Nothing, a refusal included, is answered or
announced before COMMIT has returned.

Threads: the methods belong to one event loop; functions and operations run in the driver's threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import structlog

from cairnfs.clock import Clock
from cairnfs.metadata.batch import Committer, Operation
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.effects import CommitEvent
from cairnfs.metadata.lane import Announce, Lane, Task
from cairnfs.metadata.light import Function, Together
from cairnfs.metadata.patience import Patience

__all__ = ["CommitEvent", "Driver", "Operation"]

A = TypeVar("A")
R = TypeVar("R")
READERS = 4
#: Reads that share a snapshot: few, since they wait for each other.
READS_TOGETHER = 8
_log = structlog.get_logger("metadata.driver")


class Driver:
    """Owns a database's writing. Make it and use it on one event loop; `close` it there."""

    def __init__(
        self, database: Database, clock: Clock, *, batch_max: int = 256, queue_max: int = 4_096
    ) -> None:
        """`batch_max` operations at most in one tx; beyond `queue_max` waiting, Busy."""
        self._listeners: list[Callable[[CommitEvent], None]] = []
        self._closing = threading.Event()
        patience = partial(Patience, self._closing)
        self._committer = Committer(database, clock, patience)
        together = Together(database, patience)
        self._together = together
        self._writes: Lane[Operation[Any] | Function] = Lane(
            "committer", self._write, batch_max=batch_max, queue_max=queue_max, weigh=_weight
        )
        self._reads: Lane[Function] = Lane(
            "reader", together.read, threads=READERS, batch_max=READS_TOGETHER, queue_max=queue_max
        )
        self._surveys: Lane[Function] = Lane("surveyor", together.read, batch_max=1, queue_max=64)

    async def submit(self, operation: Operation[A]) -> A:
        """Decide and commit a change, and give its answer: for a request asked before, the first one.

        Raises what the operation refuses with; Busy, DeadlineExceeded (it did not and will not happen);
        OutcomeUnknown (ask again under the same request id); Internal.
        """
        return cast(A, await self._writes.ask(operation))

    async def light(self, function: Callable[[Tx], R]) -> R:
        """Write without the clock row: renewals, heartbeats, logins, whatever commutes with all else.

        `function` may be called again; it raises a CairnError only before its first change.
        """
        return cast(R, await self._writes.ask(function))

    async def read(self, function: Callable[[Tx], R]) -> R:
        """Give `function`'s result in a snapshot that holds everything answered so far.

        It may be called again, and must be quick: a few others wait for it.
        """
        return cast(R, await self._reads.ask(function))

    async def survey(self, function: Callable[[Tx], R]) -> R:
        """As `read`, for what may take long: one at a time."""
        return cast(R, await self._surveys.ask(function))

    def on_commit(self, listener: Callable[[CommitEvent], None]) -> None:
        """Call `listener` on the event loop after each COMMIT, before its answers are given."""
        self._listeners.append(listener)

    async def close(self) -> None:
        """Take nothing more; answer everything that waits; end the threads. The database stays open."""
        self._closing.set()
        for lane in (self._writes, self._reads, self._surveys):
            await lane.close()

    def _write(self, tasks: Sequence[Task[Operation[Any] | Function]]) -> Announce | None:
        light = [cast("Task[Function]", task) for task in tasks if callable(task.asked)]
        heavy = [cast("Task[Operation[Any]]", task) for task in tasks if not callable(task.asked)]
        if light:
            self._together.write(light)
        events = self._committer.commit(heavy)
        return partial(self._announce, events) if events and self._listeners else None

    def _announce(self, events: Sequence[CommitEvent]) -> None:
        for event in events:
            for listener in self._listeners:
                try:
                    listener(event)
                except Exception:  # noqa: BLE001  (the answers must go out)
                    _log.exception("a listener failed")


def _weight(asked: Operation[Any] | Function) -> int:
    if callable(asked):
        return 0  # beside the clock: nobody's commit waits long for it, and it waits for none
    # Most are as heavy as what they ask about; what writes rows that no path leads to says it itself.
    rows: int = getattr(asked, "weight", 0)
    return 1 + rows + sum(1 for _ in asked.wants())
