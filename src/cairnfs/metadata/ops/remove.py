"""remove: a file or an empty directory; with `recursive` a directory and all below it.

What belongs here: the verb. What does not: whether everything below may be removed (`ops/emptying`). A
recursive removal is one dentry whatever is below it.
"""

from __future__ import annotations

from collections.abc import Collection

from cairnfs.core.permissions import WALK, WRITE, Person, may_take_away
from cairnfs.errors import Forbidden, NotEmpty, RootIsFixed
from cairnfs.ids import InodeId
from cairnfs.metadata.ops import emptying, expect, results
from cairnfs.metadata.ops.resolve import Place, place, require, text, there
from cairnfs.metadata.ops.steps import RemoveStep
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, View
from cairnfs.wire.commits import OperationResult


def remove(
    state: State, person: Person, stamp: Stamp, step: RemoveStep, checked: Collection[InodeId] = ()
) -> OperationResult:
    """Raises NotFound, NotEmpty, Forbidden, RootIsFixed, and what expectations raise.

    `checked`: directories below which there is nothing to forbid, as `emptying.still` gives them.
    """
    if len(step.path) == 1:
        raise RootIsFixed("the root cannot be removed", path="/")
    tree = state.tree
    at = place(tree.view, person, step.path)
    expect.hold(step.expected, tree.view, at, stamp)
    dentry = there(at)
    check_may_take_away(tree.view, person, at, dentry)
    if dentry.kind == DIRECTORY and step.recursive:
        emptying.check(tree, person, dentry, checked, step.path)
        tree.remove_tree(dentry, stamp)
    elif dentry.kind == DIRECTORY and not tree.is_empty(dentry.inode):
        raise NotEmpty("the directory still holds names", path=text(step.path))
    else:
        tree.remove(dentry, stamp)
    return results.gone(dentry.inode)


def take_away(
    state: State, person: Person, stamp: Stamp, at: Place, dentry: Dentry, checked: Collection[InodeId]
) -> None:
    """Take away what a name leads to, with all below it, so that something else can have the name.

    Raises Forbidden, TooManyOperations. `checked`: see `remove`.
    """
    check_may_take_away(state.tree.view, person, at, dentry)
    if dentry.kind == DIRECTORY:
        emptying.check(state.tree, person, dentry, checked, at.path)
        state.tree.remove_tree(dentry, stamp)
    else:
        state.tree.remove(dentry, stamp)


def check_may_take_away(view: View, person: Person, at: Place, dentry: Dentry) -> None:
    """Raises Forbidden unless `person` may take this name out of its directory."""
    directory = view.version(at.parent)
    require(person, directory, WRITE | WALK, at.path)
    owner = view.version(dentry.inode).owner
    if not may_take_away(person, directory.owner, directory.mode, owner):
        raise Forbidden("in this directory each removes only what is theirs", path=text(at.path))
