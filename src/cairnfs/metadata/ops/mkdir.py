"""mkdir: make a directory, and with `parents` those missing on the way.

What belongs here: the verb, and making ways for others (`ways`). The new directory belongs to whom
makes it.
"""

from __future__ import annotations

from cairnfs.core import names as rules
from cairnfs.core.permissions import DIRECTORY_MODE, WALK, WRITE, Person
from cairnfs.errors import Exists, NotADirectory
from cairnfs.ids import ROOT, InodeId, Path
from cairnfs.metadata.ops import results
from cairnfs.metadata.ops.resolve import Place, place, require, text
from cairnfs.metadata.ops.steps import MkdirStep
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire.commits import OperationResult


def mkdir(state: State, person: Person, stamp: Stamp, step: MkdirStep) -> OperationResult:
    """Raises Exists, unless `parents` is set and a directory is there."""
    if len(step.path) == 1:
        if not step.parents:
            raise Exists("the root is there", path="/")
        return results.of(state, ROOT, stamp)
    at = way(state, person, stamp, step.path) if step.parents else place(state.tree.view, person, step.path)
    if at.dentry is not None:
        if not step.parents or at.dentry.kind != DIRECTORY:
            raise Exists("something already has that name", path=text(step.path))
        return results.of(state, at.dentry.inode, stamp)
    return results.of(state, make(state, person, stamp, at, step.mode), stamp)


def make(state: State, person: Person, stamp: Stamp, at: Place, mode: int) -> InodeId:
    """Make a directory where nothing is. Raises Forbidden."""
    tree = state.tree
    require(person, tree.view.version(at.parent), WRITE | WALK, at.path)
    inode = state.next_inode()
    tree.make_inode(inode, DIRECTORY, stamp)
    tree.add(at.parent, at.name, inode, DIRECTORY, stamp)
    version = Version(inode, stamp.number, mode, person.user_id, person.user_id, 0, stamp.at_us)
    tree.begin_version(version, b"")
    return inode


def way(state: State, person: Person, stamp: Stamp, path: Path) -> Place:
    """The place of a path, after making each directory that is missing on the way to it."""
    view = state.tree.view
    up = path.rpartition(b"/")[0]
    if (person, up) in view.walks:
        return place(view, person, path)
    here, chain, walked = ROOT, [ROOT], b""
    for name in rules.split(Path(up)):
        walked += b"/" + name
        require(person, view.version(here), WALK, path)
        dentry = view.lookup(here, name)
        if dentry is None:
            missing = Place(Path(walked), tuple(chain), name, None)
            here = make(state, person, stamp, missing, DIRECTORY_MODE)
        elif dentry.kind != DIRECTORY:
            raise NotADirectory("a file is on the way", path=text(path))
        else:
            here = dentry.inode
        chain.append(here)
    require(person, view.version(here), WALK, path)
    view.walks[person, up] = tuple(chain)
    return place(view, person, path)
