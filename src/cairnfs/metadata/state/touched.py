"""What an operation did to the living tree, all in all: what locks are looked at for.

What belongs here: reading it from the journal, so that whatever changes the tree, by whatever verb, is seen.
What came and went within the operation is nothing. What does not: locks (`state/locks`, `guard`). One tx,
one thread.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from cairnfs.ids import InodeId, Name
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state.journal import ABSENT, Mark
from cairnfs.metadata.view import DIRECTORY

if TYPE_CHECKING:
    from cairnfs.metadata.state import State

#: A name in a directory, by the directory's inode.
Place = tuple[InodeId, Name]


class Touched(msgspec.Struct, frozen=True, gc=False):
    """Names that lead elsewhere now than before, with where they led; what was there before and is other now.

    Of what went with its directory, only the directory's own name is told.
    """

    names: dict[Place, tuple[Dentry | None, Dentry | None]]
    inodes: set[InodeId]  #: of another version, or of more or fewer names
    renamed: set[InodeId]  #: of other names, though perhaps as many: the ways up from it are others
    uprooted: set[InodeId]  #: directories that have another name or none, with all that is below them
    made: set[InodeId]  #: inodes that were not there before

    def __bool__(self) -> bool:
        return bool(self.names or self.inodes)


def since(state: State, mark: Mark) -> Touched:
    """What was done since `mark`."""
    names, versions, made = _read(state, mark)
    begun = {after.inode for _, after in names.values() if after is not None}
    ended = {
        before.inode
        for before, _ in names.values()
        if before is not None and before.kind == DIRECTORY and before.inode not in begun
    }
    left = names
    if ended:
        went = {
            place: before.inode
            for place, (before, _) in names.items()
            if place[0] in ended and before is not None and before.inode not in begun
        }
        left = {place: one for place, one in names.items() if place not in went}
        alive = state.tree.view.versions
        versions.difference_update(inode for inode in went.values() if inode not in alive)
    links: Counter[InodeId] = Counter()
    uprooted: set[InodeId] = set()
    for before, after in left.values():
        if before is not None:
            links[before.inode] -= 1
            if before.kind == DIRECTORY:
                uprooted.add(before.inode)
        if after is not None:
            links[after.inode] += 1
    renamed = links.keys() - made
    changed = {inode for inode in renamed if links[inode]}
    return Touched(left, (versions | changed) - made, renamed, uprooted - made, made)


def _read(
    state: State, mark: Mark
) -> tuple[dict[Place, tuple[Dentry | None, Dentry | None]], set[InodeId], set[InodeId]]:
    """Names that lead elsewhere than before, inodes with another version, and inodes that were made."""
    tree = state.tree
    first: dict[tuple[int, Name], tuple[dict[Name, Dentry | None], Dentry | None]] = {}
    versions: set[InodeId] = set()
    made: set[InodeId] = set()
    for table, key, before in state.journal.since(mark):
        if type(key) is bytes:  # only tables of what is in a directory have such keys (`View.names`)
            at = (id(table), Name(key))
            if at not in first:
                first[at] = table, None if before is ABSENT else before
        elif table is tree.born_versions or table is tree.died_versions:
            versions.add(key[0])
        elif table is tree.born_inodes and before is ABSENT:
            made.add(key)
    names: dict[Place, tuple[Dentry | None, Dentry | None]] = {}
    for (_, name), (inside, was) in first.items():
        now = inside.get(name)
        known = was or now
        if known is not None and (was is None or now is None or was.inode != now.inode):
            names[known.parent, name] = was, now
    return names, versions, made
