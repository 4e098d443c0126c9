"""From inodes back to their names: what is traced.

What belongs here: looking in `dentry` by inode, which only traced rows can answer: those of directories,
and of files that have or had several names. Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import NEVER, CommitNumber, InodeId, Name
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows.nodes import Dentry

_DENTRY = "d.parent, d.name, d.born, d.inode, d.kind, d.traced"


def visible(tx: Tx, inodes: Sequence[InodeId], at: CommitNumber | None) -> list[Dentry]:
    """The traced names of these inodes, alive or `at` a commit."""
    span = f"d.died = {NEVER}" if at is None else "d.died > ? AND d.born <= ?"
    rows = tx.rows_given(
        f"SELECT {_DENTRY} FROM {{given}} AS g CROSS JOIN dentry AS d"
        f" WHERE d.inode = g.id AND d.traced = 1 AND {span}",
        "id BIGINT",
        [(inode,) for inode in dict.fromkeys(inodes)],
        *([] if at is None else [at, at]),
    )
    return [Dentry(*row) for row in rows]


def some(tx: Tx, inode: InodeId, limit: int) -> list[Dentry]:
    """So many of the live traced names of an inode, whichever: all, if they are fewer."""
    rows = tx.rows(
        f"SELECT {_DENTRY} FROM dentry AS d WHERE d.inode = ? AND d.traced = 1 AND d.died = {NEVER} LIMIT ?",
        inode,
        limit,
    )
    return [Dentry(*row) for row in rows]


def since(tx: Tx, inodes: Sequence[InodeId], commit: CommitNumber) -> list[Dentry]:
    """The traced names of these inodes that are alive or ended after a commit."""
    rows = tx.rows_given(
        f"SELECT {_DENTRY} FROM {{given}} AS g CROSS JOIN dentry AS d"
        " WHERE d.inode = g.id AND d.traced = 1 AND d.died > ?",
        "id BIGINT",
        [(inode,) for inode in dict.fromkeys(inodes)],
        commit,
    )
    return [Dentry(*row) for row in rows]


def last_ends(tx: Tx, inodes: Sequence[InodeId]) -> dict[InodeId, CommitNumber]:
    """The last commit at which a traced name of these inodes ended; NEVER where one is alive."""
    rows = tx.rows_given(
        "SELECT g.id, (SELECT max(d.died) FROM dentry AS d WHERE d.inode = g.id AND d.traced = 1)"
        " FROM {given} AS g",
        "id BIGINT",
        [(inode,) for inode in inodes],
    )
    return {inode: died for inode, died in rows if died is not None}


def trace(tx: Tx, keys: Sequence[tuple[InodeId, Name, CommitNumber]]) -> None:
    """Let these names (parent, name, born) be found from their inodes."""
    changed = tx.run_given(
        "UPDATE dentry SET traced = 1 FROM {given} AS g WHERE dentry.parent = g.parent"
        " AND dentry.name = g.name AND dentry.born = g.born",
        "parent BIGINT, name BYTES, born BIGINT",
        keys,
    )
    assert changed == len(keys), f"{len(keys) - changed} names were not there"
