"""States of inodes: writing them, and their manifests.

What belongs here: the table `version` alone. What does not: finding versions by name (`rows/nodes`).
Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import NEVER, CommitNumber, InodeId
from cairnfs.metadata.databases.seam import Row, Tx
from cairnfs.metadata.rows.nodes import Version

_COLUMNS = (
    "inode BIGINT, born BIGINT, died BIGINT, mode BIGINT, owner BIGINT, owner_group BIGINT,"
    " size BIGINT, mtime_us BIGINT, mtime_sub_ns BIGINT, mtime_set BIGINT, manifest BYTES, target BYTES,"
    " xattrs BYTES, policy TEXT"
)
_NAMES = [column.split()[0] for column in _COLUMNS.split(",")]
_INSERT = (
    f"INSERT INTO version ({', '.join(_NAMES)}) SELECT {', '.join(f'g.{name}' for name in _NAMES)}"
    " FROM {given} AS g"
)


def insert(tx: Tx, rows: Sequence[Row]) -> None:
    """Insert rows as `row` makes them."""
    tx.run_given(_INSERT, _COLUMNS, rows)


def row(version: Version, died: CommitNumber, manifest: bytes) -> Row:
    """A version as the table has it."""
    v = version
    return (
        v.inode, v.born, died, v.mode, v.owner, v.owner_group, v.size, v.mtime_us, v.mtime_sub_ns,
        v.mtime_set, manifest, v.target, v.xattrs, v.policy,
    )  # fmt: skip


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
