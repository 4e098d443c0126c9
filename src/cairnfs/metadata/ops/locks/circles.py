"""circles: whether waiting would close a circle, as the tables have it under the clock, and saying which.

What belongs here: looking up waits for `core/locks/circle`, a statement or two a level. Of the requests of
one level that stand in one line the last alone is asked: whoever it waits for stands before the others too,
or is one of them. What does not: the search itself. Inside the clock.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from cairnfs.core.locks.circle import Wait, circle
from cairnfs.core.locks.conflict import in_the_way
from cairnfs.core.locks.request import INODE, NAME, Key, Look, Owner, Request
from cairnfs.core.permissions import Person
from cairnfs.errors import Deadlock, QueueFull
from cairnfs.ids import ROOT, Path
from cairnfs.metadata.ops import resolve, trace
from cairnfs.metadata.rows import lock_looks, locks
from cairnfs.metadata.rows.lock_looks import Ask
from cairnfs.metadata.state import State

#: Keys and owners that one search looks at; beyond that nobody can say whether there is a circle.
_LOOKED_AT_MAX = 500_000
#: Of a circle so many people are named.
_NAMED_MAX = 8


def check(state: State, person: Person, asked: Sequence[Request], instead: Sequence[Request] = ()) -> None:
    """Raises Deadlock where an owner who waits, or is about to, with these requests closes a circle.

    They are of one owner, and need not be in the tables. `instead`: requests as they will be, other than in
    the tables. Raises QueueFull where there are too many to tell.
    """
    found = find(state, asked, instead)
    if found is not None:
        raise Deadlock(f"this would wait in a circle: {_told(state, person, found, asked)}")


def find(state: State, asked: Sequence[Request], instead: Sequence[Request] = ()) -> list[Wait] | None:
    """The circle that `check` refuses, or None."""
    if not asked:
        return None
    search = _Search(state, {one.number: one for one in instead})
    search.spend(sum(len(one.keys) for one in asked))
    return circle(asked[0].owner, asked, search.waits, search.waiting)


class _Search:
    """One search: what was looked up, and how much of it."""

    def __init__(self, state: State, instead: Mapping[int, Request]) -> None:
        self._tx = state.tx
        self._instead = instead
        self._looked_at = 0

    def waits(self, waiting: Sequence[Request]) -> list[Wait]:
        """See `core/locks/circle.Waits`."""
        whose = {one.number: one.owner for one in waiting}
        last: dict[tuple[Look, bool, Owner], int] = {}
        tops: dict[tuple[Look, bool], list[Request]] = {}
        for one in sorted(waiting, key=_number, reverse=True):
            for look in one.looks():
                top = tops.setdefault((look, one.exclusive), [])
                # Whoever the last waits for, and the last itself, is in the way of all before it. What is
                # held by the last's own owner is in the way of one more.
                if len(top) < 2 and all(other.owner != one.owner for other in top):
                    top.append(one)
                    last[look, one.exclusive, one.owner] = one.number
        asks = [
            (Ask(look, mode, *locks.parts_of(owner)), number) for (look, mode, owner), number in last.items()
        ]
        rows = lock_looks.owners_in_the_way(self._tx, asks, self._instead)
        self.spend(len(rows))
        found = [Wait(number, whose[number], seen.lock, seen.whose) for number, seen in rows]
        for other in self._instead.values():
            found += [
                Wait(one.number, one.owner, other.number, other.owner)
                for one in waiting
                if in_the_way(one, other)
            ]
        return found

    def waiting(self, owners: Sequence[Owner]) -> Iterable[Request]:
        """See `core/locks/circle.Waiting`."""
        found = [row.id for row in locks.waiting_of(self._tx, [locks.parts_of(owner) for owner in owners])]
        wanted = set(owners)
        # Counted before they are read.
        self.spend(locks.count_keys(self._tx, found))
        stored = [one for one in locks.requests(self._tx, found) if one.number not in self._instead]
        return [*stored, *(one for one in self._instead.values() if not one.held and one.owner in wanted)]

    def spend(self, by: int) -> None:
        """So many keys or owners more are looked at. Raises QueueFull."""
        self._looked_at += by
        if self._looked_at > _LOOKED_AT_MAX:
            raise QueueFull("too many wait to tell whether there is a circle")


def _number(one: Request) -> int:
    return one.number


def _told(state: State, person: Person, way: list[Wait], asked: Sequence[Request]) -> str:
    """The circle in words: people, and those of their paths that the person may see."""
    shown = way if len(way) <= _NAMED_MAX else [*way[: _NAMED_MAX - 1], way[-1]]
    numbers = [lock for one in shown for lock in (one.waiter, one.blocker)]
    rows = locks.find(state.tx, numbers)
    users = {lock: row.user_id for lock, row in rows.items()}
    called = {**state.people.names(users.values()), person.user_id: "you"}
    keys = {lock: {*found} for lock, found in locks.keys_of(state.tx, numbers).items()}
    keys.update((one.number, {*one.keys}) for one in asked)
    named = {key for one in asked for key in one.keys}
    paths = paths_of(state, person, {key for found in keys.values() for key in found}, named)
    said = []
    for one in shown:
        theirs, asks = keys.get(one.blocker, set()), keys.get(one.waiter, set())
        seen = sorted((key not in asks, paths[key]) for key in theirs if key in paths)
        what = resolve.text(seen[0][1]) if seen else "something"
        who, whom = (called[users.get(lock, person.user_id)] for lock in (one.waiter, one.blocker))
        has = "held" if one.blocker not in rows or rows[one.blocker].fence else "asked for before"
        said.append(f"{who} for {what}, {has} by {whom}")
    if len(shown) < len(way):
        said.insert(-1, f"and {len(way) - len(shown)} more")
    return "; ".join(said)


def paths_of(
    state: State, person: Person, keys: Iterable[Key], named: Container[Key] = ()
) -> dict[Key, Path]:
    """The paths of those of these keys that are names which a person may see, as they were before this tx.

    Of what is in or below a directory that they may not list only what they have `named` themselves.
    """
    names = [key for key in keys if key.kind == NAME]
    commit = state.clock.commit_number
    above = trace.trace(state.tx, person, {(key.inode, commit) for key in names})
    found = {Key(ROOT, INODE): Path(b"/")}
    for key in names:
        at = above.get((key.inode, commit))
        if at is not None and at.may_walk and (at.shut is None or key in named):
            found[key] = at.below(key.name)
    return found
