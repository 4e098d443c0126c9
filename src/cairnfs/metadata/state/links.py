"""From inodes back to their live names, as one tx has them: where else a file is, and whether from there a
way leads up to the root.

What belongs here: loading what is traced, and of a file with very many names no more than is needed. What
does not: changing names (`state/tree`, whose tables are looked into here). One tx, one thread.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cairnfs.ids import ROOT, InodeId, Name
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import inodes as inode_rows
from cairnfs.metadata.rows import names
from cairnfs.metadata.rows.nodes import Dentry

if TYPE_CHECKING:
    from cairnfs.metadata.state.tree import NameKey

#: No way up is longer, unless it never ends.
LEVELS_MAX = 100_000
#: Names of a file that are loaded at first, and then each time so many times more.
AT_ONCE, _MORE = 64, 8


class Links:
    """Live names by inode: those that the database gives, without those that ended here, and those that
    began here."""

    __slots__ = ("_born", "_counts", "_died", "_last", "_more", "_stored", "_traced", "_tx")

    def __init__(
        self,
        tx: Tx,
        born: Container[InodeId],
        died: Container[NameKey],
        traced: Mapping[InodeId, tuple[Dentry, ...]],
    ) -> None:
        """Tables of the tree: inodes that were made here, names of before that ended here, and the traced
        names that the database does not give as such."""
        self._tx = tx
        self._born = born
        self._died = died
        self._traced = traced
        self._stored: dict[InodeId, list[Dentry]] = {}
        #: The files of which there are more, and how many to ask for next.
        self._more: dict[InodeId, int] = {}
        self._counts: dict[InodeId, int] = {}
        #: Where in the list of a file's stored names one was found that is alive.
        self._last: dict[InodeId, int] = {}

    def forget(self) -> None:
        """What was loaded is true no more."""
        for table in (self._stored, self._more, self._counts, self._last):
            table.clear()

    def is_single(self, inode: InodeId) -> None:
        """What is not traced has no other name: nothing has to be loaded."""
        self._stored.setdefault(inode, [])

    def count(self, inode: InodeId) -> int:
        """How many live names the database has of a file, those below orphans too."""
        self._count([inode])
        return self._counts[inode]

    def look_around(self, inodes: Iterable[InodeId]) -> None:
        """Load names of these files that have several, and the ways up from two of each."""
        asked = [inode for inode in dict.fromkeys(inodes) if inode not in self._stored]
        self._load(asked)
        self.load_up(one.parent for inode in asked for one in self._stored[inode][:2])

    def load_up(self, directories: Iterable[InodeId]) -> None:
        """Load the ways up from these directories, a statement a level."""
        above = set(directories)
        while above := {one for one in above if one != ROOT and one not in self._stored}:
            self._load_all(above)
            above = {one.parent for inode in above for one in self._stored[inode]}

    def elsewhere(self, inode: InodeId, parent: InodeId, name: Name) -> Dentry | None:
        """A live name of this file, with a way up to the root, that is not this one."""
        lost: set[InodeId] = set()  # directories from which no way leads up
        for one in self._of(inode):
            if (one.parent, one.name) == (parent, name) or one.parent in lost:
                continue
            if self.is_reachable(one.parent):
                return one
            lost.add(one.parent)
        return None

    def every(self, inode: InodeId) -> Iterator[Dentry]:
        """All live names of an inode that are traced, those below orphans too."""
        return self._of(inode)

    def is_reachable(self, directory: InodeId) -> bool:
        """Whether the way up from a directory ends at the root, and not at an orphan."""
        for _ in range(LEVELS_MAX):
            if directory == ROOT:
                return True
            self._load_all([directory])
            above = next(self._of(directory), None)
            if above is None:
                return False
            directory = above.parent
        raise AssertionError("directories go round in a circle")

    def _of(self, inode: InodeId) -> Iterator[Dentry]:
        """The live names of an inode that are traced; of a file, those that were loaded first."""
        self._load([inode])
        stored, begin = self._stored[inode], self._last.get(inode, 0)
        yield from self._alive(inode, range(begin, len(stored)))
        yield from self._alive(inode, range(begin))
        yield from self._traced.get(inode, ())
        while inode in self._more:
            known = len(stored)
            self._load_more(inode)
            yield from self._alive(inode, range(known, len(stored)))

    def _alive(self, inode: InodeId, places: range) -> Iterator[Dentry]:
        stored = self._stored[inode]
        for at in places:
            one = stored[at]
            if (one.parent, one.name, one.born) not in self._died:
                # A commit may end very many names of a file: not all that ended are looked at each time.
                self._last[inode] = at
                yield one

    def _load(self, inodes: Iterable[InodeId]) -> None:
        """Load the names of these: of a file that has very many, some."""
        missing = [inode for inode in inodes if inode not in self._stored]
        if not missing:
            return
        self._count(missing)
        self._load_all(inode for inode in missing if self._counts[inode] <= AT_ONCE)
        for inode in missing:
            if inode not in self._stored:
                self._stored[inode], self._more[inode] = [], AT_ONCE
                self._load_more(inode)

    def _load_all(self, inodes: Iterable[InodeId]) -> None:
        missing = [inode for inode in inodes if inode not in self._stored]
        self._stored.update((inode, []) for inode in missing)
        for one in names.visible(self._tx, [inode for inode in missing if inode not in self._born], None):
            self._stored[one.inode].append(one)

    def _load_more(self, inode: InodeId) -> None:
        """Load more names of a file than were loaded before, or all that there are."""
        limit = self._more.pop(inode)
        found = names.some(self._tx, inode, limit)
        if len(found) == limit:
            self._more[inode] = limit * _MORE
        known = {(one.parent, one.name) for one in self._stored[inode]}
        self._stored[inode] += [one for one in found if (one.parent, one.name) not in known]

    def _count(self, inodes: Iterable[InodeId]) -> None:
        missing = [inode for inode in inodes if inode not in self._counts]
        self._counts.update(dict.fromkeys(missing, 0))
        self._counts.update(
            inode_rows.links(self._tx, [inode for inode in missing if inode not in self._born])
        )
