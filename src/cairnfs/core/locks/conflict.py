"""Who is in whose way, and what an owner has already.

What belongs here: the rule of conflicts, of grants, and of asking again for what one holds. Pure, any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cairnfs.core.locks.request import INODE, Key, Look, Request, Spot
from cairnfs.ids import InodeId


def met_by(looks: Iterable[Look], other: Request) -> bool:
    """Whether one of these looks hits a request."""
    return any(look.key in other.keys and (other.subtree or not look.subtree) for look in looks)


def conflict(one: Request, other: Request) -> bool:
    """Whether two requests cannot be held together: of different owners, not both shared, and they meet."""
    if one.owner == other.owner or not (one.exclusive or other.exclusive):
        return False
    return met_by(one.looks(), other)


def in_the_way(asked: Request, other: Request) -> bool:
    """Whether a request that is not held waits for another: one that is held, or came before it."""
    return (other.held or other.number < asked.number) and conflict(asked, other)


def blockers(asked: Request, others: Iterable[Request]) -> list[Request]:
    """Those that a request waits for."""
    return [other for other in others if in_the_way(asked, other)]


def covered(spots: Sequence[Spot], own: Sequence[Request], *, exclusive: bool, subtree: bool) -> bool:
    """Whether an owner who holds `own` has all of this already, as strong or stronger.

    Then it is granted past all who wait, if nobody else holds what is in its way: that may be, of a file that
    has a name here and another one in a tree of theirs.
    """
    strong = [one for one in own if one.held and (one.exclusive or not exclusive)]
    keys = {key for one in strong for key in one.keys}
    trees = {key.inode for one in strong if one.subtree for key in one.keys if key.kind == INODE}
    return all(_has(spot, keys, trees, subtree=subtree) for spot in spots)


def _has(spot: Spot, keys: set[Key], trees: set[InodeId], *, subtree: bool) -> bool:
    if not trees.isdisjoint(spot.above):
        return True
    if spot.inode is not None and spot.inode.inode in trees:
        return spot.name is None or spot.name in keys
    if subtree and spot.inode is not None:
        return False
    if spot.name is not None and spot.name not in keys:
        return False
    return spot.inode is None or spot.inode in keys or not trees.isdisjoint(spot.around)
