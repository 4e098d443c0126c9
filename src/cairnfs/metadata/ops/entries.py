"""entries: what a version looks like to people: names of owners, text of the name, ETag, times, links.

What belongs here: making `wire.directory.Entry`. A directory's time is that of the last commit that
changed an entry of it, unless it was set by hand since; as of an earlier commit that change is found by
looking at all names that the directory had until then, unless nothing changed since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from cairnfs.ids import ROOT, CommitNumber, InodeId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.rows import commits, names, nodes, orphans
from cairnfs.metadata.rows import inodes as inode_rows
from cairnfs.metadata.rows.nodes import Dentry, Told, Version
from cairnfs.metadata.view import DIRECTORY, SYMLINK
from cairnfs.wire import names as texts
from cairnfs.wire.directory import Entry

Kind = Literal["file", "directory", "symlink"]


class Found(NamedTuple):
    """What a name leads to. `name` is empty for the root."""

    name: bytes
    kind: str
    version: Version
    told: Told
    traced: int = 1


class LastChange(NamedTuple):
    """The last change of a directory's entries."""

    commit: CommitNumber
    at_us: int


def build(sight: Sight, many: Sequence[Found], root: InodeId = ROOT) -> list[Entry]:
    """Entries in the same order. `root`: names from which a way leads up to it are counted."""
    changes: dict[InodeId, LastChange] = {}
    at = sight.view.at
    if at is not None:
        later = [one for one in many if one.kind == DIRECTORY and one.told.changed > at]
        changes = changes_then(sight.view.tx, [one.version.inode for one in later], at)
    owners = {one.version.owner for one in many} | {one.version.owner_group for one in many}
    called = sight.people.names(owners)
    linked = [one.version.inode for one in many if one.traced and one.kind != DIRECTORY]
    links = count_links(sight.view.tx, linked, at, root) if linked else {}
    return [_entry(sight, one, changes, called, links) for one in many]


def count_links(
    tx: Tx, inodes: Sequence[InodeId], at: CommitNumber | None, root: InodeId = ROOT
) -> Counter[InodeId]:
    """How many names, from which a way leads up to the root, these traced inodes have."""
    inodes = list(dict.fromkeys(inodes))
    if at is None and not orphans.oldest(tx, 1):
        return Counter(inode_rows.links(tx, inodes))  # nothing that is alive is without a way up
    found = names.visible(tx, inodes, at)
    reached = reachable(tx, {one.parent for one in found}, at, root)
    return Counter(one.inode for one in found if one.parent in reached)


def reachable(
    tx: Tx, directories: Iterable[InodeId], at: CommitNumber | None, root: InodeId = ROOT
) -> set[InodeId]:
    """Those of these directories from which the way up ends at the root, one statement a level."""
    ways = {one: one for one in directories}  # where each has come so far
    above: dict[InodeId, Dentry] = {}
    while missing := {here for here in ways.values() if here != root and here not in above}:
        above.update({one.inode: one for one in names.visible(tx, list(missing), at)})
        ways = {one: _up(here, above) for one, here in ways.items() if here == root or here in above}
    return {one for one, here in ways.items() if here == root}


def _up(here: InodeId, above: Mapping[InodeId, Dentry]) -> InodeId:
    for _ in range(len(above)):  # a circle, which never is, would have no end
        if here not in above:
            break
        here = above[here].parent
    return here


def changes_then(tx: Tx, directories: list[InodeId], at: CommitNumber) -> dict[InodeId, LastChange]:
    """The last changes of these directories' entries not after `at`; at commit 0, of one without any."""
    directories = list(dict.fromkeys(directories))
    changed = nodes.changes_before(tx, directories, at)
    at_us = commits.times(tx, sorted(set(changed.values())))
    never = LastChange(CommitNumber(0), 0)
    return dict.fromkeys(directories, never) | {
        inode: LastChange(number, at_us[number]) for inode, number in changed.items() if number in at_us
    }


def _entry(
    sight: Sight,
    one: Found,
    changes: Mapping[InodeId, LastChange],
    called: Mapping[int, str],
    links: Mapping[InodeId, int],
) -> Entry:
    version = one.version
    name, base64 = texts.to_text(one.name)
    mtime_us, mtime_sub_ns = version.mtime_us, version.mtime_sub_ns
    if one.kind == DIRECTORY:
        change = changes.get(version.inode) or LastChange(one.told.changed, one.told.changed_us)
        if change.commit > version.mtime_set:
            mtime_us, mtime_sub_ns = change.at_us, 0
    target, target_b64 = texts.to_text(version.target) if one.kind == SYMLINK else (None, None)
    return Entry(
        name=name,
        name_b64=base64,
        kind=cast("Kind", one.kind),
        inode=version.inode,
        etag=f"{sight.clock.incarnation}.{version.inode}.{version.born}",
        commit=version.born,
        size=version.size,
        mode=version.mode,
        owner=called[version.owner],
        group=called[version.owner_group],
        mtime_us=mtime_us,
        mtime_sub_ns=mtime_sub_ns,
        links=links.get(version.inode, 1),
        target=target,
        target_b64=target_b64,
        # Not the set's own name: of that, whoever may not be told of the attributes could try guesses.
        xattrs=f"{version.inode}.{version.born}" if version.xattrs else None,
        policy=version.policy or None,
    )
