"""link: another name for a file or symlink that is there.

What belongs here: the verb. Both names lead to one inode; neither is the first. From then on its names are
traced, so that the last one to go takes the file with it.
"""

from __future__ import annotations

from cairnfs.core.permissions import WALK, WRITE, Person, may_link
from cairnfs.errors import Exists, Forbidden, IsADirectory, LinkToDirectory, TooManyLinks
from cairnfs.metadata.ops import results
from cairnfs.metadata.ops.remove import check_may_take_away
from cairnfs.metadata.ops.resolve import Place, place, require, text, there
from cairnfs.metadata.ops.steps import LinkStep
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, FILE
from cairnfs.wire.commits import OperationResult

LINKS_MAX = 65_000


def link(state: State, person: Person, stamp: Stamp, step: LinkStep) -> OperationResult:
    """Raises NotFound, LinkToDirectory, Exists, TooManyLinks, Forbidden."""
    tree = state.tree
    source = place(tree.view, person, step.path, follow=step.follow)
    if source.is_root or there(source).kind == DIRECTORY:
        raise LinkToDirectory("a directory has one name only", path=text(step.path))
    dentry = there(source)
    version = tree.view.version(dentry.inode)
    if not may_link(person, version.owner, version.owner_group, version.mode, file=dentry.kind == FILE):
        raise Forbidden("only its owner links what others may not read and write", path=text(step.path))
    target = place(tree.view, person, step.target)
    if target.is_root:
        raise Exists("something already has that name", path="/")
    require(person, tree.view.version(target.parent), WRITE | WALK, step.target)
    if target.dentry is not None:
        if target.dentry.inode == dentry.inode and step.replace:
            return results.of(state, dentry.inode, stamp)
        _give_way(state, person, stamp, step, target, target.dentry)
    if tree.count_names(dentry) >= LINKS_MAX:
        raise TooManyLinks(f"a file has at most {LINKS_MAX} names", path=text(step.path))
    tree.trace(dentry)
    tree.add(target.parent, target.name, dentry.inode, dentry.kind, stamp, traced=True)
    return results.of(state, dentry.inode, stamp)


def _give_way(
    state: State, person: Person, stamp: Stamp, step: LinkStep, target: Place, present: Dentry
) -> None:
    if not step.replace:
        raise Exists("something already has that name", path=text(step.target))
    if present.kind == DIRECTORY:
        raise IsADirectory("a directory has that name", path=text(step.target))
    check_may_take_away(state.tree.view, person, target, present)
    state.tree.remove(present, stamp)
