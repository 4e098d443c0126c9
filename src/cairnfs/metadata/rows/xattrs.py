"""Sets of extended attributes.

What belongs here: the table `xattr_set`. What does not: how a set is written down (`core/xattrs`). Any
thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import Hash
from cairnfs.metadata.databases.seam import Tx


def load(tx: Tx, hashes: Sequence[Hash]) -> dict[Hash, bytes]:
    """The entries of these sets, by hash; one that does not exist is left out."""
    rows = tx.rows_given(
        "SELECT x.hash, x.entries FROM {given} AS g CROSS JOIN xattr_set AS x WHERE x.hash = g.hash",
        "hash BYTES",
        [(one,) for one in hashes],
    )
    return dict(rows)


def refer(tx: Tx, rows: Sequence[tuple[Hash, int, bytes]]) -> None:
    """Insert (hash, refs, entries) each, or add refs to what is there."""
    tx.run_given(
        "INSERT INTO xattr_set (hash, refs, entries) SELECT g.hash, g.refs, g.entries FROM {given} AS g"
        " WHERE true ON CONFLICT (hash) DO UPDATE SET refs = xattr_set.refs + excluded.refs",
        "hash BYTES, refs BIGINT, entries BYTES",
        rows,
    )


def refer_more(tx: Tx, rows: Sequence[tuple[Hash, int]]) -> None:
    """Add refs to sets that are there: (hash, refs) each."""
    changed = tx.run_given(
        "UPDATE xattr_set SET refs = xattr_set.refs + g.refs FROM {given} AS g WHERE xattr_set.hash = g.hash",
        "hash BYTES, refs BIGINT",
        rows,
    )
    assert changed == len(rows), f"{len(rows) - changed} sets of attributes were not there"
