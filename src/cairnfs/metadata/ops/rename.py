"""rename: give what a path leads to another path, as POSIX has it.

What belongs here: the verb. A directory of any size is one row. A directory never comes to be below
itself: its inode must not be among the directories walked to the target.
"""

from __future__ import annotations

from cairnfs.core.permissions import WALK, WRITE, Person
from cairnfs.errors import Exists, IsADirectory, NotADirectory, NotEmpty, RenameIntoItself, RootIsFixed
from cairnfs.metadata.ops import expect, results
from cairnfs.metadata.ops.remove import check_may_take_away
from cairnfs.metadata.ops.resolve import Place, place, require, text, there
from cairnfs.metadata.ops.steps import RenameStep
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire.commits import OperationResult


def rename(state: State, person: Person, stamp: Stamp, step: RenameStep) -> OperationResult:
    """Raises NotFound, Exists, IsADirectory, NotADirectory, NotEmpty, RenameIntoItself, RootIsFixed,
    Forbidden, and what expectations raise. Renaming something to itself changes nothing."""
    if len(step.path) == 1 or len(step.target) == 1:
        raise RootIsFixed("the root cannot be renamed or replaced", path="/")
    tree = state.tree
    source = place(tree.view, person, step.path)
    expect.hold(step.expected, tree.view, source, stamp)
    moving = there(source)
    target = place(tree.view, person, step.target)
    if moving.inode in target.chain:
        raise RenameIntoItself("a directory cannot move below itself", path=text(step.target))
    check_may_take_away(tree.view, person, source, moving)
    require(person, tree.view.version(target.parent), WRITE | WALK, step.target)
    if moving.kind == DIRECTORY and target.parent != source.parent:
        # What `..` leads to changes in it.
        require(person, tree.view.version(moving.inode), WRITE, step.path)
    if target.dentry is not None:
        if not step.replace:
            raise Exists("something already has that name", path=text(step.target))
        if target.dentry.inode == moving.inode:
            return results.of(state, moving.inode, stamp)
        _check_replaceable(state, person, moving, target, target.dentry)
        tree.remove(target.dentry, stamp)
    tree.move(moving, target.parent, target.name, stamp)
    return results.of(state, moving.inode, stamp)


def _check_replaceable(state: State, person: Person, moving: Dentry, target: Place, present: Dentry) -> None:
    path = text(target.path)
    if moving.kind == DIRECTORY and present.kind != DIRECTORY:
        raise NotADirectory("a directory cannot replace a file", path=path)
    if moving.kind != DIRECTORY and present.kind == DIRECTORY:
        raise IsADirectory("a file cannot replace a directory", path=path)
    check_may_take_away(state.tree.view, person, target, present)
    if present.kind == DIRECTORY and not state.tree.is_empty(present.inode):
        raise NotEmpty("the directory there still holds names", path=path)
