"""trace: from directories back to their paths, as of a commit, and who may see what is in them.

What belongs here: walking up traced names, a statement a level however many directories are asked for, at
however many commits; and the rights of one person on the way. What does not: files' names, which whoever
asks already has. A directory that no way leads up from (an orphan, a detached tree) has no path, nor has
one deeper than a path is long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from cairnfs.core.names import PATH_MAX_BYTES
from cairnfs.core.permissions import READ, WALK, Person, allowed
from cairnfs.errors import NotADirectory, NotFound
from cairnfs.ids import ROOT, InodeId, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.resolve import place
from cairnfs.metadata.rows import changes
from cairnfs.metadata.rows.changes import Then
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.view import View

#: Every name has a byte at least, and a slash before it.
_LEVELS_MAX = PATH_MAX_BYTES // 2


class Traced(NamedTuple):
    """Where a directory was. `may_walk`: it and all above it; `may_read`: its names may be listed too.

    `shut` is the lowest directory on the way, itself included, whose names may not be listed: what is below
    it is not met by whoever comes from above.
    """

    path: Path
    may_walk: bool
    may_read: bool
    shut: Path | None = None

    def below(self, name: bytes) -> Path:
        """The path of a name in it."""
        return Path((b"" if self.path == b"/" else self.path) + b"/" + name)

    def shows(self, path: Path, named: Path) -> bool:
        """Whether a path of something in it may be shown to whoever named the path `named`.

        What may not be listed keeps its names from whoever does not know them: that is all names on the way
        but those on the way to what was named.
        """
        if not self.may_walk:
            return False
        if self.shut is None or within_path(path, named):
            return True
        return named.startswith(self.shut.rstrip(b"/") + b"/") and within_path(named, path)


def within_path(path: Path, inside: Path) -> bool:
    """Whether `inside` is the path or below it."""
    return path in (b"/", inside) or inside.startswith(path + b"/")


def paths(sight: Sight, person: Person, parents: Iterable[InodeId]) -> dict[InodeId, Path | None]:
    """The paths of these directories where the person may see what is in them; None for all others.

    That takes WALK on every directory on the way, READ and WALK on the directory itself. `person` is as
    `sight.people.now` gave them.
    """
    asked = dict.fromkeys(parents)
    found = trace(sight.view.tx, person, [(one, sight.commit) for one in asked])
    seen = {inode: one.path for (inode, _), one in found.items() if one.may_read}
    return {one: seen.get(one) for one in asked}


def trace(tx: Tx, person: Person, places: Iterable[Then]) -> dict[Then, Traced]:
    """Where these directories were, each as of its commit; what had no path is left out."""
    asked = dict.fromkeys(places)
    above = _above(tx, asked)
    rights = {} if person.role == "admin" else _versions(tx, asked, above)
    known: dict[Then, Traced | None] = {}
    for one in asked:
        _unwind(one, person, above, rights, known)
    return {one: found for one in asked if (found := known[one]) is not None}


def physical(view: View, person: Person, path: Path, *, follow: bool) -> Path:
    """The path without the symlinks on it; the path itself where it leads nowhere.

    `follow`: as in `resolve.place`. Raises Forbidden, SymlinkLoop.
    """
    try:
        at = place(view, person, path, follow=follow)
    except (NotFound, NotADirectory):
        return path
    if at.is_root:
        return Path(b"/")
    way = [view.name_of(up, inside).name for up, inside in pairwise(at.chain)]
    return Path(b"".join(b"/" + name for name in (*way, at.name)))


def _above(tx: Tx, asked: Iterable[Then]) -> dict[Then, Dentry]:
    """The names of these directories and of all above them."""
    above: dict[Then, Dentry] = {}
    tried: set[Then] = set()
    missing = {one for one in asked if one[0] != ROOT}
    for _ in range(_LEVELS_MAX):
        if not missing:
            break
        tried |= missing
        found = {(dentry.inode, at): dentry for at, dentry in changes.names_then(tx, missing)}
        above |= found
        missing = {(one.parent, at) for (_, at), one in found.items() if one.parent != ROOT} - tried
    return above


def _versions(tx: Tx, asked: Iterable[Then], above: Mapping[Then, Dentry]) -> dict[Then, Version]:
    roots = {(ROOT, at) for _, at in asked}
    return changes.versions_then(tx, above.keys() | roots)


def _unwind(
    place: Then,
    person: Person,
    above: Mapping[Then, Dentry],
    rights: Mapping[Then, Version],
    known: dict[Then, Traced | None],
) -> None:
    """Put into `known` where this directory was, and those above it."""
    way: list[Then] = []
    here: Then = place
    while here not in known:
        way.append(here)
        if here not in above:
            break
        here = (above[here].parent, here[1])
    for here in reversed(way):
        dentry = above.get(here)
        up = None
        if dentry is not None:
            up = known[dentry.parent, here[1]]
            path = None if up is None else up.below(dentry.name)
            walked = up is not None and up.may_walk
        else:
            path, walked = (Path(b"/") if here[0] == ROOT else None), True
        if path is None or len(path) > PATH_MAX_BYTES:
            known[here] = None
            continue
        may_walk = walked and _may(person, rights.get(here), WALK)
        listed = _may(person, rights.get(here), READ | WALK)
        shut = (None if up is None else up.shut) if listed else path
        known[here] = Traced(path, may_walk, may_walk and _may(person, rights.get(here), READ), shut)


def _may(person: Person, version: Version | None, want: int) -> bool:
    if person.role == "admin":
        return True
    return version is not None and allowed(person, version.owner, version.owner_group, version.mode, want)
