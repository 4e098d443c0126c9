"""References counted twice: as the table says, and as those who refer do. In bounded memory.

What belongs here: comparing two multisets of hashes. Sums tell whether they differ (hashes are random
numbers, so that sums of them agree by chance once in 2**128); only if they do, rows are counted one by
one, a range of hashes at a time, to name the culprits. Pure but for the reading functions given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from cairnfs.metadata.verify.report import FINDINGS_MAX

Counted = Iterable[tuple[bytes, int]]  #: (hash, how many times)
RANGE_ROWS = 200_000


class Tally:
    """A multiset of hashes as two numbers."""

    __slots__ = ("number", "total")

    def __init__(self) -> None:
        """An empty one."""
        self.number = 0
        self.total = 0

    def add(self, one: bytes, times: int = 1) -> None:
        """Put a hash in, `times` times."""
        self.number += times
        self.total += times * int.from_bytes(one[:16], "little")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and (self.number, self.total) == (other.number, other.total)

    __hash__ = None  # type: ignore[assignment]


def differences(
    rows: int, said: Callable[[], Counted], seen: Callable[[], Counted]
) -> list[tuple[bytes, int, int]]:
    """(hash, references said, references seen) where they differ, at most FINDINGS_MAX.

    `said` and `seen` go through everything each time they are called; `rows` is about how many.
    """
    found: list[tuple[bytes, int, int]] = []
    ranges = min(256, rows // RANGE_ROWS + 1)
    for part in range(ranges):
        low, high = 256 * part // ranges, 256 * (part + 1) // ranges
        counted: Counter[bytes] = Counter()
        for one, times in seen():
            if low <= one[0] < high:
                counted[one] += times
        for one, times in said():
            if low <= one[0] < high and (actual := counted.pop(one, 0)) != times:
                found.append((one, times, actual))
        # What is referred to and has no row is found by those who refer.
        if len(found) >= FINDINGS_MAX:
            break
    return found[:FINDINGS_MAX]
