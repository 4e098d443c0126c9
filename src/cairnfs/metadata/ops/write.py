"""write: make a path a file with given chunks, or give the file there a new version.

What belongs here: the verb. What does not: whether the chunks are durable (`ops/durable`). A new
version keeps owner and mode; only its content and times are new, and the attributes that were given.
"""

from __future__ import annotations

from msgspec.structs import replace

from cairnfs.core.permissions import WRITE, Person, mode_after_change
from cairnfs.errors import IsADirectory
from cairnfs.metadata.ops import expect, results
from cairnfs.metadata.ops.durable import Durability
from cairnfs.metadata.ops.making import Content, make, way
from cairnfs.metadata.ops.remove import check_may_take_away
from cairnfs.metadata.ops.resolve import Place, require, text
from cairnfs.metadata.ops.setattr import settle
from cairnfs.metadata.ops.steps import Time, WriteStep
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, FILE, SYMLINK
from cairnfs.wire.commits import OperationResult


def write(
    state: State, person: Person, stamp: Stamp, step: WriteStep, durability: Durability
) -> OperationResult:
    """Raises IsADirectory, Forbidden, NotDurable, and what expectations raise."""
    view = state.tree.view
    # Whoever wants nothing to be there means the name itself, as O_EXCL does.
    follow = step.follow and step.expected != expect.NOTHING
    at = way(state, person, stamp, step.path, parents=step.parents, follow=follow)
    if at.is_root:
        raise IsADirectory("the root is a directory", path="/")
    expect.hold(step.expected, view, at, stamp)
    dentry = at.dentry
    if dentry is not None and dentry.kind == DIRECTORY:
        raise IsADirectory("a directory has that name", path=text(step.path))
    durability.check_step(state, person, step, at)
    state.content.offer(step.leaves)
    if dentry is not None and dentry.kind == SYMLINK:
        check_may_take_away(view, person, at, dentry)
        state.tree.remove(dentry, stamp)
        dentry = None
    version = (
        _create(state, person, stamp, step, at)
        if dentry is None
        else give(
            state,
            person,
            stamp,
            dentry,
            step.size,
            step.manifest,
            step.mtime or Time(stamp.at_us, 0),
            path=at,
        )
    )
    if step.attributes is not None:
        settle(state, person, stamp, FILE, version, step.attributes, path=step.path)
    return results.of(state, version.inode, stamp)


def _create(state: State, person: Person, stamp: Stamp, step: WriteStep, at: Place) -> Version:
    content = Content(step.mode, step.size, step.manifest, mtime=step.mtime)
    return make(state, person, stamp, at, FILE, content)[1]


def give(
    state: State,
    person: Person,
    stamp: Stamp,
    dentry: Dentry,
    size: int,
    manifest: bytes,
    mtime: Time,
    *,
    path: Place,
) -> Version:
    """Give a file that is there a version with other content. Raises Forbidden."""
    old = state.tree.view.version(dentry.inode)
    require(person, old, WRITE, path.path)
    version = replace(
        old,
        born=stamp.number,
        mode=mode_after_change(person, old.mode),
        size=size,
        mtime_us=mtime.us,
        mtime_sub_ns=mtime.sub_ns,
        mtime_set=stamp.number,
    )
    state.tree.change(FILE, version, manifest, stamp)
    state.tree.note(dentry, version, content=True)
    return version
