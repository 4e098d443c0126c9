"""What exists whatever it is called.

What belongs here: the table `inode`. Links are changed by differences: nobody has to read them
first. Any thread, inside a tx; one that changes them holds the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cairnfs.ids import CommitNumber, InodeId
from cairnfs.metadata.databases.seam import Tx


def insert(tx: Tx, rows: Sequence[tuple[InodeId, str, int, CommitNumber, int]]) -> None:
    """Insert (id, kind, links, changed, changed_us) each."""
    tx.run_given(
        "INSERT INTO inode (id, kind, links, changed, changed_us)"
        " SELECT g.id, g.kind, g.links, g.changed, g.changed_us FROM {given} AS g",
        "id BIGINT, kind TEXT, links BIGINT, changed BIGINT, changed_us BIGINT",
        rows,
    )


def update(tx: Tx, rows: Sequence[tuple[InodeId, int, CommitNumber, int]]) -> None:
    """(id, links to add, changed, changed_us) each; `changed` 0 leaves both times as they are."""
    changed = tx.run_given(
        "UPDATE inode SET links = inode.links + g.links,"
        " changed = CASE WHEN g.changed > 0 THEN g.changed ELSE inode.changed END,"
        " changed_us = CASE WHEN g.changed > 0 THEN g.changed_us ELSE inode.changed_us END"
        " FROM {given} AS g WHERE inode.id = g.id",
        "id BIGINT, links BIGINT, changed BIGINT, changed_us BIGINT",
        rows,
    )
    assert changed == len(rows), f"{len(rows) - changed} inodes were not there"


def links(tx: Tx, inodes: Collection[InodeId]) -> dict[InodeId, int]:
    """How many names lead to these inodes now."""
    rows = tx.rows_given(
        "SELECT i.id, i.links FROM {given} AS g CROSS JOIN inode AS i WHERE i.id = g.id",
        "id BIGINT",
        [(inode,) for inode in inodes],
    )
    return dict(rows)
