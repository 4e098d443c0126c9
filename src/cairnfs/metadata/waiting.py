"""What waits for a lane's threads: in order, but nothing small waits for more than one large batch.

What belongs here: the queue and the choice of the next batch. What does not: threads, futures and
limits (`lane.py`). A commit of a thousand files takes tens of milliseconds under the clock; a publish
sends many of them, and a single file must not stand behind them all. So small and large form batches
of their own, in turns. What weighs nothing goes before both, in batches of its own: a renewal that waited
behind a thousand commits would come too late for whoever renews.

Threads: any, on both ends.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
#: From this weight on a task is large. Weight 1 is about one path.
LARGE_FROM = 64
#: A batch ends once it weighs as much, so that whoever comes next does not wait long.
WEIGHT_MAX = 1_000


class Waiting(Generic[T]):
    """A queue of tasks with weights. `batch_max` tasks at most are taken together."""

    def __init__(self, batch_max: int) -> None:
        self._batch_max = batch_max
        self._light: deque[tuple[T, int]] = deque()
        self._small: deque[tuple[T, int]] = deque()
        self._large: deque[tuple[T, int]] = deque()
        self._there = threading.Condition(threading.Lock())
        self._large_was_last = False
        self._light_was_last = False
        self._ended = False

    def put(self, task: T, weight: int) -> None:
        """Add a task."""
        with self._there:
            self._line(weight).append((task, weight))
            self._there.notify()

    def take(self) -> list[T]:
        """The next batch: waits for one; nothing only when it is over and all was taken."""
        with self._there:
            while not (self._light or self._small or self._large or self._ended):
                self._there.wait()
            others = bool(self._small or self._large)
            if self._light and not (others and self._light_was_last):
                self._light_was_last = True
                return self._cut(self._light)
            self._light_was_last = False
            large = bool(self._large) and (not self._small or not self._large_was_last)
            self._large_was_last = large
            return self._cut(self._large if large else self._small)

    def end(self) -> None:
        """Nothing more will be put."""
        with self._there:
            self._ended = True
            self._there.notify_all()

    def _line(self, weight: int) -> deque[tuple[T, int]]:
        if weight == 0:
            return self._light
        return self._large if weight >= LARGE_FROM else self._small

    def _cut(self, tasks: deque[tuple[T, int]]) -> list[T]:
        batch: list[T] = []
        weight = 0
        while tasks and len(batch) < self._batch_max and weight < WEIGHT_MAX:
            if batch and tasks[0][1] > 2 * WEIGHT_MAX:
                break  # nobody is to wait for one so large in whose batch they need not be
            task, one = tasks.popleft()
            batch.append(task)
            weight += one
        return batch
