"""symlink: make a name that leads to a path, whatever is there.

What belongs here: the verb. Where it leads is bytes that nobody looks at until somebody follows it.
"""

from __future__ import annotations

from cairnfs.core.permissions import SYMLINK_MODE, Person
from cairnfs.errors import Exists, IsADirectory
from cairnfs.metadata.ops import results
from cairnfs.metadata.ops.making import Content, make, way
from cairnfs.metadata.ops.remove import check_may_take_away
from cairnfs.metadata.ops.resolve import text
from cairnfs.metadata.ops.setattr import settle
from cairnfs.metadata.ops.steps import SymlinkStep
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, SYMLINK
from cairnfs.wire.commits import OperationResult


def symlink(state: State, person: Person, stamp: Stamp, step: SymlinkStep) -> OperationResult:
    """Raises Exists, IsADirectory (where one would have to give way), Forbidden."""
    at = way(state, person, stamp, step.path, parents=step.parents)
    if at.is_root or (at.dentry is not None and not step.replace):
        raise Exists("something already has that name", path=text(step.path))
    if at.dentry is not None:
        if at.dentry.kind == DIRECTORY:
            raise IsADirectory("a directory has that name", path=text(step.path))
        check_may_take_away(state.tree.view, person, at, at.dentry)
        state.tree.remove(at.dentry, stamp)
    content = Content(SYMLINK_MODE, len(step.target), target=step.target)
    _, version = make(state, person, stamp, at, SYMLINK, content)
    if step.attributes is not None:
        settle(state, person, stamp, SYMLINK, version, step.attributes, path=step.path)
    return results.of(state, version.inode, stamp)
