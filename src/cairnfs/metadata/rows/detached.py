"""Trees in the making, to which no name leads yet.

What belongs here: the table `detached`. What does not: what is below them (`rows/dentries` and others).
Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import NEVER, InodeId
from cairnfs.metadata.databases.seam import Tx


def insert(tx: Tx, inode: InodeId, at_us: int) -> None:
    """Begin one below this directory."""
    tx.run("INSERT INTO detached (inode, at_us) VALUES (?, ?)", inode, at_us)


def is_there(tx: Tx, inode: InodeId) -> bool:
    """Whether the tree below this directory is still in the making, and nobody gave it up."""
    return tx.row("SELECT inode FROM detached WHERE inode = ? AND at_us > 0", inode) is not None


def worked_at(tx: Tx, inode: InodeId) -> int | None:
    """When somebody last worked at it; None if it is not there, or was given up."""
    row = tx.row("SELECT at_us FROM detached WHERE inode = ? AND at_us > 0", inode)
    return None if row is None else int(row[0])


def lock(tx: Tx, inode: InodeId) -> int | None:
    """As `worked_at`; nobody else changes that until the tx ends."""
    row = tx.row("SELECT at_us FROM detached WHERE inode = ? AND at_us > 0 {lock}", inode)
    return None if row is None else int(row[0])


def touch(tx: Tx, inode: InodeId, at_us: int) -> bool:
    """Somebody works at it, at this time; 0: nobody will any more. Whether it was there."""
    return tx.run("UPDATE detached SET at_us = ? WHERE inode = ? AND at_us > 0", at_us, inode) > 0


def delete(tx: Tx, inodes: Sequence[InodeId]) -> None:
    """They are trees in the making no more."""
    tx.run_given(
        "DELETE FROM detached WHERE inode IN (SELECT g.inode FROM {given} AS g)",
        "inode BIGINT",
        [(inode,) for inode in inodes],
    )


def older(tx: Tx, before_us: int, in_any_case_us: int, limit: int) -> list[InodeId]:
    """The first `limit` at which nobody has worked since `before_us`, and whose owner has no live session,
    or at which nobody has since `in_any_case_us`."""
    rows = tx.rows(
        "SELECT t.inode FROM detached AS t WHERE t.at_us < ? AND (t.at_us < ? OR NOT EXISTS"
        " (SELECT 1 FROM version AS v CROSS JOIN session AS s"
        f" WHERE v.inode = t.inode AND v.died = {NEVER} AND s.user_id = v.owner))"
        " ORDER BY t.inode LIMIT ?",
        before_us,
        in_any_case_us,
        limit,
    )
    return [row[0] for row in rows]
