"""Names in directories: writing them, and what is below a directory.

What belongs here: the table `dentry` alone. What does not: what names lead to (`rows/nodes`). Any
thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import NEVER, CommitNumber, InodeId, Name, UserId
from cairnfs.metadata.databases.seam import Tx

_KEY = "parent BIGINT, name BYTES, born BIGINT"


def insert(
    tx: Tx, rows: Sequence[tuple[InodeId, Name, CommitNumber, CommitNumber, InodeId, str, int]]
) -> None:
    """Insert (parent, name, born, died, inode, kind, traced) each."""
    tx.run_given(
        "INSERT INTO dentry (parent, name, born, died, inode, kind, traced)"
        " SELECT g.parent, g.name, g.born, g.died, g.inode, g.kind, g.traced FROM {given} AS g",
        f"{_KEY}, died BIGINT, inode BIGINT, kind TEXT, traced BIGINT",
        rows,
    )


def end(tx: Tx, rows: Sequence[tuple[InodeId, Name, CommitNumber, CommitNumber]]) -> None:
    """Let live rows (parent, name, born, died) die at `died`."""
    changed = tx.run_given(
        f"UPDATE dentry SET died = g.died FROM {{given}} AS g WHERE dentry.parent = g.parent"
        f" AND dentry.name = g.name AND dentry.born = g.born AND dentry.died = {NEVER}",
        f"{_KEY}, died BIGINT",
        rows,
    )
    assert changed == len(rows), f"{len(rows) - changed} names were not alive"


def some_names(tx: Tx, directories: Sequence[InodeId]) -> dict[InodeId, bytes]:
    """One live name of each of these directories; an empty one is left out."""
    rows = tx.rows_given(
        "SELECT g.parent, (SELECT d.name FROM dentry AS d WHERE d.parent = g.parent"
        f" AND d.died = {NEVER} ORDER BY d.name LIMIT 1) FROM {{given}} AS g",
        "parent BIGINT",
        [(inode,) for inode in directories],
    )
    return {inode: name for inode, name in rows if name is not None}


def first_name(tx: Tx, directory: InodeId, after: bytes) -> bytes | None:
    """The first live name of a directory above `after`."""
    row = tx.row(
        f"SELECT d.name FROM dentry AS d WHERE d.parent = ? AND d.name > ? AND d.died = {NEVER}"
        " ORDER BY d.name LIMIT 1",
        directory,
        after,
    )
    return None if row is None else row[0]


def closed_below(tx: Tx, directory: InodeId, user: UserId) -> bool:
    """Whether a live directory in this subtree, itself included, holds names that `user` may not end.

    That is one that the user may not write and walk, or a sticky one of others with others' entries.
    Looks at the whole subtree.
    """
    row = tx.row(
        "WITH RECURSIVE below (inode) AS (SELECT CAST(? AS BIGINT) UNION ALL"
        " SELECT d.inode FROM below AS b CROSS JOIN dentry AS d"
        f" WHERE d.parent = b.inode AND d.died = {NEVER} AND d.kind = 'directory')"
        " SELECT v.inode FROM below AS b CROSS JOIN version AS v"
        f" WHERE v.inode = b.inode AND v.died = {NEVER}"
        " AND EXISTS (SELECT 1 FROM dentry AS d CROSS JOIN version AS e WHERE d.parent = v.inode"
        f" AND d.died = {NEVER} AND e.inode = d.inode AND e.died = {NEVER}"
        f" AND (v.mode & (CASE WHEN v.owner = ? THEN {0o300} WHEN v.owner_group = ? THEN {0o030}"
        f" ELSE {0o003} END) <> (CASE WHEN v.owner = ? THEN {0o300} WHEN v.owner_group = ? THEN {0o030}"
        f" ELSE {0o003} END) OR v.mode & {0o1000} <> 0 AND v.owner <> ? AND e.owner <> ?))"
        " LIMIT 1",
        directory,
        *[user] * 6,
    )
    return row is not None
