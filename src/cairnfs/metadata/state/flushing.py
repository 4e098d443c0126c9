"""Writing a working set: a few array statements, whatever its size.

What belongs here: the order of writing. Deaths come before births, since the database keeps one live
row of a name and of an inode at most. What does not: what is written (`tree`, `content`). Inside the
driver's tx, which holds the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cairnfs.ids import NEVER, CommitNumber, InodeId, UserId
from cairnfs.metadata.rows import (
    clock,
    commits,
    dentries,
    detached,
    inodes,
    names,
    orphans,
    replies,
    versions,
)
from cairnfs.metadata.state import changes
from cairnfs.metadata.state.tree import Tree

if TYPE_CHECKING:
    from cairnfs.metadata.state import State


class CommitRow(NamedTuple):
    """One commit to record."""

    number: CommitNumber
    at_us: int
    user_id: UserId
    operations: int
    message: str


def flush(state: State) -> None:
    """Write everything that changed since the last flush. Raises LengthMismatch."""
    tx, tree = state.tx, state.tree
    dentries.end(tx, [(*key, one.died) for key, one in tree.died_names.items()])
    versions.end(tx, [(*key, died) for key, died in tree.died_versions.items()])
    # In the order of the table, as leaves and chunks are: a directory's names lie together.
    dentries.insert(
        tx,
        [
            (*key, one.died, one.dentry.inode, one.dentry.kind, one.dentry.traced)
            for key, one in sorted(tree.born_names.items())
        ],
    )
    names.trace(tx, list(tree.retraced))
    born = tree.born_versions.values()
    versions.insert(tx, [versions.row(one.version, one.died, one.manifest) for one in born])
    state.content.write(one.manifest for one in born if one.manifest)
    state.xattrs.write(one.version.xattrs for one in born)
    _write_inodes(state, tree)
    orphans.insert(tx, list(tree.orphans.items()))
    detached.delete(tx, list(tree.attached))
    commits.insert(tx, list(state.commits.values()))
    commits.insert_changes(
        tx, [(number, changes.encode(made)) for number, made in changes.derive(tree).items() if made]
    )
    replies.insert(tx, list(state.new_replies.values()))
    before = {name: getattr(state.clock, name) for name in state.counters}
    if state.counters != before:
        clock.write(tx, state.counters)
    tree.written()
    state.commits.clear()
    state.new_replies.clear()
    state.journal.written()


def _write_inodes(state: State, tree: Tree) -> None:
    changed = _changed(tree)
    at_us = {number: row.at_us for number, row in state.commits.items()}
    new = []
    for inode, born in tree.born_inodes.items():
        when = changed.pop(inode, born.made)
        new.append((inode, born.kind, tree.links.get(inode, 0), when, at_us[when]))
    inodes.insert(state.tx, new)
    old = {inode: links for inode, links in tree.links.items() if inode not in tree.born_inodes and links}
    inodes.update(
        state.tx,
        [
            (inode, old.get(inode, 0), when, at_us.get(when, 0))
            for inode in old.keys() | changed.keys()
            for when in (changed.get(inode, CommitNumber(0)),)
        ],
    )


def _changed(tree: Tree) -> dict[InodeId, CommitNumber]:
    """The last commit that changed an entry, by directory: exactly what the rows written will say."""
    changed: dict[InodeId, CommitNumber] = {}
    for (parent, _, number), one in tree.born_names.items():
        last = number if one.died == NEVER else one.died
        changed[parent] = max(changed.get(parent, last), last)
    for (parent, _, _), one in tree.died_names.items():
        changed[parent] = max(changed.get(parent, one.died), one.died)
    return changed
