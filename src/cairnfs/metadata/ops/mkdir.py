"""mkdir: make a directory, and with `parents` those missing on the way.

What belongs here: the verb. The new directory belongs to whom makes it.
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.errors import Exists, NotADirectory, NotFound, SymlinkLoop
from cairnfs.ids import ROOT
from cairnfs.metadata.ops import results
from cairnfs.metadata.ops.making import Content, make, way
from cairnfs.metadata.ops.resolve import Place, place, text
from cairnfs.metadata.ops.setattr import change, settle
from cairnfs.metadata.ops.steps import MkdirStep
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, SYMLINK
from cairnfs.wire.commits import OperationResult


def mkdir(state: State, person: Person, stamp: Stamp, step: MkdirStep) -> OperationResult:
    """Raises Exists, unless `parents` is set and a directory is there, or a symlink that leads to one."""
    at = way(state, person, stamp, step.path, parents=step.parents)
    if step.parents and at.dentry is not None and at.dentry.kind == SYMLINK:
        at = _behind(state, person, step)
    if at.is_root or at.dentry is not None:
        if not step.parents or (at.dentry is not None and at.dentry.kind != DIRECTORY):
            raise Exists("something already has that name", path=text(step.path))
        return _present(state, person, stamp, step, at.dentry)
    _, version = make(state, person, stamp, at, DIRECTORY, Content(step.mode))
    if step.attributes is not None:
        settle(state, person, stamp, DIRECTORY, version, step.attributes, path=step.path)
    return results.of(state, version.inode, stamp)


def _behind(state: State, person: Person, step: MkdirStep) -> Place:
    """Where the symlink that has the name leads; if that is nowhere, the name is taken all the same."""
    try:
        at = place(state.tree.view, person, step.path, follow=True)
    except (NotFound, NotADirectory, SymlinkLoop):
        at = None
    if at is None or not (at.is_root or at.dentry is not None):
        raise Exists("a symlink that leads nowhere has that name", path=text(step.path))
    return at


def _present(
    state: State, person: Person, stamp: Stamp, step: MkdirStep, dentry: Dentry | None
) -> OperationResult:
    inode = ROOT if dentry is None else dentry.inode
    if step.attributes is not None:
        change(state, person, stamp, dentry, step.attributes, path=step.path)
    return results.of(state, inode, stamp)
