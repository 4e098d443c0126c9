"""The arithmetic of measurements: runs, medians, percentiles. Pure; any thread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Runs:
    """The results of several runs of one thing, in the order they were made; at least one."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        assert self.values, "a figure without a run"

    @property
    def median(self) -> float:
        """The middle one, or the mean of the middle two."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.values)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long single operations took, over all runs and clients. Milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the ascending values do not exceed: the nearest rank."""
    assert ordered, "a percentile of nothing"
    rank = math.ceil(share * len(ordered))
    return ordered[max(rank, 1) - 1]


def latency(times_us: Iterable[float]) -> Latency | None:
    """What is told of single operations' times in microseconds; None where there were none."""
    ordered = sorted(times_us)
    if not ordered:
        return None
    return Latency(percentile(ordered, 0.5) / 1e3, percentile(ordered, 0.99) / 1e3, ordered[-1] / 1e3)
