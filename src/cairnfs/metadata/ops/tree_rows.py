"""tree_rows: what is put into a detached tree, as rows ready to be written.

What belongs here: the rows of a page and writing them, a statement a table, so that the clock is held no
longer than that takes. What does not: what they say (`copy_tree`, `tree_page`), whether they may be written
(`detached`, `extend_tree`), leaves and chunks. Inside a tx that holds the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cairnfs.ids import NEVER, CommitNumber, Hash, InodeId, Name
from cairnfs.metadata.databases.seam import Row, Tx
from cairnfs.metadata.rows import dentries, inodes, names, versions, xattrs
from cairnfs.metadata.rows.nodes import Dentry, Version

NameRow = tuple[InodeId, Name, CommitNumber, CommitNumber, InodeId, str, int]


class Rows(NamedTuple):
    """A page. `more_links`: (inode, how many) of what was there before, and `traced` its names by key.

    `xattrs`: (name of the set, how many versions name it, its entries or nothing where it is there).
    """

    inodes: Sequence[tuple[InodeId, str, int, CommitNumber, int]]
    names: Sequence[NameRow]
    versions: Sequence[Row]
    xattrs: Sequence[tuple[Hash, int, bytes]]
    more_links: Sequence[tuple[InodeId, int]] = ()
    traced: Sequence[tuple[InodeId, Name, CommitNumber]] = ()


def write(tx: Tx, rows: Rows) -> None:
    """Write a page. None of it may be there."""
    inodes.insert(tx, rows.inodes)
    inodes.update(tx, [(inode, more, CommitNumber(0), 0) for inode, more in rows.more_links])
    dentries.insert(tx, rows.names)
    names.trace(tx, rows.traced)
    versions.insert(tx, rows.versions)
    xattrs.refer(tx, [one for one in rows.xattrs if one[2]])
    xattrs.refer_more(tx, [one[:2] for one in rows.xattrs if not one[2]])


def name_row(dentry: Dentry) -> NameRow:
    """A living name as the table has it."""
    return dentry.parent, dentry.name, dentry.born, NEVER, dentry.inode, dentry.kind, dentry.traced


def xattr_rows(made: Iterable[Version], entries: Mapping[Hash, bytes]) -> list[tuple[Hash, int, bytes]]:
    """How often versions name each set of extended attributes."""
    counts = Counter(Hash(one.xattrs) for one in made if one.xattrs)
    return [(name, count, entries.get(name, b"")) for name, count in counts.items()]
