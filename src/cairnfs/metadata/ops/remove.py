"""remove: a file or an empty directory; with `recursive` a directory and all below it.

What belongs here: the verb, and the check that everything below may be removed, which looks at the
whole subtree and is therefore made before the clock is taken. A recursive removal is one dentry
whatever is below it.
"""

from __future__ import annotations

from collections.abc import Iterable

from cairnfs.core.permissions import WALK, WRITE, Person, may_take_away
from cairnfs.errors import CairnError, Forbidden, NotEmpty, RootIsFixed
from cairnfs.ids import Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import expect, results
from cairnfs.metadata.ops.resolve import Place, place, require, text, there
from cairnfs.metadata.ops.steps import RemoveStep
from cairnfs.metadata.rows import dentries
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, View
from cairnfs.wire.commits import OperationResult


def remove(state: State, person: Person, stamp: Stamp, step: RemoveStep) -> OperationResult:
    """Raises NotFound, NotEmpty, Forbidden, RootIsFixed, and what expectations raise."""
    if len(step.path) == 1:
        raise RootIsFixed("the root cannot be removed", path="/")
    tree = state.tree
    at = place(tree.view, person, step.path)
    expect.hold(step.expected, tree.view, at, stamp)
    dentry = there(at)
    check_may_take_away(tree.view, person, at, dentry)
    if dentry.kind == DIRECTORY and step.recursive:
        tree.remove_tree(dentry, stamp)
    elif dentry.kind == DIRECTORY and not tree.is_empty(dentry.inode):
        raise NotEmpty("the directory still holds names", path=text(step.path))
    else:
        tree.remove(dentry, stamp)
    return results.gone(dentry.inode)


def check_may_take_away(view: View, person: Person, at: Place, dentry: Dentry) -> None:
    """Raises Forbidden unless `person` may take this name out of its directory."""
    directory = view.version(at.parent)
    require(person, directory, WRITE | WALK, at.path)
    owner = view.version(dentry.inode).owner
    if not may_take_away(person, directory.owner, directory.mode, owner):
        raise Forbidden("in this directory each removes only what is theirs", path=text(at.path))


def check_below(tx: Tx, person: Person, paths: Iterable[Path]) -> None:
    """Raises Forbidden where a directory below one of these paths may not be emptied by `person`.

    A path that leads nowhere is left for the commit to refuse.
    """
    if person.role == "admin":
        return
    view = View(tx)
    view.prefetch(paths)
    for path in paths:
        try:
            dentry = there(place(view, person, path)) if len(path) > 1 else None
        except CairnError:
            continue
        if (
            dentry is not None
            and dentry.kind == DIRECTORY
            and dentries.closed_below(tx, dentry.inode, person.user_id)
        ):
            raise Forbidden("not everything below may be removed by you", path=text(path))
