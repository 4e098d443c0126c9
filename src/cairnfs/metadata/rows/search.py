"""Looking for names wherever they are, and where the chunks of many files lie.

What belongs here: the index of living names, and the few bytes of manifests that name a file's first chunk.
What does not: what names lead to (`rows/nodes`), and where they are (`ops/trace`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cairnfs.core.manifest import LEAF_ENTRIES
from cairnfs.ids import NEVER, CommitNumber, FileserverId, GroupId, InodeId, Name
from cairnfs.metadata.databases.seam import Tx

_ENTRY_BYTES = 36
_HASH_BYTES = 32


class Named(NamedTuple):
    """A name and the directory it is in: where one is in the order of the index."""

    name: Name
    parent: InodeId


class Range(NamedTuple):
    """The names n with low <= n < high; no high is none, and a high that is low is the one name."""

    low: bytes
    high: bytes | None

    @classmethod
    def beginning(cls, prefix: bytes) -> Range:
        """The names that begin with this."""
        cut = prefix.rstrip(b"\xff")
        return cls(prefix, cut[:-1] + bytes([cut[-1] + 1]) if cut else None)

    @classmethod
    def only(cls, name: bytes) -> Range:
        """One name."""
        return cls(name, name)

    def holds(self, name: bytes) -> bool:
        """Whether a name is one of them."""
        if self.low == self.high:
            return name == self.low
        return name >= self.low and (self.high is None or name < self.high)


def living(tx: Tx, names: Range, after: Named, limit: int) -> list[Named]:
    """The first `limit` living names of a range beyond `after`, by name, then by directory."""
    low, high = names
    if low == high:
        # The parent alone goes on; a pair would be compared from the first row of the name on.
        rows = tx.rows(
            f"SELECT d.name, d.parent FROM dentry AS d WHERE d.died = {NEVER} AND d.name = ? AND d.parent > ?"
            " ORDER BY d.name, d.parent LIMIT ?",
            low,
            after.parent if after.name == low else 0,
            limit,
        )
        return [Named(*row) for row in rows]
    name, parent = after if after.name >= low else Named(Name(low), InodeId(0))
    below, args = ("", []) if high is None else (" AND d.name < ?", [high])
    rows = tx.rows(
        f"SELECT d.name, d.parent FROM dentry AS d WHERE d.died = {NEVER}"
        f" AND (d.name, d.parent) > (?, ?){below} ORDER BY d.name, d.parent LIMIT ?",
        name,
        parent,
        *args,
        limit,
    )
    return [Named(*row) for row in rows]


def first_entries(
    tx: Tx, versions: Sequence[tuple[InodeId, CommitNumber]], *, all_of: bool = False
) -> dict[InodeId, bytes]:
    """The first entry of each of these versions' first leaf, encoded, or the whole leaf; by inode.

    Each key is (inode, born). What has no chunks is left out.
    """
    wanted = _ENTRY_BYTES * (LEAF_ENTRIES if all_of else 1)
    rows = tx.rows_given(
        f"SELECT v.inode, substr(l.entries, 1, {wanted})"
        " FROM {given} AS g CROSS JOIN version AS v CROSS JOIN leaf AS l"
        f" WHERE v.inode = g.inode AND v.born = g.born AND l.hash = substr(v.manifest, 1, {_HASH_BYTES})",
        "inode BIGINT, born BIGINT",
        versions,
    )
    return dict(rows)


def members(tx: Tx, groups: Sequence[GroupId]) -> dict[GroupId, tuple[FileserverId, ...]]:
    """The members of these groups, the primary first."""
    rows = tx.rows_given(
        "SELECT m.group_id, m.position, m.fileserver FROM {given} AS g CROSS JOIN group_member AS m"
        " WHERE m.group_id = g.id",
        "id BIGINT",
        [(group,) for group in groups],
    )
    found: dict[GroupId, list[FileserverId]] = {}
    for group, _, fileserver in sorted(rows):
        found.setdefault(group, []).append(fileserver)
    return {group: tuple(ids) for group, ids in found.items()}
