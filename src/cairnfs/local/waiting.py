"""Waiting for a condition on this machine, in a thread that may block.

What belongs here: the one loop that polls. What does not: waiting on an event loop (`Clock.sleep`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from cairnfs.clock import Clock, SystemClock

T = TypeVar("T")
_POLL_S = 0.02


def until(
    condition: Callable[[], T | None], within_s: float, clock: Clock | None = None, poll_s: float = _POLL_S
) -> T | None:
    """Ask until the answer is true, and return it; None once `within_s` is over. Asks at least once."""
    clock = clock or SystemClock()
    end = clock.monotonic() + within_s
    while True:
        if answer := condition():
            return answer
        left = end - clock.monotonic()
        if left <= 0:
            return None
        threading.Event().wait(min(poll_s, left))
