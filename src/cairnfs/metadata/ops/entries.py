"""entries: what a version looks like to people: owner's name, text of the name, ETag, times.

What belongs here: making `wire.directory.Entry` of many versions with few statements. A directory's
time is that of the last commit that changed an entry of it; as of an earlier commit it is found by
looking at all names that the directory had until then, unless nothing changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, cast

from cairnfs.ids import CommitNumber, Incarnation, InodeId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import commits, nodes
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire import names
from cairnfs.wire.directory import Entry

NOBODY = "-"  #: the owner's name where there is none: no user can have it


class Found(NamedTuple):
    """What a name leads to. `name` is empty for the root."""

    name: bytes
    kind: str
    version: Version


def build(tx: Tx, incarnation: Incarnation, at: CommitNumber | None, many: Sequence[Found]) -> list[Entry]:
    """Entries in the same order. `at` None: as things are now."""
    owners = {one.version.owner for one in many}
    directories = {one.version.inode for one in many if one.kind == DIRECTORY}
    people, changes = nodes.attributes(tx, owners, directories)
    return assemble(tx, incarnation, at, many, people, changes)


def assemble(
    tx: Tx,
    incarnation: Incarnation,
    at: CommitNumber | None,
    many: Iterable[Found],
    people: dict[UserId, str],
    changes: dict[InodeId, tuple[CommitNumber, int]],
) -> list[Entry]:
    """As `build`, where names of users and (changed, changed_us) of directories are known."""
    times = {inode: changed_us for inode, (_, changed_us) in changes.items()}
    if at is not None:
        later = [inode for inode, (changed, _) in changes.items() if changed > at]
        times.update(_times_then(tx, later, at))
    return [
        _entry(one, incarnation, people.get(one.version.owner, NOBODY), times.get(one.version.inode))
        for one in many
    ]


def _times_then(tx: Tx, directories: list[InodeId], at: CommitNumber) -> dict[InodeId, int]:
    changed = nodes.changes_before(tx, directories, at)
    at_us = commits.times(tx, sorted(set(changed.values())))
    known = {inode: at_us[number] for inode, number in changed.items() if number in at_us}
    # One that never had an entry until then has the time of its making.
    made = [inode for inode in directories if inode not in known]
    return known | {inode: version.mtime_us for inode, version in nodes.versions(tx, made, at).items()}


def _entry(one: Found, incarnation: Incarnation, owner: str, changed_us: int | None) -> Entry:
    version = one.version
    name, base64 = names.to_text(one.name)
    return Entry(
        name=name,
        name_b64=base64,
        kind=cast(Literal["file", "directory"], one.kind),
        inode=version.inode,
        etag=f"{incarnation}.{version.inode}.{version.born}",
        commit=version.born,
        size=version.size,
        mode=version.mode,
        owner=owner,
        mtime_us=version.mtime_us if changed_us is None else changed_us,
    )
