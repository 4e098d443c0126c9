"""A machine that locks at random in a small tree, and what must hold of it, told without keys.

What must hold is judged by paths (`toy.touches`) and by searching the whole graph of waits, so that a law
that is wrong about its keys, its looks or its short cuts is found out. `planted_laws` has such laws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from cairnfs.core.locks.request import Owner, Request
from cairnfs.core.locks.table import Table
from cairnfs.errors import Deadlock, Locked, NotSoleHolder
from tests.unit.core.locks.toy import Thing, Toy

TREE = Toy.of("/d/", "/d/e/", "/o/", "/d/f", "/o/g=/d/f", "/d/e/h", "/o/n?", "/d/e/n?")
PEOPLE = [Owner(name) for name in ("ann", "bob", "cid", "dee")]


@dataclass(frozen=True)
class Told:
    """What somebody asked for, as they said it."""

    owner: Owner
    paths: tuple[str, ...]
    exclusive: bool
    subtree: bool

    @cached_property
    def asked(self) -> frozenset[Thing]:
        return TREE.asked(self.paths)

    @cached_property
    def things(self) -> frozenset[Thing]:
        return TREE.touches(self.paths, subtree=self.subtree)

    def against(self, other: Told) -> bool:
        """Whether both cannot have what they asked for.

        Of a file that has names below both, neither asked; it is for the commit to see that both have it.
        """
        if self.owner == other.owner or not (self.exclusive or other.exclusive):
            return False
        return not (self.asked.isdisjoint(other.things) and self.things.isdisjoint(other.asked))


#: Mostly one of few, so that there are queues and circles.
paths = st.sampled_from([("/d/f",), ("/d/e/h",), ("/o/n",)]) | st.lists(
    st.sampled_from(sorted(TREE.names)), min_size=1, max_size=3, unique=True
).map(tuple)
mostly = st.sampled_from([True, True, False])
asked = st.builds(Told, st.sampled_from(PEOPLE), paths, mostly, st.booleans())


class Locking(RuleBasedStateMachine):
    """Ask, release, withdraw, upgrade, and people who are gone."""

    table_of: type[Table] = Table
    numbers: Bundle[int] = Bundle("numbers")

    def __init__(self) -> None:
        super().__init__()
        self.table = self.table_of()
        self.told: dict[int, Told] = {}
        self.fences = [0]
        self.held: set[int] = set()

    @rule(target=numbers, one=asked, wait=mostly)
    def ask(self, one: Told, wait: bool) -> Any:
        spots = [TREE.spot(path) for path in one.paths]
        before = self.waits_with(None)
        try:
            request = self.table.ask(
                one.owner, spots, exclusive=one.exclusive, subtree=one.subtree, wait=wait
            )
        except Locked:
            assert not wait
            assert self.in_the_way(one, 10**9), "refused though nobody was in the way"
            return multiple()
        except Deadlock:
            assert is_round(self.waits_with(one)), f"no circle: {before} and {one}"
            return multiple()
        assert request.number > max(self.told, default=0), "numbers are the order of arrival"
        self.told[request.number] = one
        if request.held:
            own = [self.told[other] for other in self.held if self.told[other].owner == one.owner]
            mine = {thing for other in own if other.exclusive or not one.exclusive for thing in other.things}
            assert not self.in_the_way(one, request.number) or one.things <= mine, "it was not its turn"
            self.granted([request])
        else:
            assert wait
            assert self.in_the_way(one, request.number), "it waits for nobody"
        return request.number

    @rule(number=consumes(numbers))
    def release(self, number: int) -> None:
        if number in self.told:
            del self.told[number]
            self.held.discard(number)
            self.promoted(self.table.release([number]))

    @rule(number=numbers)
    def upgrade(self, number: int) -> None:
        if number not in self.told:
            return
        one = self.told[number]
        alone = Told(one.owner, one.paths, exclusive=True, subtree=one.subtree)
        others = any(alone.against(self.told[other]) for other in self.held)
        try:
            request = self.table.upgrade(number)
        except NotSoleHolder:
            assert others or number not in self.held, "there was nobody else"
        except Deadlock:
            self.told[number] = alone
            assert is_round(self.waits_with(None)), "no circle"
            self.told[number] = one
        else:
            assert not others, "others share it"
            self.told[number] = alone
            if not one.exclusive:
                self.granted([request])

    @rule(owner=st.sampled_from(PEOPLE))
    def end(self, owner: Owner) -> None:
        self.told = {number: one for number, one in self.told.items() if one.owner != owner}
        self.held &= self.told.keys()
        self.promoted(self.table.end([owner]))

    @invariant()
    def nobody_holds_beside_another(self) -> None:
        held = [self.told[number] for number in self.held]
        for one in held:
            for other in held:
                assert not one.against(other), f"both hold: {one}, {other}"

    @invariant()
    def whoever_waits_waits_for_somebody(self) -> None:
        assert self.told.keys() == self.table.requests.keys()
        for number in self.told.keys() - self.held:
            assert self.in_the_way(self.told[number], number), f"forgotten: {self.told[number]}"

    @invariant()
    def nobody_waits_in_a_circle(self) -> None:
        assert not is_round(self.waits_with(None)), "people wait for each other"

    def promoted(self, granted: list[Request]) -> None:
        numbers = [one.number for one in granted]
        assert numbers == sorted(numbers), "not in the order of arrival"
        for one in granted:
            assert one.number in self.told, "granted to somebody who is gone"
            assert one.number not in self.held, "granted twice"
            assert not self.in_the_way(self.told[one.number], one.number), "granted out of turn"
            self.granted([one])

    def granted(self, requests: list[Request]) -> None:
        for one in requests:
            assert one.fence > self.fences[-1], f"a fence that does not grow: {one.fence}"
            self.fences.append(one.fence)
            self.held.add(one.number)

    def in_the_way(self, one: Told, number: int) -> list[int]:
        """Who holds, or waited before, what this one asks for."""
        return [
            other
            for other, what in self.told.items()
            if other != number and (other in self.held or other < number) and one.against(what)
        ]

    def waits_with(self, asked: Told | None) -> dict[Owner, set[Owner]]:
        """Who waits for whom, with somebody else who asks now."""
        waits: dict[Owner, set[Owner]] = {}
        waiting = {number: one for number, one in self.told.items() if number not in self.held}
        if asked is not None:
            waiting[10**9] = asked
        for number, one in waiting.items():
            for other in self.in_the_way(one, number):
                waits.setdefault(one.owner, set()).add(self.told[other].owner)
        return waits


def is_round(waits: dict[Owner, set[Owner]]) -> bool:
    """Whether anybody waits for themselves in the end."""
    for start in waits:
        reached, pending = set[Owner](), [start]
        while pending:
            for other in waits.get(pending.pop(), ()):
                if other == start:
                    return True
                if other not in reached:
                    reached.add(other)
                    pending.append(other)
    return False
