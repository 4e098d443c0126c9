"""spots: from the paths of a request to its keys, and whether the person may lock them.

What belongs here: walking, ways up from every name of a file that has several, rights. A lock keeps others
from changing something, so it takes a right to change it, or (shared) to read it. One with all below takes
the right to change the directory in either mode, or whoever can read the root could stop everybody; and of a
sticky directory, where people do not touch what others have, to be its owner. Inside the clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.core.locks.request import INODE, NAME, Key, Spot
from cairnfs.core.permissions import READ, WALK, WRITE, Person, allowed, may_change, may_take_away
from cairnfs.errors import Forbidden, TooManyLocks
from cairnfs.ids import ROOT, InodeId, Path
from cairnfs.metadata.ops import resolve
from cairnfs.metadata.ops.resolve import Place
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state import State
from cairnfs.metadata.state.ways import names_of, way_up
from cairnfs.metadata.view import DIRECTORY, SYMLINK

#: A file of more names is locked by none of them: its keys would be as many. Nor are files together.
NAMES_MAX = 10_000


def walk(
    state: State,
    person: Person,
    paths: Sequence[Path],
    *,
    follow: bool,
    exclusive: bool,
    subtree: bool = False,
) -> list[Spot]:
    """What these paths lead to, in their order.

    Raises NotFound, NotADirectory, Forbidden, SymlinkLoop, TooManyLocks.
    """
    view = state.tree.view
    around = Around(state, NAMES_MAX)
    found = []
    for path in paths:
        at = resolve.place(view, person, path, follow=follow)
        if not _may(state, person, at, exclusive=exclusive, subtree=subtree):
            raise Forbidden(f"{person.name} may not lock this", path=resolve.text(path))
        found.append(spot(at, around))
    return found


class Around:
    """The directories above all names of files that have several: each file's names are gone through once,
    and of all together no more than a number."""

    def __init__(self, state: State, names_max: int) -> None:
        self._tree = state.tree
        self._names_max = names_max
        self._names = 0
        self._known: dict[InodeId, frozenset[InodeId]] = {}

    def of(self, dentry: Dentry, path: Path) -> frozenset[InodeId]:
        """None where it is in one directory only. Raises TooManyLocks."""
        known = self._known.get(dentry.inode)
        if known is None:
            known = self._known[dentry.inode] = self._look(dentry, path)
        return known

    def _look(self, dentry: Dentry, path: Path) -> frozenset[InodeId]:
        names = names_of(self._tree, dentry)
        if len(names) == 1:
            return frozenset()
        self._names += len(names)
        if self._names > self._names_max:
            raise TooManyLocks(
                f"of files that have several names, more than {self._names_max} names",
                path=resolve.text(path),
            )
        above: set[InodeId] = set()
        for parent in {one.parent for one in names}:
            above.update(way_up(self._tree, parent))
        return frozenset(above)


def spot(at: Place, around: Around) -> Spot:
    """The keys of a place. Raises TooManyLocks."""
    if at.is_root:
        return Spot(None, Key(ROOT, INODE))
    name = Key(at.parent, NAME, at.name)
    if at.dentry is None:
        return Spot(name, None, at.chain)
    return Spot(name, Key(at.dentry.inode, INODE), at.chain, around.of(at.dentry, at.path))


def _may(state: State, person: Person, at: Place, *, exclusive: bool, subtree: bool) -> bool:
    version = state.tree.view.version
    root = version(ROOT) if at.is_root else None
    here = root if at.dentry is None else version(at.dentry.inode)
    kind = None if at.dentry is None else at.dentry.kind
    if subtree and here is not None and (at.is_root or kind == DIRECTORY):
        exclusive = True
        if not may_take_away(person, here.owner, here.mode, here.owner):
            return False
    if at.is_root:
        return may_lock(person, None, None, here, exclusive=exclusive)
    return may_lock(person, version(at.parent), kind, here, exclusive=exclusive)


def may_lock(
    person: Person, parent: Version | None, kind: str | None, here: Version | None, *, exclusive: bool
) -> bool:
    """Whether a person may lock what is there, as `kind` (None: nothing, or the root), in this directory."""
    if here is not None and kind == SYMLINK:
        # Everybody may write a symlink, and nobody can: it is its owner's, and the directory's.
        if not exclusive or may_change(person, here.owner):
            return True
    elif here is not None and _may_use(person, here, exclusive=exclusive):
        return True
    if parent is None or not allowed(person, parent.owner, parent.owner_group, parent.mode, WRITE | WALK):
        return False
    return here is None or may_take_away(person, parent.owner, parent.mode, here.owner)


def _may_use(person: Person, here: Version, *, exclusive: bool) -> bool:
    wanted = (WRITE,) if exclusive else (READ, WRITE)
    return any(allowed(person, here.owner, here.owner_group, here.mode, want) for want in wanted)
