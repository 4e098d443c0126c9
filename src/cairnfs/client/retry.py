"""What is tried again, how long, and with what pauses.

Only errors that say so (`retryable`) are tried again, and only requests that may be repeated come
here: reads, and changes under one request id. Pauses grow from 50 ms to 2 s, are drawn at random
between half and the whole, and never reach past the deadline. Used from one event loop.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from cairnfs.clock import Clock
from cairnfs.errors import CairnError, TooManyLogins, Unreachable

A = TypeVar("A")

PAUSE_FIRST_S = 0.05
PAUSE_MOST_S = 2.0
#: How long a server that never answered before is waited for: it is probably not there.
STRANGER_S = 1.5

_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on, in seconds: `total_s` in all, `attempt_s` for one attempt."""

    total_s: float = 60.0
    attempt_s: float = 20.0


class Pauses:
    """The pauses of one request between its attempts, until its deadline."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._next_s = PAUSE_FIRST_S
        self.deadline = clock.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - self._clock.monotonic()

    async def after(self, error: CairnError) -> None:
        """Wait before the next attempt. Raises `error` where no time is left for one."""
        pause_s = self._next_s * (0.5 + _random.random() / 2)
        self._next_s = min(self._next_s * 2, PAUSE_MOST_S)
        if error.retry_after_ms is not None:
            pause_s = max(pause_s, min(error.retry_after_ms / 1000, PAUSE_MOST_S))
        if pause_s >= self.left_s:
            raise error
        await self._clock.sleep(pause_s)


def worth_repeating(error: CairnError) -> bool:
    """Whether the same request may succeed later. Waiting out a login limit is for people to decide."""
    return error.retryable and not isinstance(error, TooManyLogins)


async def persist(
    clock: Clock, patience: Patience, attempt: Callable[[float], Awaitable[A]], *, stranger: bool = False
) -> A:
    """Run `attempt(timeout_s)` until it succeeds, fails for good, or time is over.

    `stranger`: the server never answered yet, so one that cannot be reached is given up soon.
    """
    pauses = Pauses(clock, patience.total_s)
    stranger_until = clock.monotonic() + STRANGER_S
    while True:
        try:
            return await attempt(min(patience.attempt_s, max(pauses.left_s, 0.001)))
        except CairnError as error:
            if not worth_repeating(error):
                raise
            if stranger and isinstance(error, Unreachable):
                pauses.deadline = min(pauses.deadline, stranger_until)
            else:
                stranger = False
            await pauses.after(error)
