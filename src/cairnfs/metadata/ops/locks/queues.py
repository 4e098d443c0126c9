"""queues: the places of many requests at once, and how many wait for each.

What belongs here: counting. Place 1 is the next in line: nobody of another owner who came earlier waits for
what conflicts. Who waits at a place is read once, however many ask about it, and queues that are made of the
same places are put together once. Of those who wait somewhere below a directory, at most QUEUE_MAX are
counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cairnfs.core.locks.request import BELOW, Key, Look, looks
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import lock_pages
from cairnfs.metadata.rows.lock_pages import Waiter
from cairnfs.metadata.rows.locks import LockRow
from cairnfs.wire.locks import QUEUE_MAX

_Who = tuple[str, str]
_NEVER = 2**63


class Standing(NamedTuple):
    """`place` is 0 for a holder; `waiting` counts those of other owners who wait for it, in part at least."""

    place: int
    waiting: int


class _Queue:
    """Who waits at some places, in the order of arrival: all of them, and those who want to be alone."""

    def __init__(self, waiters: Iterable[Waiter]) -> None:
        self._all: dict[_Who | None, list[int]] = {None: []}
        self._alone: dict[_Who | None, list[int]] = {None: []}
        for one in sorted({one.id: one for one in waiters}.values(), key=lambda one: one.id):
            for lists in (self._all, self._alone) if one.exclusive else (self._all,):
                lists[None].append(one.id)
                lists.setdefault((one.session, one.owner), []).append(one.id)

    def others(self, one: LockRow, low: int, high: int) -> int:
        """How many of other owners, numbered from `low` to below `high`, cannot share with this one."""
        lists = self._all if one.exclusive else self._alone
        own = lists.get((one.session, one.owner), [])
        return _between(lists[None], low, high) - _between(own, low, high)


def standings(
    tx: Tx, requests: Mapping[int, LockRow], keys: Mapping[int, Iterable[Key]]
) -> dict[int, Standing]:
    """How each of these requests stands."""
    wanted = {number: set(looks(keys[number], subtree=bool(one.subtree))) for number, one in requests.items()}
    waiters = _waiters(tx, {look for all_of in wanted.values() for look in all_of})
    queues: dict[frozenset[Look], _Queue] = {}
    found: dict[int, Standing] = {}
    for number, one in requests.items():
        places = frozenset(look for look in wanted[number] if look in waiters)
        if places not in queues:
            queues[places] = _Queue(waiter for look in places for waiter in waiters[look])
        found[number] = _standing(queues[places], one)
    return found


def _standing(queue: _Queue, one: LockRow) -> Standing:
    if one.fence > 0:
        return Standing(0, queue.others(one, 0, _NEVER))
    return Standing(1 + queue.others(one, 0, one.id), queue.others(one, one.id + 1, _NEVER))


def _waiters(tx: Tx, wanted: Iterable[Look]) -> dict[Look, list[Waiter]]:
    """Who waits there; a place where nobody does is left out."""
    over: list[Key] = []
    below: list[Key] = []
    same: list[Key] = []
    for look in wanted:
        (over if look.subtree else below if look.key.kind == BELOW else same).append(look.key)
    found: dict[Look, list[Waiter]] = {}
    for key, waiter in lock_pages.waiting(tx, same):
        found.setdefault(Look(key, subtree=False), []).append(waiter)
    for key, waiter in lock_pages.waiting_over(tx, over):
        found.setdefault(Look(key, subtree=True), []).append(waiter)
    for key in lock_pages.with_waiters(tx, below):
        found[Look(key, subtree=False)] = lock_pages.first_waiting(tx, key, QUEUE_MAX)
    return found


def _between(numbers: list[int], low: int, high: int) -> int:
    return bisect_left(numbers, high) - bisect_left(numbers, low)
