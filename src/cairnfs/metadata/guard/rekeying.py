"""Requests go on to mean what their names lead to now: new keys where a change led names elsewhere.

What belongs here: finding the requests concerned, held or waiting, and giving them their keys; refusing a
change that would leave two who exclude each other holding, or waits in a circle; granting who was kept
waiting by what is no longer so. All is decided before a row is changed. What does not: what keys are
(`ops/locks/spots`). Inside the clock, one thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from cairnfs.core.locks.conflict import conflict
from cairnfs.core.locks.request import INODE, NAME, Key, Owner, Request, Spot, keys_of, looks
from cairnfs.core.permissions import Person
from cairnfs.errors import Deadlock, TooManyLocks
from cairnfs.ids import ROOT, Name, Path
from cairnfs.metadata.guard.meeting import Meeting, Met
from cairnfs.metadata.ops.locks import circles, promote
from cairnfs.metadata.ops.locks.spots import Around, spot
from cairnfs.metadata.ops.resolve import Place
from cairnfs.metadata.rows import lock_keys, lock_looks, locks
from cairnfs.metadata.rows.lock_looks import Ask
from cairnfs.metadata.rows.locks import LockRow
from cairnfs.metadata.state import State
from cairnfs.metadata.state.ways import load_ways, way_up

#: Requests, and keys of them, that one change gives new keys.
REQUESTS_MAX, KEYS_MAX = 5_000, 100_000
_Changed = list[tuple[LockRow, Request, Request]]  # as it was, as it will be


class TwoHolders(Exception):
    """Somebody would come to hold what this other lock excludes."""

    def __init__(self, met: Met) -> None:
        super().__init__(f"lock {met.lock} excludes it")
        self.met = met


def rekey(state: State, meeting: Meeting, person: Person | None) -> None:
    """Give requests that are concerned their keys. Raises TwoHolders, Deadlock, TooManyLocks."""
    concerned = _concerned(state, meeting)
    if not concerned:
        return
    changed = _changed(state, concerned)
    if not changed:
        return
    _require_alone(state, changed)
    _require_no_circle(state, changed, person)
    _write(state, changed)


def _concerned(state: State, meeting: Meeting) -> list[int]:
    renamed = meeting.touched.renamed
    found = {one.lock for one in meeting.hits if one.key.kind == NAME or one.key.inode in renamed}
    for directory in meeting.uprooted:
        found.update(lock_keys.requests_below(state.tx, directory, REQUESTS_MAX + 1))
        if len(found) > REQUESTS_MAX:
            break
    if len(found) > REQUESTS_MAX:
        raise TooManyLocks(f"over {REQUESTS_MAX} locks are held or waited for there or below")
    return sorted(found)


def _changed(state: State, concerned: list[int]) -> _Changed:
    # Counted first: to have very many at hand only to refuse them takes long.
    if locks.count_keys(state.tx, concerned) > KEYS_MAX:
        raise TooManyLocks("too many paths are locked or waited for there or below")
    rows = locks.find(state.tx, concerned)
    keys = locks.keys_of(state.tx, concerned)
    _load(state, {key for one in keys.values() for key in one if key.kind == NAME})
    spots: dict[Key, Spot] = {}
    around = Around(state, KEYS_MAX)
    changed = []
    for number, row in rows.items():
        before = row.request(keys[number])
        after = replace(before, keys=keys_of(_spots(state, before, spots, around)))
        if after.keys != before.keys:
            changed.append((row, before, after))
    return changed


def _load(state: State, names: set[Key]) -> None:
    """Load where these names lead and the ways up from them, all at once."""
    view = state.tree.view
    view.load([(key.inode, Name(key.name)) for key in names])
    load_ways(state.tree, {key.inode for key in names})


def _spots(state: State, request: Request, known: dict[Key, Spot], around: Around) -> Iterable[Spot]:
    for key in request.keys:
        if key.kind == NAME:
            if key not in known:
                known[key] = _spot(state, key, around)
            yield known[key]
        elif key.kind == INODE and key.inode == ROOT:
            yield Spot(None, key)


def _spot(state: State, key: Key, around: Around) -> Spot:
    """A name in a directory that is gone is all that is left of it."""
    way = way_up(state.tree, key.inode)
    if not way:
        return Spot(key, None)
    name = Name(key.name)
    return spot(Place(Path(b"/" + name), way[::-1], name, state.tree.view.lookup(key.inode, name)), around)


def _require_alone(state: State, changed: _Changed) -> None:
    """No two that are held exclude each other."""
    held = [(row, before, after) for row, before, after in changed if after.held]
    numbers = {row.id for row, _, _ in changed}
    asks = [
        (Ask(look, after.exclusive, row.session, row.owner), 0)  # beyond 0 only what is held counts
        for row, before, after in held
        for look in looks(after.keys - before.keys, subtree=after.subtree)
    ]
    for _, seen in lock_looks.owners_in_the_way(state.tx, asks, numbers) if asks else ():
        raise TwoHolders(Met(seen.lock))
    if len({after.owner for _, _, after in held}) > 1:
        for at, (_, _, one) in enumerate(held):
            for _, _, other in held[:at]:
                if conflict(one, other):
                    raise TwoHolders(Met(other.number))


def _require_no_circle(state: State, changed: _Changed, person: Person | None) -> None:
    """Whoever waits in a new circle is an owner of one of these, by one request or another."""
    gained = [(row, after) for row, before, after in changed if after.keys - before.keys]
    instead = {after.number: after for _, _, after in changed}
    owners = {after.owner: row for row, after in gained}
    waiting: dict[Owner, list[Request]] = defaultdict(list)
    rows = locks.waiting_of(state.tx, [(row.session, row.owner) for row in owners.values()])
    for one in locks.requests(state.tx, [row.id for row in rows]):
        waiting[one.owner].append(instead.get(one.number, one))
    for asked in waiting.values():
        if person is not None:
            circles.check(state, person, asked, list(instead.values()))
        elif circles.find(state, asked, list(instead.values())) is not None:
            raise Deadlock("this would let others wait in a circle")


def _write(state: State, changed: _Changed) -> None:
    locks.delete_keys(
        state.tx,
        [(key, int(one.held), one.number) for _, one, after in changed for key in one.keys - after.keys],
    )
    locks.insert_keys(
        state.tx,
        [(key, int(one.held), one.number) for _, before, one in changed for key in one.keys - before.keys],
    )
    state.locks.forget()
    lost = {
        look
        for _, before, after in changed
        for look in looks(before.keys - after.keys, subtree=before.subtree)
    }
    promote.let_go(state, lost, [one.number for _, _, one in changed if not one.held])
