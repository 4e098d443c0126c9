"""Whether a person may take out everything below a directory, which a recursive removal does.

    look_below(tx, person, paths) -> directories    before the clock is taken: whole subtrees
    check(tree, person, dentry, checked, path)      inside it: what is not below one of those

What belongs here: both. Inside, what was looked at is not looked at again, but for what this tx has
changed there. A directory that came there by this tx, or to which the path leads only since, is looked
at there and then if it is not too large. Rights are those of `core/permissions`. Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cairnfs.core.permissions import READ, WALK, WRITE, Person, may_take_away
from cairnfs.errors import CairnError, Forbidden, TooManyOperations
from cairnfs.ids import InodeId, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.resolve import place, require, text, there
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, dentries
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state.tree import Tree
from cairnfs.metadata.view import DIRECTORY, View

#: Names below a directory that are looked at while the clock is held.
NAMES_MAX = 10_000


def look_below(tx: Tx, person: Person, paths: Iterable[Path]) -> frozenset[InodeId]:
    """The directories that these paths lead to now, all below which `person` may take out.

    A path that leads to none is left for the commit to judge. Raises Forbidden, Unauthenticated.
    """
    who = People(tx, clock.read(tx)).now(person)
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
    return frozenset(found)


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
            view.load_children([inode])
        inside = [child for child in view.names.get(inode, {}).values() if child is not None]
        if inside:
            _require_emptying(view, person, inode, inside, path)
        pending += [(child, seen and not _came(tree, child)) for child in inside if child.kind == DIRECTORY]


def _came(tree: Tree, dentry: Dentry) -> bool:
    """Whether a directory got this name in this tx."""
    return (dentry.parent, dentry.name, dentry.born) in tree.born_names


def _load_below(tree: Tree, directory: InodeId, path: Path) -> None:
    if dentries.count_below(tree.view.tx, directory, NAMES_MAX + 1) > NAMES_MAX:
        raise TooManyOperations(
            f"over {NAMES_MAX} names to look at below it: remove it in a commit of its own", path=text(path)
        )
    level = [directory]
    while level:
        level = tree.view.load_children(level)


def _require_emptying(view: View, person: Person, inode: InodeId, inside: list[Dentry], path: Path) -> None:
    directory = view.version(inode)
    require(person, directory, READ | WRITE | WALK, path)
    for child in inside:
        if not may_take_away(person, directory.owner, directory.mode, view.version(child.inode).owner):
            raise Forbidden("not everything below may be removed by you", path=text(path))
