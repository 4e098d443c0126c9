"""How much more a cluster can hold, by what its fileservers have left.

Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Iterable


def room(free_bytes: Iterable[int], copies: int) -> int:
    """Bytes of new data that fit, each byte on `copies` fileservers of these, no two copies on one.

    None where there are fewer fileservers. What is left of a large one once all others are full is of no use.
    """
    free = sorted(free_bytes, reverse=True)
    if copies < 1 or len(free) < copies:
        return 0
    # What fits is the largest r with sum(min(one, r)) >= copies * r. If the largest few hold a copy of all,
    # the rest has to hold the other copies: a bound for each number of them, of which the least is met.
    rest = sum(free)
    best = rest // copies
    for holding in range(copies):
        best = min(best, rest // (copies - holding))
        rest -= free[holding]
    return best
