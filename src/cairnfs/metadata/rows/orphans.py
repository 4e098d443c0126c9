"""Directories taken out of the tree by a recursive removal, waiting for what is below them to end.

What belongs here: the table `orphan`, and the pages in which `ops/reap` ends rows below. Any thread,
inside a tx that holds the clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import NEVER, CommitNumber, InodeId
from cairnfs.metadata.databases.seam import Row, Tx


def insert(tx: Tx, rows: Sequence[tuple[InodeId, CommitNumber]]) -> None:
    """Queue (directory, the commit at which all below it ended) each."""
    tx.run_given(
        "INSERT INTO orphan (inode, died) SELECT g.inode, g.died FROM {given} AS g",
        "inode BIGINT, died BIGINT",
        rows,
    )


def oldest(tx: Tx, limit: int) -> list[InodeId]:
    """The first `limit` directories that wait."""
    return [row[0] for row in tx.rows("SELECT inode FROM orphan ORDER BY inode LIMIT ?", limit)]


def below(tx: Tx, directories: int, limit: int) -> list[Row]:
    """Any `limit` live names in the first `directories` that wait.

    (parent, name, born, inode, kind, the commit at which they ended) each. Unsorted, since sorting
    would look at every name of a large directory for each page of it.
    """
    # The names alone come first: an index has them, and not those that died.
    names = (
        "SELECT d.parent, d.name, d.born, o.died"
        " FROM (SELECT inode, died FROM orphan ORDER BY inode LIMIT ?) AS o CROSS JOIN dentry AS d"
        f" WHERE d.parent = o.inode AND d.died = {NEVER} LIMIT ?"
    )
    return tx.rows(
        "SELECT e.parent, e.name, e.born, e.inode, e.kind, l.died"
        f" FROM ({names}) AS l CROSS JOIN dentry AS e"
        " WHERE e.parent = l.parent AND e.name = l.name AND e.born = l.born",
        directories,
        limit,
    )


def live_versions(tx: Tx, inodes: Sequence[InodeId]) -> list[tuple[InodeId, CommitNumber]]:
    """(inode, born) of the live versions of those of these inodes that have no name left."""
    rows = tx.rows_given(
        "SELECT v.inode, v.born FROM {given} AS g CROSS JOIN version AS v CROSS JOIN inode AS i"
        f" WHERE v.inode = g.id AND v.died = {NEVER} AND i.id = g.id AND i.links = 0",
        "id BIGINT",
        [(inode,) for inode in inodes],
    )
    return [(row[0], row[1]) for row in rows]


def done(tx: Tx, directories: Sequence[InodeId]) -> int:
    """Let those of these directories that are empty now wait no longer; give how many."""
    return tx.run_given(
        "DELETE FROM orphan WHERE inode IN (SELECT g.inode FROM {given} AS g)"
        f" AND NOT EXISTS (SELECT 1 FROM dentry AS d WHERE d.parent = orphan.inode AND d.died = {NEVER})",
        "inode BIGINT",
        [(inode,) for inode in directories],
    )


def count(tx: Tx) -> int:
    """How many directories wait."""
    row = tx.row("SELECT count(*) FROM orphan")
    assert row is not None
    return int(row[0])
