"""States of inodes: writing them, and their manifests.

What belongs here: the table `version` alone. What does not: finding versions by name (`rows/nodes`).
Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import NEVER, CommitNumber, InodeId
from cairnfs.metadata.databases.seam import Row, Tx

_COLUMNS = (
    "inode BIGINT, born BIGINT, died BIGINT, mode BIGINT, owner BIGINT, owner_group BIGINT,"
    " size BIGINT, mtime_us BIGINT, manifest BYTES"
)


def insert(tx: Tx, rows: Sequence[Row]) -> None:
    """Insert (inode, born, died, mode, owner, owner_group, size, mtime_us, manifest) each."""
    tx.run_given(
        "INSERT INTO version (inode, born, died, mode, owner, owner_group, size, mtime_us, manifest)"
        " SELECT g.inode, g.born, g.died, g.mode, g.owner, g.owner_group, g.size, g.mtime_us, g.manifest"
        " FROM {given} AS g",
        _COLUMNS,
        rows,
    )


def end(tx: Tx, rows: Sequence[tuple[InodeId, CommitNumber, CommitNumber]]) -> None:
    """Let live rows (inode, born, died) die at `died`."""
    changed = tx.run_given(
        "UPDATE version SET died = g.died FROM {given} AS g"
        f" WHERE version.inode = g.inode AND version.born = g.born AND version.died = {NEVER}",
        "inode BIGINT, born BIGINT, died BIGINT",
        rows,
    )
    assert changed == len(rows), f"{len(rows) - changed} versions were not alive"


def manifests(tx: Tx, keys: Sequence[tuple[InodeId, CommitNumber]]) -> dict[InodeId, bytes]:
    """The manifests of versions, by inode; each key is (inode, born)."""
    rows = tx.rows_given(
        "SELECT v.inode, v.manifest FROM {given} AS g CROSS JOIN version AS v"
        " WHERE v.inode = g.inode AND v.born = g.born",
        "inode BIGINT, born BIGINT",
        keys,
    )
    return dict(rows)
