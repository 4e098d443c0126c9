"""unchanged: whether commits after one that the client has seen changed anything at a place.

    looked = look(tx, person, steps, looked)      before the clock, until `looked.done`: most of the log
    check(state, person, steps, looked)           inside it: commits since, and what this tx has done so far

A place is a directory (or the lack of one) at the end of a chain of names that all stayed since then. With
the chain fixed, a change is at or below the directory exactly if some way up leads there from where it was
made, by names that were there at any time since: a name on that way that came or went meanwhile is below the
directory itself, and so a change there. So nothing has to be looked at commit by commit but the log.

What belongs here: all of it. Everything counts, what the person may not see too: it is one bit about a
directory whose names they may list. Any thread, inside a tx.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from cairnfs.core import names as rules
from cairnfs.core.permissions import READ, WALK, Person
from cairnfs.errors import (
    BeforeHorizon,
    Busy,
    CairnError,
    IncarnationChanged,
    NoSuchCommit,
    NotADirectory,
    NotFound,
    TooManyOperations,
    VersionChanged,
)
from cairnfs.ids import ROOT, CommitNumber, Incarnation, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.resolve import Place, place, require, text
from cairnfs.metadata.ops.steps import UnchangedStep
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import changes as rows
from cairnfs.metadata.rows import clock, names
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import State
from cairnfs.metadata.state.changes import CREATED, MOVED, REMOVED, Change, decode, derive
from cairnfs.metadata.view import DIRECTORY, View

#: Different commits since which one request may ask.
SINCES_MAX = 16
#: What is gone through in one read: commits, and bytes of their changes (but one commit at least).
_COMMITS_MAX, _BYTES_MAX = 4096, 2 * 1024 * 1024
#: The same while the clock is held, and directories on the ways up.
_COMMITS_INSIDE, _BYTES_INSIDE, _DIRECTORIES_INSIDE = 256, 256 * 1024, 20_000
_OF_NAMES = (CREATED, REMOVED, MOVED)
#: The parents of these inodes: those they have, and those they had since then.
Parents = Callable[[Collection[InodeId]], set[InodeId]]


class FarBehind(Busy):
    """Too much was committed since the look before the clock: look again."""


class Spot(NamedTuple):
    """Where a path leads: the names on the way there, and the one that is missing, if one is."""

    way: tuple[Dentry, ...]
    missing: tuple[InodeId, Name] | None

    @property
    def inode(self) -> InodeId:
        """The directory at its end."""
        return self.way[-1].inode if self.way else ROOT


class Looked(NamedTuple):
    """Nothing has changed at these places up to the commit `until`; `done`: it was the newest."""

    incarnation: Incarnation
    until: CommitNumber
    spots: tuple[Spot, ...]
    done: bool


def look(tx: Tx, person: Person, steps: Sequence[UnchangedStep], before: Looked | None = None) -> Looked:
    """Go through a piece of the log, from where the look `before` ended.

    Raises VersionChanged, NoSuchCommit, BeforeHorizon, NotADirectory, IncarnationChanged and what resolving
    raises.
    """
    now = clock.read(tx)
    who = People(tx, now).now(person)
    _check_sinces(now, steps)
    if before is not None and before.incarnation != now.incarnation:
        raise IncarnationChanged("history was cut while it was looked at")
    view = View(tx)
    view.prefetch(step.path for step in steps)
    spots = tuple(_stayed(view, who, step) for step in steps)
    for step, spot in zip(steps, spots, strict=True):
        _check_same_way(tx, who, step, spot)
    start = min(step.since for step in steps) if before is None else before.until
    sizes = rows.sizes_after(tx, start, _COMMITS_MAX + 1)
    numbers = _within(sizes)
    made = _logged(tx, numbers)
    for since, asked in _by_since(steps, spots).items():
        search = _Search(asked, partial(_parents_since, tx, since))
        search.through(change for number, many in made.items() if number > since for change in many)
    done = len(numbers) == len(sizes)
    until = now.commit_number if done else numbers[-1]
    return Looked(now.incarnation, CommitNumber(until), spots, done)


def check(
    state: State, person: Person, steps: Sequence[UnchangedStep], looked: Looked | None
) -> list[InodeId]:
    """Hold it against what was committed since the look, and what other commits of this tx have changed.

    Gives the directories, 0 for none.

    `person` is as they are now; nothing of this commit may have been done yet. Raises as `look`, and
    FarBehind.
    """
    now = state.now()
    _check_sinces(now, steps)
    if looked is not None and looked.incarnation != now.incarnation:
        raise IncarnationChanged("history was cut since it was looked at")
    spots = tuple(_stayed(state.tree.view, person, step) for step in steps)
    if looked is not None and spots != looked.spots:
        step = next(step for step, a, b in zip(steps, spots, looked.spots, strict=True) if a != b)
        raise _changed(step)
    start = min(step.since for step in steps) if looked is None else looked.until
    sizes = rows.sizes_after(state.tx, start, _COMMITS_INSIDE + 1)
    if len(sizes) > _COMMITS_INSIDE or sum(size for _, size in sizes) > _BYTES_INSIDE:
        raise FarBehind("much was committed meanwhile: try again")
    made = _logged(state.tx, [number for number, _ in sizes])
    for number, many in derive(state.tree).items():
        made.setdefault(number, []).extend(many)
    if looked is None:
        for step, spot in zip(steps, spots, strict=True):
            _check_same_way(state.tx, person, step, spot)
    here = _parents_here(state)
    for since, asked in _by_since(steps, spots).items():
        after = max(since, start)
        parents = partial(_parents_of_tx, state.tx, here, after)
        search = _Search(asked, parents, most=_DIRECTORIES_INSIDE)
        search.through(change for number, many in made.items() if number > after for change in many)
    return [spot.inode if spot.missing is None else InodeId(0) for spot in spots]


# -- where a path leads --------------------------------------------------------------------------------


def _stayed(view: View, person: Person, step: UnchangedStep) -> Spot:
    """Where a path leads, by names that are as old as they have to be. Raises VersionChanged and others."""
    spot = _spot(view, person, step.path)
    if any(dentry.born > step.since for dentry in spot.way):
        raise _changed(step)
    if spot.missing is None and spot.way and spot.way[-1].kind != DIRECTORY:
        raise NotADirectory("it is no directory whose changes could be told", path=text(step.path))
    if spot.missing is None:
        require(person, view.version(spot.inode), READ | WALK, step.path)
    return spot


def _spot(view: View, person: Person, path: Path) -> Spot:
    """Raises Forbidden, SymlinkLoop, NotADirectory; NotFound where a symlink leads astray."""
    try:
        return _of(view, place(view, person, path, follow=True))
    except NotFound:
        parts = rules.split(path)
    for length in range(1, len(parts)):
        spot = _of(view, place(view, person, rules.join(parts[:length]), follow=True))
        if spot.missing is not None:
            return spot
    raise NotFound("a symlink leads astray", path=text(path))


def _of(view: View, at: Place) -> Spot:
    way = tuple(view.name_of(up, inside) for up, inside in pairwise(at.chain))
    if at.is_root:
        return Spot((), None)
    if at.dentry is None:
        return Spot(way, (at.parent, at.name))
    return Spot((*way, at.dentry), None)


def _check_same_way(tx: Tx, person: Person, step: UnchangedStep, spot: Spot) -> None:
    """Where there are symlinks on the way: whether the path led there at `since`, too."""
    named = [dentry.name for dentry in spot.way]
    named += [] if spot.missing is None else [spot.missing[1]]
    if tuple(named) == rules.split(step.path)[: len(named)]:
        return  # there are none
    # Whoever may go that way now may know that it led elsewhere then.
    anywhere = person._replace(role="admin")
    try:
        then = _spot(View(tx, step.since), anywhere, step.path)
    except CairnError:
        raise _changed(step) from None
    if (then.inode, then.missing) != (spot.inode, spot.missing):
        raise _changed(step)


# -- what was changed ----------------------------------------------------------------------------------


class _Search:
    """Looks for changes at some places. `parents` climbs, to `most` directories at most."""

    def __init__(
        self, asked: Iterable[tuple[UnchangedStep, Spot]], parents: Parents, most: int | None = None
    ) -> None:
        self._parents = parents
        self._most = most
        self._trees: dict[InodeId, UnchangedStep] = {}
        self._names: defaultdict[InodeId, list[UnchangedStep]] = defaultdict(list)
        self._missing: dict[tuple[InodeId, Name], UnchangedStep] = {}
        for step, spot in asked:
            if spot.missing is not None:
                self._missing[spot.missing] = step
            elif step.scope == "tree":
                self._trees[spot.inode] = step
            else:
                self._names[spot.inode].append(step)

    def through(self, changes: Iterable[Change]) -> None:
        """Raises VersionChanged, FarBehind."""
        directories: set[InodeId] = set()
        files: set[InodeId] = set()
        for change in changes:
            for parent, name in _names_of(change):
                self._require_other_name(parent, name)
            if change.what in _OF_NAMES:
                directories |= {parent for parent, _ in _names_of(change)}
            elif change.kind_name == DIRECTORY:
                directories.add(change.inode)
            else:
                directories.add(change.parent)
                files.add(change.inode)  # at its other names it was changed as well
        if self._trees:
            self._climb(directories, files)

    def _require_other_name(self, parent: InodeId, name: Name) -> None:
        step = self._missing.get((parent, name))
        if step is not None:
            raise _changed(step)
        for step in self._names.get(parent, ()):
            if (step.first is None or step.first <= name) and (step.last is None or name <= step.last):
                raise _changed(step)

    def _climb(self, directories: set[InodeId], files: set[InodeId]) -> None:
        if ROOT in self._trees and (directories or files):
            raise _changed(self._trees[ROOT])
        level = directories | self._parents(files)
        seen: set[InodeId] = set()
        while level:
            for inode in level & self._trees.keys():
                raise _changed(self._trees[inode])
            seen |= level
            if self._most is not None and len(seen) > self._most:
                raise FarBehind("much was changed meanwhile: try again")
            level = self._parents(level) - seen


def _names_of(change: Change) -> Iterable[tuple[InodeId, Name]]:
    """The names that came or went."""
    if change.what in _OF_NAMES:
        yield change.parent, change.name
    if change.what == MOVED:
        yield change.from_parent, change.from_name


def _parents_since(tx: Tx, since: CommitNumber, inodes: Collection[InodeId]) -> set[InodeId]:
    return {one.parent for one in names.since(tx, list(inodes), since)}


def _parents_of_tx(
    tx: Tx, here: Mapping[InodeId, set[InodeId]], since: CommitNumber, inodes: Collection[InodeId]
) -> set[InodeId]:
    return _parents_since(tx, since, inodes).union(*(here.get(inode, ()) for inode in inodes))


def _parents_here(state: State) -> Mapping[InodeId, set[InodeId]]:
    """By names that this tx has begun, or lets be found."""
    found: defaultdict[InodeId, set[InodeId]] = defaultdict(set)
    for span in state.tree.born_names.values():
        found[span.dentry.inode].add(span.dentry.parent)
    for inode, traced in state.tree.traced.items():
        found[inode].update(one.parent for one in traced)
    return found


# -- the log -------------------------------------------------------------------------------------------


def _check_sinces(now: ClockRow, steps: Sequence[UnchangedStep]) -> None:
    since = {step.since for step in steps}
    if len(since) > SINCES_MAX:
        raise TooManyOperations(f"changes since at most {SINCES_MAX} different commits can be asked for")
    if max(since) > now.commit_number:
        raise NoSuchCommit(f"the newest commit is {now.commit_number}")
    if min(since) < now.horizon:
        raise BeforeHorizon(f"changes are told from commit {now.horizon} on")


def _by_since(
    steps: Sequence[UnchangedStep], spots: Sequence[Spot]
) -> Mapping[CommitNumber, list[tuple[UnchangedStep, Spot]]]:
    found: defaultdict[CommitNumber, list[tuple[UnchangedStep, Spot]]] = defaultdict(list)
    for step, spot in zip(steps, spots, strict=True):
        found[step.since].append((step, spot))
    return found


def _within(sizes: Sequence[tuple[CommitNumber, int]]) -> list[CommitNumber]:
    """The first of these commits that are gone through in one read."""
    taken: list[CommitNumber] = []
    total = 0
    for number, size in sizes[:_COMMITS_MAX]:
        total += size
        if taken and total > _BYTES_MAX:
            break
        taken.append(number)
    return taken


def _logged(tx: Tx, numbers: Sequence[CommitNumber]) -> dict[CommitNumber, list[Change]]:
    found = rows.commits(tx, numbers)
    return {number: decode(one.entries) for number, one in found.items() if one.entries}


def _changed(step: UnchangedStep) -> VersionChanged:
    return VersionChanged(f"something here was changed after commit {step.since}", path=text(step.path))
