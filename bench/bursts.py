"""Doing one thing again and again for a bounded time, and what many clients' bursts come to. Pure but
for the clock: CLOCK_MONOTONIC is the same for all processes of a machine, so bursts of several
processes can be laid side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Burst:
    """One client's operations: when it began and ended (s), how long each took (us), units done.

    `units` is the number of operations unless one does more than one (a listing: its entries).
    """

    began: float
    ended: float
    times_us: Sequence[float]
    units: float

    def reply(self) -> dict[str, object]:
        """As a worker answers it."""
        return asdict(self)


def burst(operation: Callable[[int], object], *, seconds: float, most: int, start_at: float = 0.0) -> Burst:
    """Call `operation(0)`, `operation(1)`, ... from `start_at` on, until the time or `most` is reached."""
    time.sleep(max(0.0, start_at - time.monotonic()))
    times = []
    began = before = time.monotonic()
    for index in range(most):
        operation(index)
        now = time.monotonic()
        times.append((now - before) * 1e6)
        before = now
        if now - began >= seconds:
            break
    return Burst(began, before, times, len(times))


def parse(reply: Mapping[str, object]) -> Burst:
    """The burst that a worker answered."""
    return Burst(**reply)  # type: ignore[arg-type]


def rate(bursts: Sequence[Burst]) -> float:
    """Units per second of all clients together, from the first one's start to the last one's end."""
    span = max(each.ended for each in bursts) - min(each.began for each in bursts)
    return sum(each.units for each in bursts) / max(span, 1e-9)
