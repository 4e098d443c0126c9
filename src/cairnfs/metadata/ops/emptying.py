"""Whether a person may take out everything below a directory, which a recursive removal does.

    look_below(tx, person, paths) -> looked       before the clock is taken: whole subtrees
    still(tx, person, looked) -> checked          inside it: of which directories that holds still
    check(tree, person, dentry, checked, path)    inside it: what is not below one of those

What belongs here: all three. Inside, what was looked at is not looked at again, but for what this tx has
changed there. A directory that came there by this tx, or to which the path leads only since, or below which
others changed something in between, is looked at there and then if it is not too large. Rights are those of
`core/permissions`. Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from cairnfs.core.permissions import READ, STICKY, WALK, WRITE, Person, may_take_away
from cairnfs.errors import Busy, CairnError, Forbidden, TooManyOperations
from cairnfs.ids import CommitNumber, InodeId, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.resolve import place, require, text, there
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import changes, clock, dentries, names
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state.changes import REMOVED, Change, decode
from cairnfs.metadata.state.tree import Tree
from cairnfs.metadata.view import DIRECTORY, View

#: Names below a directory that are looked at while the clock is held.
NAMES_MAX = 10_000
#: Commits since the look before the clock, and bytes of their changes, that are gone through inside.
_COMMITS_MAX, _CHANGES_BYTES_MAX = 256, 256 * 1024


class Looked(NamedTuple):
    """All below these directories `person` might take out, as of a commit."""

    person: Person
    commit: CommitNumber
    directories: frozenset[InodeId]


def look_below(tx: Tx, person: Person, paths: Iterable[Path]) -> Looked:
    """The directories that these paths lead to now, all below which `person` may take out.

    A path that leads to none is left for the commit to judge. Raises Forbidden, Unauthenticated.
    """
    now = clock.read(tx)
    who = People(tx, now).now(person)
    view = View(tx)
    paths = list(paths)
    view.prefetch(paths)
    found = set()
    for path in paths:
        try:
            dentry = there(place(view, who, path)) if len(path) > 1 else None
        except CairnError:
            continue
        if dentry is not None and dentry.kind == DIRECTORY:
            groups = [who.user_id, *who.groups]
            if who.role != "admin" and dentries.closed_below(tx, dentry.inode, who.user_id, groups):
                raise Forbidden("not everything below may be removed by you", path=text(path))
            found.add(dentry.inode)
    return Looked(who, now.commit_number, frozenset(found))


def still(tx: Tx, person: Person, looked: Looked | None) -> frozenset[InodeId]:
    """The directories of which what was looked at holds still. What this tx changes is for `check`.

    `person` is as they are now. Raises Busy where another is too large to be looked at while others wait.
    """
    if looked is None or person.role == "admin":
        return frozenset()
    doubtful = looked.directories
    if person == looked.person:
        doubtful &= _changed_below(tx, looked)
    for inode in doubtful:
        if dentries.count_below(tx, inode, NAMES_MAX + 1) > NAMES_MAX:
            raise Busy("what is to be removed with all below it is being changed: try again")
    return looked.directories - doubtful


def _changed_below(tx: Tx, looked: Looked) -> frozenset[InodeId]:
    """The directories at or below which rights, or who owns what, may be others since."""
    sizes = changes.sizes_after(tx, looked.commit, _COMMITS_MAX + 1)
    if len(sizes) > _COMMITS_MAX or sum(size for _, size in sizes) > _CHANGES_BYTES_MAX:
        return looked.directories
    commits = changes.commits(tx, [number for number, _ in sizes])
    made = [one for commit in commits.values() if commit.entries for one in decode(commit.entries)]
    level = _concerned(tx, [one for one in made if one.what != REMOVED])
    found: set[InodeId] = set()
    while level:
        found |= level
        level = {one.parent for one in names.visible(tx, list(level), None)} - found
    return frozenset(found)


def _concerned(tx: Tx, made: Iterable[Change]) -> set[InodeId]:
    """Directories that changed, or that hold what does: a file matters only where the sticky bit does."""
    found: set[InodeId] = set()
    holding: set[InodeId] = set()
    for one in made:
        if one.kind_name == DIRECTORY:
            found |= {one.inode, one.parent}
        else:
            holding.add(one.parent)
    newest = clock.read(tx).commit_number
    versions = changes.versions_then(tx, [(inode, newest) for inode in holding])
    return found | {inode for (inode, _), one in versions.items() if one.mode & STICKY}


def check(tree: Tree, person: Person, top: Dentry, checked: Collection[InodeId], path: Path) -> None:
    """Raises Forbidden where a directory below, the top included, may not be emptied by `person`, and
    TooManyOperations where it takes too long to find out."""
    if person.role == "admin":
        return
    view = tree.view
    pending = [(top, False)]
    while pending:
        dentry, seen = pending.pop()
        inode = dentry.inode
        seen = seen or inode in checked
        if inode in view.fresh or (seen and (inode, view.version(inode).born) not in tree.born_versions):
            pass  # every name in it is known, or all that are not known were looked at
        elif not seen:
            _load_below(tree, inode, path)
        else:
            _require_few(len(dentries.first_names(view.tx, inode, NAMES_MAX + 1)), path)
            view.load_children([inode])
        inside = [child for child in view.names.get(inode, {}).values() if child is not None]
        if inside:
            _require_emptying(view, person, inode, inside, path)
        pending += [(child, seen and not _came(tree, child)) for child in inside if child.kind == DIRECTORY]


def _came(tree: Tree, dentry: Dentry) -> bool:
    """Whether a directory got this name in this tx."""
    return (dentry.parent, dentry.name, dentry.born) in tree.born_names


def _load_below(tree: Tree, directory: InodeId, path: Path) -> None:
    _require_few(dentries.count_below(tree.view.tx, directory, NAMES_MAX + 1), path)
    level = [directory]
    while level:
        level = tree.view.load_children(level)


def _require_few(names: int, path: Path) -> None:
    if names > NAMES_MAX:
        raise TooManyOperations(
            f"over {NAMES_MAX} names to look at below it: remove it in a commit of its own", path=text(path)
        )


def _require_emptying(view: View, person: Person, inode: InodeId, inside: list[Dentry], path: Path) -> None:
    directory = view.version(inode)
    require(person, directory, READ | WRITE | WALK, path)
    for child in inside:
        if not may_take_away(person, directory.owner, directory.mode, view.version(child.inode).owner):
            raise Forbidden("not everything below may be removed by you", path=text(path))
