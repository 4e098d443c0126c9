"""The law of locks as a whole, on a dictionary: what the database does by statements, done plainly.

`metadata/ops/locks` looks only at what a question needs; this looks at everybody each time. The tests run the
law's properties over it, and hold the database's answers against it. What belongs here: the verbs. What does
not: rights, tokens, limits. Not for use by two threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from cairnfs.core.locks.circle import Wait, circle
from cairnfs.core.locks.conflict import conflict, covered
from cairnfs.core.locks.request import Key, Owner, Request, Spot, keys_of
from cairnfs.errors import Deadlock, Locked, NoSuchLock, NotSoleHolder


class Table:
    """All requests, by number. `fence`: that of the latest grant."""

    def __init__(self) -> None:
        self.requests: dict[int, Request] = {}
        self.fence = 0
        self._last = 0

    def ask(
        self,
        owner: Owner,
        spots: Sequence[Spot],
        *,
        exclusive: bool = True,
        subtree: bool = False,
        wait: bool = True,
    ) -> Request:
        """Ask for these paths, all or none; give the request, held or waiting. Raises Locked, Deadlock."""
        asked = Request(self._last + 1, owner, exclusive, subtree, keys_of(spots))
        before = self.blockers(asked)
        is_held = any(one.held for one in before)
        if before and (is_held or not self._has_it(owner, spots, exclusive=exclusive, subtree=subtree)):
            if not wait:
                raise Locked
            if self.circle([asked]) is not None:
                raise Deadlock
        else:
            held = replace(asked, fence=self.fence + 1)
            self.requests[held.number] = held
            if before and self.circle(self._waiting([owner])) is not None:
                del self.requests[held.number]
                raise Deadlock
            self.fence += 1
            asked = held
        self._last += 1
        self.requests[asked.number] = asked
        return asked

    def release(self, numbers: Collection[int]) -> list[Request]:
        """Release these, or withdraw them: all or none; give who is granted then. Raises NoSuchLock."""
        if not self.requests.keys() >= set(numbers):
            raise NoSuchLock
        for number in numbers:
            del self.requests[number]
        return self.promote()

    def end(self, owners: Collection[Owner]) -> list[Request]:
        """These owners are over; give who is granted then."""
        gone = [number for number, one in self.requests.items() if one.owner in owners]
        return self.release(gone)

    def upgrade(self, number: int) -> Request:
        """Make a shared one exclusive. Raises NoSuchLock, NotSoleHolder, Deadlock."""
        one = self.requests.get(number)
        if one is None:
            raise NoSuchLock
        stronger = replace(one, exclusive=True)
        others = [other for other in self.requests.values() if other.held]
        if not one.held or any(self.conflict(stronger, other) for other in others):
            raise NotSoleHolder
        if one.exclusive:
            return one
        self.requests[number] = stronger
        if self.circle(self._waiting([one.owner])) is not None:
            self.requests[number] = one
            raise Deadlock
        self.requests[number] = replace(stronger, fence=self._next_fence())
        return self.requests[number]

    def rekey(self, keys: Mapping[int, Iterable[Key]]) -> list[Request]:
        """The names of these lead elsewhere now; give who is granted then."""
        for number, now in keys.items():
            self.requests[number] = replace(self.requests[number], keys=frozenset(now))
        return self.promote()

    def promote(self) -> list[Request]:
        """Grant, in the order of arrival, whoever waits for nobody."""
        granted = []
        for number in sorted(self.requests):
            one = self.requests[number]
            if not one.held and not self.blockers(one):
                granted.append(replace(one, fence=self._next_fence()))
                self.requests[number] = granted[-1]
        return granted

    def blockers(self, asked: Request) -> list[Request]:
        """Those whom a request that is not held waits for."""
        return [
            other
            for other in self.requests.values()
            if (other.held or other.number < asked.number) and self.conflict(asked, other)
        ]

    def circle(self, asked: Sequence[Request]) -> list[Wait] | None:
        """The circle that an owner closes who waits with these."""
        return circle(asked[0].owner, asked, self._waits, self._waiting) if asked else None

    def conflict(self, one: Request, other: Request) -> bool:
        """See `conflict.conflict`."""
        return conflict(one, other)

    def _has_it(self, owner: Owner, spots: Sequence[Spot], *, exclusive: bool, subtree: bool) -> bool:
        own = [one for one in self.requests.values() if one.owner == owner]
        return covered(spots, own, exclusive=exclusive, subtree=subtree)

    def _waits(self, waiting: Sequence[Request]) -> list[Wait]:
        return [
            Wait(one.number, one.owner, other.number, other.owner)
            for one in waiting
            for other in self.blockers(one)
        ]

    def _waiting(self, owners: Sequence[Owner]) -> list[Request]:
        return [one for one in self.requests.values() if not one.held and one.owner in owners]

    def _next_fence(self) -> int:
        self.fence += 1
        return self.fence
