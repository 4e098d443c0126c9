"""entries: what a version looks like to people: owner's name, text of the name, ETag, times.

What belongs here: making `wire.directory.Entry`. A directory's time is that of the last commit that
changed an entry of it; as of an earlier commit it is found by looking at all names that the directory
had until then, unless nothing changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

from cairnfs.ids import CommitNumber, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.rows import commits, nodes
from cairnfs.metadata.rows.nodes import Told, Version
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire import names
from cairnfs.wire.directory import Entry

NOBODY = "-"  #: the owner's name where there is none: no user can have it


class Found(NamedTuple):
    """What a name leads to. `name` is empty for the root."""

    name: bytes
    kind: str
    version: Version
    told: Told


def build(sight: Sight, many: Sequence[Found]) -> list[Entry]:
    """Entries in the same order."""
    times: dict[InodeId, int] = {}
    at = sight.view.at
    if at is not None:
        later = [one for one in many if one.kind == DIRECTORY and one.told.changed > at]
        times = _times_then(sight.view.tx, [one.version.inode for one in later], at)
    return [_entry(sight, one, times) for one in many]


def _times_then(tx: Tx, directories: list[InodeId], at: CommitNumber) -> dict[InodeId, int]:
    directories = list(dict.fromkeys(directories))
    changed = nodes.changes_before(tx, directories, at)
    at_us = commits.times(tx, sorted(set(changed.values())))
    known = {inode: at_us[number] for inode, number in changed.items() if number in at_us}
    # One that never had an entry until then has the time of its making.
    made = [inode for inode in directories if inode not in known]
    return known | {inode: version.mtime_us for inode, version in nodes.versions(tx, made, at).items()}


def _entry(sight: Sight, one: Found, times: dict[InodeId, int]) -> Entry:
    version = one.version
    name, base64 = names.to_text(one.name)
    mtime_us = version.mtime_us
    if one.kind == DIRECTORY:
        mtime_us = times.get(version.inode, one.told.changed_us)
    return Entry(
        name=name,
        name_b64=base64,
        kind=cast(Literal["file", "directory"], one.kind),
        inode=version.inode,
        etag=f"{sight.clock.incarnation}.{version.inode}.{version.born}",
        commit=version.born,
        size=version.size,
        mode=version.mode,
        owner=one.told.owner or NOBODY,
        mtime_us=mtime_us,
    )
