"""Held locks that a change meets and does not show.

What belongs here: the rule, over what `state/touched` says: a name that leads elsewhere and an inode that is
other meet a lock on them, and one on a directory above with all below it, by whichever name; a directory that
moved or ended meets every lock below it. Mostly nothing has to be asked: what there is around the directories
concerned is known for the batch. What does not: waiting requests, which are in nobody's way here. Inside the
clock, one thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import NamedTuple

from cairnfs.core.locks.request import INODE, NAME, Key
from cairnfs.ids import ROOT, CommitNumber, InodeId, Name
from cairnfs.metadata.rows import lock_keys
from cairnfs.metadata.rows.lock_keys import Hit
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import State
from cairnfs.metadata.state.touched import Place, Touched
from cairnfs.metadata.state.ways import way_up
from cairnfs.metadata.view import DIRECTORY


class Met(NamedTuple):
    """A lock that is in the way: of a name, or of an inode by whatever name, or (`below`) of all below it."""

    lock: int
    place: Place | None = None
    inode: InodeId | None = None
    below: bool = False


class Meeting:
    """One change, and what there is around the directories that it concerns."""

    def __init__(self, state: State, touched: Touched) -> None:
        self._state = state
        self.touched = touched
        #: Directories with names of each inode that is other, but for those made here; none for the root.
        self._parents = parents(state, touched)
        wanted = {parent for parent, _ in touched.names}.union(*self._parents.values()) - touched.made
        self._ways = {one: way_up(state.tree, one) for one in wanted}
        self._around = state.locks.around(
            {one for way in self._ways.values() for one in way} | touched.uprooted | wanted
        )

    @property
    def quiet(self) -> bool:
        """Whether no request is for any of it: so it is of most commits, whatever is locked elsewhere."""
        around = self._around
        return (
            not any(there.whole for there in around.values())
            and not any(around[one].inside for one in self._ways)
            and not any(around[one].below for one in self.touched.uprooted)
            and ROOT not in self.touched.inodes
        )

    def with_others(self, held: Collection[int]) -> list[Met]:
        """The held locks that are in the way, but for those in `held`; of several for one thing perhaps only
        one."""
        return [*self._below(held), *self._there(held), *self._above(held)]

    @cached_property
    def hits(self) -> list[Hit]:
        """All requests, held or waiting, that are for these names and inodes."""
        keys = [
            Key(parent, NAME, name)
            for parent, name in self.touched.names
            if parent in self._around and self._around[parent].inside
        ]
        keys += [Key(inode, INODE) for inode in self._parents if self._may_be_locked(inode)]
        return self._state.locks.on(keys)

    @property
    def uprooted(self) -> list[InodeId]:
        """Directories that moved or ended, and below which there are requests."""
        return [one for one in self.touched.uprooted if self._around[one].below]

    def _below(self, held: Collection[int]) -> Iterable[Met]:
        """Locks below directories that moved or ended."""
        if not self.uprooted:
            return
        for place, (before, _) in self.touched.names.items():
            if before is None or before.inode not in self.touched.uprooted:
                continue
            if self._around[before.inode].below:
                # Of so many one at least is not shown, if there is any that is not.
                hits = lock_keys.held_below(self._state.tx, before.inode, len(held) + 1)
                for one in _foreign(hits, held)[:1]:
                    yield Met(one.lock, place, below=True)

    def _there(self, held: Collection[int]) -> Iterable[Met]:
        """Locks on names and inodes."""
        for one in _foreign(self.hits, held):
            if one.key.kind == NAME:
                yield Met(one.lock, (one.key.inode, Name(one.key.name)))
            elif one.key.inode in self.touched.inodes:
                yield Met(one.lock, inode=one.key.inode)

    def _above(self, held: Collection[int]) -> Iterable[Met]:
        """Locks with all below on directories above."""
        trees = [one for one, there in self._around.items() if there.whole]
        if not trees:
            return
        holders = {one.key.inode: one.lock for one in _foreign(lock_keys.whole(self._state.tx, trees), held)}
        over = {
            one: next((holders[up] for up in way if up in holders), None) for one, way in self._ways.items()
        }
        for place in self.touched.names:
            lock = over.get(place[0])
            if lock is not None:
                yield Met(lock, place)
        for inode in self.touched.inodes:
            for parent in self._parents[inode]:
                lock = over[parent]
                if lock is not None:
                    yield Met(lock, inode=inode)

    def _may_be_locked(self, inode: InodeId) -> bool:
        """Whoever locks an inode locks one of its names."""
        return inode == ROOT or any(self._around[one].inside for one in self._parents[inode])


def _foreign(hits: Iterable[Hit], held: Collection[int]) -> list[Hit]:
    return [one for one in hits if one.held and one.lock not in held]


def parents(state: State, touched: Touched) -> dict[InodeId, set[InodeId]]:
    """The directories with names, those that ended here too, of what is other now or called otherwise."""
    tree = state.tree
    wanted = touched.inodes | touched.renamed
    named: dict[InodeId, list[Dentry]] = defaultdict(list)
    for pair in touched.names.values():
        for one in pair:
            if one is not None and one.inode in wanted:
                named[one.inode].append(one)
    number = CommitNumber(state.counters["commit_number"])
    found: dict[InodeId, set[InodeId]] = {}
    for inode in wanted:
        names = named.get(inode, [])
        if not names:
            note = tree.notes.get((inode, number))
            dentry = None if note is None else tree.view.names.get(note.parent, {}).get(note.name)
            names = [dentry] if dentry is not None else []
        if not names or any(one.traced and one.kind != DIRECTORY for one in names):
            names = [*names, *tree.names.every(inode)]
        assert names or inode == ROOT, f"inode {inode} was changed by no name"
        found[inode] = {one.parent for one in names} - touched.made
    return found
