"""copy: a file with the content of another, now or at a point in history; nothing is sent.

What belongs here: the verb for one file or symlink. What does not: whole trees (`ops/detached`). The copy
names the same leaves, so that its chunks are as durable as they are.
"""

from __future__ import annotations

from msgspec.structs import replace

from cairnfs.core.permissions import READ, Person
from cairnfs.errors import Exists, IsADirectory
from cairnfs.metadata.ops import expect, moment, results
from cairnfs.metadata.ops.making import Content, make, way
from cairnfs.metadata.ops.remove import check_may_take_away
from cairnfs.metadata.ops.resolve import Place, place, require, text, there
from cairnfs.metadata.ops.setattr import settle
from cairnfs.metadata.ops.steps import CopyStep, Settings, Time
from cairnfs.metadata.ops.write import give
from cairnfs.metadata.rows import versions
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY, FILE, SYMLINK
from cairnfs.wire.commits import OperationResult


def copy(state: State, person: Person, stamp: Stamp, step: CopyStep) -> OperationResult:
    """Raises NotFound, IsADirectory, Exists, Forbidden, NoSuchCommit, BeforeHorizon, and what
    expectations raise."""
    kind, version, manifest = _source(state, person, step)
    # Whoever wants nothing to be there means the name itself, as O_EXCL does.
    follow = step.follow and step.replace and step.expected != expect.NOTHING
    at = way(state, person, stamp, step.target, parents=step.parents, follow=follow)
    if at.is_root or (at.dentry is not None and at.dentry.kind == DIRECTORY):
        raise IsADirectory("a directory has that name", path=text(step.target))
    expect.hold(step.expected, state.tree.view, at, stamp)
    if at.dentry is not None and not step.replace:
        raise Exists("something already has that name", path=text(step.target))
    made = _put(state, person, stamp, at, kind, version, manifest)
    if step.preserve:
        settle(state, person, stamp, kind, made, _settings(state, version), path=step.target)
    return results.of(state, made.inode, stamp)


def _source(state: State, person: Person, step: CopyStep) -> tuple[str, Version, bytes]:
    """What is copied: its kind, version and manifest."""
    view = state.tree.view
    if step.at is not None:
        # What this batch has changed is not written yet: the tables are as the last commit left them.
        view = moment.look(state.tx, step.at).view
    source = place(view, person, step.path, follow=step.follow)
    if source.is_root or there(source).kind == DIRECTORY:
        raise IsADirectory("a directory is copied with all in it, or not", path=text(step.path))
    dentry = there(source)
    version = view.version(dentry.inode)
    if dentry.kind == SYMLINK:
        return SYMLINK, version, b""
    require(person, version, READ, step.path)
    if view is state.tree.view:
        return FILE, version, state.content.manifest(state.tree, version.inode)
    key = (version.inode, version.born)
    return FILE, version, versions.manifests(state.tx, [key])[version.inode]


def _put(
    state: State, person: Person, stamp: Stamp, at: Place, kind: str, version: Version, manifest: bytes
) -> Version:
    present = at.dentry
    if present is not None and present.kind == kind == FILE:
        now = Time(stamp.at_us, 0)
        return give(state, person, stamp, present, version.size, manifest, now, path=at)
    if present is not None:
        check_may_take_away(state.tree.view, person, at, present)
        state.tree.remove(present, stamp)
    content = Content(version.mode & 0o777, version.size, manifest, version.target)
    return make(state, person, stamp, replace(at, dentry=None), kind, content)[1]


def _settings(state: State, version: Version) -> Settings:
    names = state.people.names((version.owner, version.owner_group))
    return Settings(
        mode=version.mode,
        owner=names[version.owner],
        group=names[version.owner_group],
        mtime=Time(version.mtime_us, version.mtime_sub_ns),
        xattrs=state.xattrs.get(version.xattrs),
        lenient=True,
    )
