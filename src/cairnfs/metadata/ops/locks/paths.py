"""paths: by what paths requests for locks are known to somebody, as they are called now.

What belongs here: from keys back to paths, and for whose eyes. A request is told to whoever may see one of
those of its paths that were asked about, to its own user and to administrators; its paths only to whoever may
see each. A file with several names may be locked under one of them and looked at under another: then the
other one is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cairnfs.core.locks.request import INODE, NAME, Key
from cairnfs.core.permissions import Person
from cairnfs.ids import ROOT, InodeId, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.trace import Traced, trace, within_path
from cairnfs.metadata.rows import inodes
from cairnfs.metadata.rows import names as rows
from cairnfs.metadata.rows.locks import LockRow
from cairnfs.metadata.view import FILE

PATHS_SHOWN = 10
#: Of a file that has more names, so many are looked at.
NAMES_LOOKED = 8

_ROOT_PATH = Path(b"/")
#: A directory and a name in it.
_Named = tuple[InodeId, bytes]


class Asker(NamedTuple):
    """Who asks, as they are now, and about which path: without symlinks."""

    sight: Sight
    person: Person
    path: Path

    def owns(self, one: LockRow) -> bool:
        """Whether it is the asker's own."""
        return one.user_id == self.person.user_id

    def means(self, one: LockRow, path: Path) -> bool:
        """Whether a path of a request is what was asked about: at or below it, or above it with all below."""
        return within_path(self.path, path) or (one.subtree == 1 and within_path(path, self.path))

    def sees_all(self, one: LockRow) -> bool:
        """Whether all is told of it that can be told."""
        return self.owns(one) or self.person.role == "admin"


class PathsTold(NamedTuple):
    """What somebody is told of the paths of a request. `more`: how many others it has."""

    paths: list[Path]
    more: int


def known(
    asker: Asker, requests: Mapping[int, LockRow], keys: Mapping[int, Iterable[Key]]
) -> dict[int, PathsTold]:
    """Those of these requests of which the asker is told."""
    asked = {number: _asked(keys[number]) for number in requests}
    traced = _traced(asker, (named for all_of in asked.values() for named in all_of))
    found: dict[int, PathsTold] = {}
    away: list[int] = []
    for number, one in requests.items():
        seen = _seen(asker, asked[number], traced)
        if any(asker.means(one, path) for path in seen):
            found[number] = _shown(asker, one, asked[number], seen)
        else:
            away.append(number)
    others = _other_names(asker.sight.view.tx, {number: keys[number] for number in away})
    traced |= _traced(asker, (named for all_of in others.values() for named in all_of))
    for number in away:
        also = [
            path for path in _seen(asker, others.get(number, ()), traced) if within_path(asker.path, path)
        ]
        if also or asker.sees_all(requests[number]):
            seen = [*also, *_seen(asker, asked[number], traced)]
            found[number] = _shown(asker, requests[number], asked[number], seen)
    return found


def _asked(keys: Iterable[Key]) -> list[_Named]:
    """The names that a request is for; the root's is empty."""
    return [
        (key.inode, key.name) for key in keys if key.kind == NAME or (key.kind == INODE and key.inode == ROOT)
    ]


def _traced(asker: Asker, asked: Iterable[_Named]) -> dict[InodeId, Traced]:
    """The paths of their directories."""
    commit = asker.sight.commit
    places = dict.fromkeys((parent, commit) for parent, _ in asked)
    found = trace(asker.sight.view.tx, asker.person, places)
    return {inode: one for (inode, _), one in found.items()}


def _seen(asker: Asker, asked: Iterable[_Named], traced: Mapping[InodeId, Traced]) -> list[Path]:
    """The paths of these names, as far as the asker may see them."""
    seen = []
    for parent, name in asked:
        at = traced.get(parent)
        if at is None:
            continue
        path = at.below(name) if name else _ROOT_PATH
        if not name or asker.person.role == "admin" or at.shows(path, asker.path):
            seen.append(path)
    return seen


def _shown(asker: Asker, one: LockRow, asked: list[_Named], seen: list[Path]) -> PathsTold:
    """Those that were asked about come first."""
    ordered = sorted(dict.fromkeys(seen), key=lambda path: (not asker.means(one, path), path))
    shown = ordered[:PATHS_SHOWN]
    total = max(len(asked), len(ordered)) if asker.sees_all(one) else len(ordered)
    return PathsTold(shown, total - len(shown))


def _other_names(tx: Tx, keys: Mapping[int, Iterable[Key]]) -> dict[int, list[_Named]]:
    """All names of the files with several names that these requests are for."""
    wanted = {number: [key.inode for key in all_of if key.kind == INODE] for number, all_of in keys.items()}
    links = inodes.links(tx, {inode for all_of in wanted.values() for inode in all_of})
    few = [inode for inode, count in links.items() if 1 < count <= NAMES_LOOKED]
    called: dict[InodeId, list[_Named]] = {}
    for dentry in rows.visible(tx, few, None):
        if dentry.kind == FILE:
            called.setdefault(dentry.inode, []).append((dentry.parent, dentry.name))
    for inode in (inode for inode, count in links.items() if count > NAMES_LOOKED):
        called[inode] = [(one.parent, one.name) for one in rows.some(tx, inode, NAMES_LOOKED)]
    return {
        number: [named for inode in all_of for named in called.get(inode, ())]
        for number, all_of in wanted.items()
    }
