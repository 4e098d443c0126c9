"""Waits that would close a circle.

An owner waits where any request of theirs does, for whoever is in its way. What belongs here: finding the way
back to the one who is about to wait, a level at a time, whoever looks the requests up. Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from cairnfs.core.locks.request import Owner, Request


class Wait(NamedTuple):
    """Somebody who waits, and for whom; both by a request of theirs."""

    waiter: int
    waits: Owner
    blocker: int
    blocks: Owner


#: Of these waiting requests, the waits: of each owner that is waited for at least one that leads on, unless
#: only owners of these requests wait for them.
Waits = Callable[[Sequence[Request]], Iterable[Wait]]
#: What these owners wait for.
Waiting = Callable[[Sequence[Owner]], Iterable[Request]]


def circle(owner: Owner, asked: Sequence[Request], waits: Waits, waiting: Waiting) -> list[Wait] | None:
    """The shortest circle of waits through an owner who waits, or is about to, with these requests."""
    reached: dict[Owner, Wait] = {}
    level = list(asked)
    while level:
        found: dict[Owner, None] = {}
        for wait in waits(level):
            if wait.blocks in reached or (wait.waits != owner and wait.waits not in reached):
                continue
            reached[wait.blocks] = wait
            if wait.blocks == owner:
                return _way(owner, reached)
            found[wait.blocks] = None
        level = [one for one in waiting(list(found)) if one.owner in found] if found else []
    return None


def _way(owner: Owner, reached: dict[Owner, Wait]) -> list[Wait]:
    way = [reached[owner]]
    while way[-1].waits != owner:
        way.append(reached[way[-1].waits])
    return way[::-1]
