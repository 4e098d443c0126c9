"""Laws of locks with a known fault each, that the machine must find out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from cairnfs.core.locks.circle import Wait
from cairnfs.core.locks.conflict import conflict
from cairnfs.core.locks.request import BELOW, INODE, Owner, Request, Spot
from cairnfs.core.locks.table import Table


class TwoNamesOfAFile(Table):
    """Two hard links under two exclusive locks: only names are looked at."""

    def conflict(self, one: Request, other: Request) -> bool:
        return conflict(
            *(replace(r, keys=frozenset(k for k in r.keys if k.kind != INODE)) for r in (one, other))
        )


class SharedBesideExclusive(Table):
    """Only two exclusive ones exclude each other."""

    def conflict(self, one: Request, other: Request) -> bool:
        return one.exclusive and other.exclusive and conflict(one, other)


class NothingBelow(Table):
    """A lock with all below keeps nobody from what is below."""

    def conflict(self, one: Request, other: Request) -> bool:
        return conflict(
            *(replace(r, keys=frozenset(k for k in r.keys if k.kind != BELOW)) for r in (one, other))
        )


class OnlyTheNamesAskedFor(Table):
    """A file's other names are below nothing."""

    def ask(self, owner: Owner, spots: Sequence[Spot], **how: bool) -> Request:
        return super().ask(owner, [replace(spot, around=frozenset()) for spot in spots], **how)


class OneFenceForAll(Table):
    """Those who are granted together have one fence."""

    def promote(self) -> list[Request]:
        granted = super().promote()
        self.requests.update((one.number, replace(one, fence=self.fence)) for one in granted)
        return [self.requests[one.number] for one in granted]


class ReadersOvertake(Table):
    """Only what is held is in the way, not who waited before."""

    def blockers(self, asked: Request) -> list[Request]:
        return [one for one in super().blockers(asked) if one.held]


class OneAtATime(Table):
    """Of several who may be granted one is, and the others are forgotten."""

    def promote(self) -> list[Request]:
        before = dict(self.requests)
        granted = super().promote()
        for one in granted[1:]:
            self.requests[one.number] = before[one.number]
        return granted[:1]


class WithdrawnInTheWay(Table):
    """Whoever stood behind one who gave up waits on."""

    def release(self, numbers: Collection[int]) -> list[Request]:
        if any(self.requests[number].held for number in numbers):
            return super().release(numbers)
        for number in numbers:
            del self.requests[number]
        return []


class GrantsToTheDead(Table):
    """Whoever waits when they end goes on waiting, and is granted."""

    def end(self, owners: Collection[Owner]) -> list[Request]:
        return self.release([n for n, one in self.requests.items() if one.owner in owners and one.held])


class ShortSighted(Table):
    """Sees circles of two, not those of three."""

    def circle(self, asked: Sequence[Request]) -> list[Wait] | None:
        found = super().circle(asked)
        return found if found is not None and len(found) <= 2 else None


class Nervous(Table):
    """Takes every wait for somebody who waits for a circle."""

    def circle(self, asked: Sequence[Request]) -> list[Wait] | None:
        waits = {one.owner for one in self.requests.values() if not one.held}
        found = [wait for wait in self._waits(asked) if wait.blocks in waits]
        return found or super().circle(asked)


class UpgradesBesideOthers(Table):
    """Makes a lock exclusive that others share."""

    def upgrade(self, number: int) -> Request:
        self.requests[number] = replace(self.requests[number], exclusive=True, fence=self._next_fence())
        return self.requests[number]


class HalfOfIt(Table):
    """Grants at once whoever has part of what they ask for."""

    def _has_it(self, owner: Owner, spots: Sequence[Spot], *, exclusive: bool, subtree: bool) -> bool:
        return any(
            super(HalfOfIt, self)._has_it(owner, [spot], exclusive=exclusive, subtree=subtree)
            for spot in spots
        )


PLANTED = (
    TwoNamesOfAFile, SharedBesideExclusive, NothingBelow, OnlyTheNamesAskedFor, OneFenceForAll,
    ReadersOvertake, OneAtATime, WithdrawnInTheWay, GrantsToTheDead, ShortSighted, Nervous,
    UpgradesBesideOthers, HalfOfIt,
)  # fmt: skip
