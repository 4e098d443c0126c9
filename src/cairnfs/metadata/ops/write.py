"""write: make a path a file with given chunks, or give the file there a new version.

What belongs here: the verb. What does not: whether the chunks are durable (`ops/durable`). A new
version keeps owner and mode; only its content and times are new.
"""

from __future__ import annotations

from cairnfs.core.permissions import WALK, WRITE, Person
from cairnfs.errors import IsADirectory
from cairnfs.metadata.ops import expect, results
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.ops.mkdir import way
from cairnfs.metadata.ops.resolve import Place, place, require, text
from cairnfs.metadata.ops.steps import WriteStep
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, FILE
from cairnfs.wire.commits import OperationResult


def write(
    state: State, person: Person, stamp: Stamp, step: WriteStep, durability: Durability
) -> OperationResult:
    """Raises IsADirectory, Forbidden, NotDurable, and what expectations raise."""
    if len(step.path) == 1:
        raise IsADirectory("the root is a directory", path="/")
    view = state.tree.view
    at = way(state, person, stamp, step.path) if step.parents else place(view, person, step.path)
    expect.hold(step.expected, view, at, stamp)
    if at.dentry is not None and at.dentry.kind == DIRECTORY:
        raise IsADirectory("a directory has that name", path=text(step.path))
    durability.check_base(state, person, step, at.dentry)
    state.content.offer(step.leaves)
    if at.dentry is None:
        return _create(state, person, stamp, step, at)
    return _replace(state, person, stamp, step, at.dentry)


def _create(state: State, person: Person, stamp: Stamp, step: WriteStep, at: Place) -> OperationResult:
    tree = state.tree
    require(person, tree.view.version(at.parent), WRITE | WALK, step.path)
    inode = state.next_inode()
    mtime_us = stamp.at_us if step.mtime_us is None else step.mtime_us
    owner = person.user_id
    tree.make_inode(inode, FILE, stamp)
    tree.add(at.parent, at.name, inode, FILE, stamp)
    version = Version(inode, stamp.number, step.mode, owner, owner, step.size, mtime_us)
    tree.begin_version(version, step.manifest)
    return results.of(state, inode, stamp)


def _replace(state: State, person: Person, stamp: Stamp, step: WriteStep, dentry: Dentry) -> OperationResult:
    tree = state.tree
    require(person, tree.view.version(dentry.inode), WRITE, step.path)
    old = tree.end_version(dentry.inode, stamp)
    mtime_us = stamp.at_us if step.mtime_us is None else step.mtime_us
    version = Version(dentry.inode, stamp.number, old.mode, old.owner, old.owner_group, step.size, mtime_us)
    tree.begin_version(version, step.manifest)
    return results.of(state, dentry.inode, stamp)
