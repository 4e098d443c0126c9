"""Making something new below a directory: its inode, its name, its first version.

What belongs here: what all verbs that make things share: the right to, owner, inherited user group, the
ways to a path. What does not: the verbs.
"""

from __future__ import annotations

import msgspec

from cairnfs.core.permissions import (
    DIRECTORY_MODE,
    SET_GROUP,
    WALK,
    WRITE,
    Person,
    heirs_group,
    mode_after_chmod,
)
from cairnfs.ids import InodeId, Name, Path
from cairnfs.metadata.ops.resolve import Place, place, require
from cairnfs.metadata.ops.steps import Time
from cairnfs.metadata.rows.nodes import Dentry, Version
from cairnfs.metadata.state import Stamp, State
from cairnfs.metadata.view import DIRECTORY


class Content(msgspec.Struct, frozen=True):
    """What a new inode holds, by its kind."""

    mode: int
    size: int = 0
    manifest: bytes = b""
    target: bytes = b""
    mtime: Time | None = None


def make(
    state: State, person: Person, stamp: Stamp, at: Place, kind: str, content: Content
) -> tuple[Dentry, Version]:
    """Make something where nothing is. Raises Forbidden."""
    tree = state.tree
    directory = tree.view.version(at.parent)
    require(person, directory, WRITE | WALK, at.path)
    inode = state.next_inode()
    version = first_version(person, stamp, directory, inode, kind, content)
    tree.make_inode(inode, kind, stamp)
    dentry = tree.add(at.parent, at.name, inode, kind, stamp)
    tree.begin_version(version, content.manifest)
    return dentry, version


def first_version(
    person: Person, stamp: Stamp, directory: Version, inode: InodeId, kind: str, content: Content
) -> Version:
    """What `person` makes in a directory: theirs, in its user group where it hands that on."""
    owner_group = heirs_group(person, directory.owner_group, directory.mode)
    mode = mode_after_chmod(person, owner_group, content.mode, directory=kind == DIRECTORY)
    if kind == DIRECTORY and directory.mode & SET_GROUP:
        mode |= SET_GROUP
    us, sub_ns = content.mtime or Time(stamp.at_us, 0)
    return Version(
        inode=inode,
        born=stamp.number,
        mode=mode,
        owner=person.user_id,
        owner_group=owner_group,
        size=content.size,
        mtime_us=us,
        mtime_sub_ns=sub_ns,
        mtime_set=stamp.number,
        target=content.target,
    )


def way(
    state: State, person: Person, stamp: Stamp, path: Path, *, parents: bool, follow: bool = False
) -> Place:
    """The place of a path; with `parents`, after making each directory that is missing on the way to it."""
    if not parents:
        return place(state.tree.view, person, path, follow=follow)

    def make_missing(chain: tuple[InodeId, ...], name: Name) -> InodeId:
        missing = Place(path, chain, name, None)
        return make(state, person, stamp, missing, DIRECTORY, Content(DIRECTORY_MODE))[1].inode

    return place(state.tree.view, person, path, follow=follow, make=make_missing)
