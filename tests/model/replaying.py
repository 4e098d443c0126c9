"""The log of changes, replayed onto a dictionary of names: it must give the tree at every commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cairnfs.metadata.state.changes import CHANGED, CREATED, MOVED, REMOVED, WRITTEN, Change

#: What is in directories, by inodes: (parent, name) -> inode.
Names = dict[tuple[int, bytes], int]


def replay(before: Names, changes: Collection[Change]) -> Names:
    """The names after a commit that made these changes. What is said of names must be so."""
    names = dict(before)
    gone: list[int] = []
    for one in changes:
        if one.what == MOVED:
            assert names.pop((one.from_parent, one.from_name), None) == one.inode, f"{one}: not there"
        elif one.what == REMOVED:
            assert names.pop((one.parent, one.name), None) == one.inode, f"{one}: not there"
            gone.append(one.inode)
    left = set(names.values())
    gone = [inode for inode in gone if inode not in left]
    while gone:
        inside = [key for key in names if key[0] in gone]
        gone = [names.pop(key) for key in inside]
    for one in changes:
        if one.what in (CREATED, MOVED):
            assert (one.parent, one.name) not in names, f"{one}: something is there"
            names[one.parent, one.name] = one.inode
    return names


def check_notes(
    changes: Collection[Change],
    after: Names,
    old: Mapping[int, str],
    new: Mapping[int, str],
    written: Collection[int],
) -> None:
    """What was there before and has another version (by inode: `old` and `new` ETags) is noted, and
    nothing else; `written` are those with other content."""
    noted = {one.inode: one for one in changes if one.what in (WRITTEN, CHANGED)}
    assert len(noted) == sum(one.what in (WRITTEN, CHANGED) for one in changes), "noted twice"
    changed = {inode for inode in old.keys() & new.keys() if old[inode] != new[inode]}
    assert noted.keys() == changed, f"noted {sorted(noted)}, changed {sorted(changed)}"
    for inode, one in noted.items():
        assert inode not in written or one.what == WRITTEN, f"{one}: its content is another"
        assert after.get((one.parent, one.name), inode) == inode, f"{one}: the name leads elsewhere"
