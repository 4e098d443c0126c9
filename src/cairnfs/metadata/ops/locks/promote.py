"""promote: taking requests away, and granting whatever may be granted then, in the same tx.

What belongs here: finding who was kept waiting by what went, in the order of arrival, and no more of them
than can be granted: behind two exclusive requests of different owners nobody at that key can. The rest is
asked for all of them at once (`core/locks/claims`). Inside the clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from cairnfs.core.locks.claims import Claims
from cairnfs.core.locks.request import BELOW, Look, Owner, Request
from cairnfs.ids import SessionId
from cairnfs.metadata.rows import lock_looks, locks
from cairnfs.metadata.rows.lock_looks import Ask, Seen
from cairnfs.metadata.state import State

#: Of each line the first so many are looked at, then each time so many times more.
_PAGE, _MORE = 4, 8
#: Where more requests than this go at once, or keys, everybody who waits is looked at, so many at a time.
_MANY, _MANY_KEYS, _AT_ONCE = 1_000, 10_000, 1_000
#: Owners who ask at one place and are answered singly.
_FEW = 4
_LAST = 2**63 - 1
_NOBODY = SessionId("")


def free(state: State, gone: Sequence[int]) -> None:
    """Take requests away, that hold or wait, and grant whoever may be granted then."""
    if not gone:
        return
    looks: list[Look] = []
    waits, many = locks.anybody_waits(state.tx), len(gone) > _MANY
    if waits and not many:
        many = len(gone) > 1 and locks.count_keys(state.tx, gone) > _MANY_KEYS
    if waits and not many:
        looks = [look for one in locks.requests(state.tx, gone) for look in one.looks()]
    count(state, -locks.delete(state.tx, gone))
    if many:
        everybody(state)
    elif looks:
        grant(state, _candidates(state, looks))


def free_sessions(state: State, sessions: Sequence[SessionId]) -> None:
    """Take away all that these sessions hold and wait for, and grant whoever may be granted then."""
    if state.counters["locks"] == 0:
        return
    some = locks.of_sessions(state.tx, sessions, _MANY + 1)
    if len(some) <= _MANY:
        free(state, some)
        return
    for session in sessions:
        count(state, -locks.delete_of(state.tx, session))
        state.stay()
    everybody(state)


def everybody(state: State) -> None:
    """Grant whoever may be granted of all who wait."""
    after = 0
    while found := locks.waiting(state.tx, after, _AT_ONCE):
        grant(state, found)
        after = found[-1]


def let_go(state: State, looks: Iterable[Look], requests: Iterable[int]) -> None:
    """Grant whoever may be granted now that others let go of these looks, or who ask for other things now."""
    if locks.anybody_waits(state.tx):
        grant(state, {*_candidates(state, looks), *requests})


def count(state: State, by: int) -> None:
    """So many rows of `lock` more."""
    state.journal.put(state.counters, "locks", state.counters["locks"] + by)


def grant(state: State, candidates: Iterable[int]) -> None:
    """Grant those of these waiting requests that may be granted, in the order of arrival."""
    asked = [one for one in locks.requests(state.tx, sorted(candidates)) if not one.held]
    granted = _grantable(state, asked)
    if granted:
        whose = {one.number: locks.parts_of(one.owner)[0] for one in asked}
        fences = [(one, state.grant(one, whose[one])) for one in granted]
        locks.grant(state.tx, fences, state.now_us)


def _candidates(state: State, looks: Iterable[Look]) -> set[int]:
    """Who waits at these looks and might be granted, now that whoever had them is gone."""
    found: set[int] = set()
    claims: dict[Look, Claims] = defaultdict(Claims)
    left, after, size = list(dict.fromkeys(looks)), 0, _PAGE
    begin = dict.fromkeys(left, after)
    while left:
        ends = _page_ends(state, left, begin, size)
        for one in sorted(
            lock_looks.waiting(state.tx, [(look, begin[look], end) for look, end in ends.items()]),
            key=_number,
        ):
            here = claims[one.look]
            if here.closed and one.look.key.kind != BELOW:
                continue
            if one.subtree or not one.look.subtree:
                found.add(one.lock)
            here.add(one.whose, exclusive=one.exclusive)
        begin.update(ends)
        left = [
            look
            for look, end in ends.items()
            if end != _LAST and (look.key.kind == BELOW or not claims[look].closed)
        ]
        size *= _MORE
    return found


def _page_ends(state: State, looks: list[Look], begin: dict[Look, int], size: int) -> dict[Look, int]:
    together: dict[int, list[Look]] = defaultdict(list)
    for look in looks:
        together[begin[look]].append(look)
    ends: dict[Look, int] = {}
    for after, some in together.items():
        ends.update(lock_looks.pages(state.tx, some, after, size))
    return ends


def _number(seen: Seen) -> int:
    return seen.lock


def _grantable(state: State, asked: Sequence[Request]) -> list[int]:
    """Those of these requests, given in the order of arrival, for whom nobody is in the way."""
    held = _held(state, asked)
    free = [one for one in asked if not _barred(one, held)]
    if not free:
        return []
    until = free[-1].number
    waiting: dict[Look, list[Seen]] = defaultdict(list)
    looks = dict.fromkeys(look for one in free for look in one.looks())
    for seen in lock_looks.waiting(state.tx, [(look, 0, until - 1) for look in looks]):
        if seen.subtree or not seen.look.subtree:
            waiting[seen.look].append(seen)
    for line in waiting.values():
        line.sort(key=_number, reverse=True)  # the first of them last, to be taken from the end
    granted = []
    for one in free:
        for look in one.looks():
            line = waiting[look]
            while line and line[-1].lock < one.number:
                before = line.pop()
                held[look].add(before.whose, exclusive=before.exclusive)
        if not _barred(one, held):
            granted.append(one.number)
    return granted


def _barred(asked: Request, claims: dict[Look, Claims]) -> bool:
    return any(
        claims[look].bar(asked.owner, exclusive=asked.exclusive) for look in asked.looks() if look in claims
    )


def _held(state: State, asked: Sequence[Request]) -> dict[Look, Claims]:
    """Who holds what these requests look for, as far as somebody is in the way of one of them."""
    askers: dict[tuple[Look, bool], set[Owner]] = defaultdict(set)
    for one in asked:
        for look in one.looks():
            askers[look, one.exclusive].add(one.owner)
    claims: dict[Look, Claims] = defaultdict(Claims)
    for exclusive in (False, True):
        asks: list[Ask] = []
        for (look, mode), owners in askers.items():
            if mode is exclusive and len(owners) <= _FEW:
                asks += [Ask(look, mode, *locks.parts_of(owner)) for owner in owners]
        # Of many who ask at one place nobody is asked for singly: a holder, and one of another owner, do.
        many = [
            Ask(look, mode, _NOBODY, "")
            for (look, mode), owners in askers.items()
            if mode is exclusive and len(owners) > _FEW
        ]
        first = lock_looks.held_in_the_way(state.tx, many)
        asks += [Ask(one.look, exclusive, one.session, one.owner) for one in first]
        for seen in (*first, *lock_looks.held_in_the_way(state.tx, asks)):
            claims[seen.look].add(seen.whose, exclusive=seen.exclusive)
    return claims
