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


def present(tx: Tx, names: Sequence[tuple[InodeId, Name]]) -> set[tuple[InodeId, Name]]:
    """Those of these (parent, name) that are alive."""
    rows = tx.rows_given(
        "SELECT d.parent, d.name FROM {given} AS g CROSS JOIN dentry AS d"
        f" WHERE d.parent = g.parent AND d.name = g.name AND d.died = {NEVER}",
        "parent BIGINT, name BYTES",
        names,
    )
    return {(row[0], row[1]) for row in rows}


def some_names(tx: Tx, directories: Sequence[InodeId]) -> dict[InodeId, bytes]:
    """One live name of each of these directories; an empty one is left out."""
    rows = tx.rows_given(
        "SELECT g.parent, (SELECT d.name FROM dentry AS d WHERE d.parent = g.parent"
        f" AND d.died = {NEVER} ORDER BY d.name LIMIT 1) FROM {{given}} AS g",
        "parent BIGINT",
        [(inode,) for inode in directories],
    )
    return {inode: name for inode, name in rows if name is not None}


def first_names(tx: Tx, directory: InodeId, limit: int) -> list[bytes]:
    """The first `limit` live names of a directory."""
    rows = tx.rows(
        f"SELECT d.name FROM dentry AS d WHERE d.parent = ? AND d.died = {NEVER} ORDER BY d.name LIMIT ?",
        directory,
        limit,
    )
    return [row[0] for row in rows]


_BELOW = (
    "below (inode) AS (SELECT CAST(? AS BIGINT) UNION ALL"
    " SELECT d.inode FROM below AS b CROSS JOIN dentry AS d"
    f" WHERE d.parent = b.inode AND d.died = {NEVER} AND d.kind = 'directory')"
)
#: Whose bits of a mode count: the owner's, a group's or the others'; all three to empty a directory.
_BITS = (
    f"(CASE WHEN v.owner = ? THEN {0o700}"
    f" WHEN EXISTS (SELECT 1 FROM mine AS m WHERE m.id = v.owner_group) THEN {0o070} ELSE {0o007} END)"
)


def closed_below(tx: Tx, directory: InodeId, user: UserId, user_groups: Sequence[int]) -> bool:
    """Whether a live directory in this subtree, itself included, holds names that `user` may not end.

    That is one that the user, or those in `user_groups`, may not read, write and walk, or a sticky one of
    others with others' entries. Looks at the whole subtree.
    """
    mine = " UNION ALL SELECT ?" * (len(user_groups) - 1)
    row = tx.row(
        f"WITH RECURSIVE mine (id) AS (SELECT CAST(? AS BIGINT){mine}), {_BELOW}"
        " SELECT v.inode FROM below AS b CROSS JOIN version AS v"
        f" WHERE v.inode = b.inode AND v.died = {NEVER}"
        " AND EXISTS (SELECT 1 FROM dentry AS d CROSS JOIN version AS e WHERE d.parent = v.inode"
        f" AND d.died = {NEVER} AND e.inode = d.inode AND e.died = {NEVER}"
        f" AND (v.mode & {_BITS} <> {_BITS} OR v.mode & {0o1000} <> 0 AND v.owner <> ? AND e.owner <> ?))"
        " LIMIT 1",
        *user_groups,
        directory,
        *[user] * 4,
    )
    return row is not None


def count_below(tx: Tx, directory: InodeId, most: int) -> int:
    """How many live names there are below a directory; it does not look for more than `most`."""
    row = tx.row(
        f"WITH RECURSIVE {_BELOW} SELECT count(*) FROM (SELECT 1 FROM below AS b CROSS JOIN dentry AS d"
        f" WHERE d.parent = b.inode AND d.died = {NEVER} LIMIT ?) AS n",
        directory,
        most,
    )
    assert row is not None
    return int(row[0])
