"""name_index: what is below a directory and has a name that begins so, by the index of living names.

What belongs here: looking names up and walking up from them, to see whether they are below that directory and
may be seen; how many names there are, as far as one wants to know; and whether the index still tells of an
earlier commit. What does not: when to use it (`find`). Names that no way leads up from are left out.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core.names import PATH_MAX_BYTES
from cairnfs.core.patterns import Pattern
from cairnfs.core.permissions import Person
from cairnfs.ids import CommitNumber, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.conditions import Conditions
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.trace import Traced, trace
from cairnfs.metadata.ops.treewalk import Met
from cairnfs.metadata.rows import changes, nodes, search
from cairnfs.metadata.rows.nodes import Listed
from cairnfs.metadata.rows.search import Named, Range
from cairnfs.metadata.state.changes import MOVED, REMOVED, Change, decode
from cairnfs.metadata.view import DIRECTORY

#: Names that a page looks at, and how many of them together.
PAGE_ROWS, _BATCH = 4000, 500
#: Commits, and bytes of their changes, that one page reads to know whether the index still tells.
_COMMITS_MAX, _CHANGES_BYTES_MAX = 1000, 256 * 1024

BEGIN = Named(Name(b""), InodeId(0))


class Below(NamedTuple):
    """Where one looks: a directory, by its path without symlinks; and up to which path all is told."""

    path: Path
    told: tuple[bytes, ...]  # the names of a path relative to it, in the order of a walk


class Page(NamedTuple):
    """What was found, in the names' order, and where one goes on; None at the end."""

    found: list[Met]
    position: Named | None


class Counted(NamedTuple):
    """How many living names there are, as far as was looked."""

    position: Named = BEGIN
    names: int = 0
    ended: bool = False


def names_of(pattern: Pattern | None) -> Range | None:
    """The names that the index has to be asked for; None where it would be asked for all."""
    if pattern is None or not pattern.prefix:
        return None
    return Range.only(pattern.prefix) if pattern.exact else Range.beginning(pattern.prefix)


def count(tx: Tx, names: Range, so_far: Counted, rows: int) -> Counted:
    """Count on, for so many rows."""
    if so_far.ended or rows <= 0:
        return so_far
    more = search.living(tx, names, so_far.position, rows)
    return Counted(more[-1] if more else so_far.position, so_far.names + len(more), ended=len(more) < rows)


def page(
    sight: Sight, person: Person, conditions: Conditions, names: Range, below: Below, after: Named, limit: int
) -> Page:
    """What comes beyond `after`, `limit` at most."""
    found: list[Met] = []
    looked = 0
    position = after
    while looked < PAGE_ROWS and len(found) < limit:
        batch = search.living(sight.view.tx, names, position, _BATCH)
        looked += len(batch)
        for named, met in _seen(sight, person, conditions, batch, below):
            found.append(met)
            if len(found) == limit:
                return Page(found, named)
        if len(batch) < _BATCH:
            return Page(found, None)
        position = batch[-1]
    return Page(found, position)


def still_tells(tx: Tx, names: Range, after: CommitNumber, until: CommitNumber) -> bool:
    """Whether every one of these names that was there at commit `after` is in the index yet, at `until`.

    It is unless one ended since, or a directory that may have held one. False where too much happened.
    """
    if after == until:
        return True
    sizes = changes.sizes_after(tx, after, _COMMITS_MAX)
    if len(sizes) == _COMMITS_MAX or sum(size for _, size in sizes) > _CHANGES_BYTES_MAX:
        return False
    commits = changes.commits(tx, [number for number, size in sizes if size])
    return not any(
        _ends(change, names)
        for commit in commits.values()
        if commit.entries
        for change in decode(commit.entries)
    )


def _ends(change: Change, names: Range) -> bool:
    if change.what == REMOVED:
        return change.kind_name == DIRECTORY or names.holds(change.name)
    return change.what == MOVED and names.holds(change.from_name)


def _seen(
    sight: Sight, person: Person, conditions: Conditions, batch: list[Named], below: Below
) -> list[tuple[Named, Met]]:
    """Those of these names that are what was asked, and below the directory, and may be seen."""
    asked = [(parent, name) for name, parent in batch if conditions.takes_name(name)]
    listed = [
        Listed(*one)
        for one in nodes.find_told(sight.view.tx, asked, sight.view.at)
        if conditions.takes(one[0].kind, one[1])
    ]
    where = trace(sight.view.tx, person, ((one.dentry.parent, sight.commit) for one in listed))
    found = []
    for one in sorted(listed, key=lambda one: (one.dentry.name, one.dentry.parent)):
        up = where.get((one.dentry.parent, sight.commit))
        relative = None if up is None else _relative(up, one.dentry.name, below)
        if relative is not None:
            found.append((Named(one.dentry.name, one.dentry.parent), Met(relative, one)))
    return found


def _relative(up: Traced, name: bytes, below: Below) -> bytes | None:
    """The path of a name in a directory, relative to where one looks.

    None if it is not below that, or told already, or if no walk from there would come to it.
    """
    root = b"" if below.path == b"/" else below.path
    inside = b"" if up.path == b"/" else up.path
    if inside != root and not inside.startswith(root + b"/"):
        return None
    # What may not be listed lies above all that is looked at, or else on the way down.
    if not up.may_walk or (up.shut is not None and not root.startswith(up.shut.rstrip(b"/") + b"/")):
        return None
    path = (inside + b"/" + name)[len(root) + 1 :]
    if len(root) + 1 + len(path) > PATH_MAX_BYTES:
        return None
    return path if not below.told or tuple(path.split(b"/")) > below.told else None
