"""Pieces of manifests.

What belongs here: the table `leaf`. What does not: how a leaf is encoded (`core.manifest`). Any
thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cairnfs.core.manifest import Leaf
from cairnfs.ids import Hash
from cairnfs.metadata.databases.seam import Tx


def present(tx: Tx, hashes: Iterable[Hash]) -> set[Hash]:
    """Those of these leaves that exist."""
    rows = tx.rows_given(
        "SELECT l.hash FROM {given} AS g CROSS JOIN leaf AS l WHERE l.hash = g.hash",
        "hash BYTES",
        [(one,) for one in hashes],
    )
    return {row[0] for row in rows}


def insert(tx: Tx, rows: Sequence[tuple[Hash, int, int, bytes]]) -> None:
    """Insert (hash, size, refs, entries) each."""
    tx.run_given(
        "INSERT INTO leaf (hash, size, refs, entries)"
        " SELECT g.hash, g.size, g.refs, g.entries FROM {given} AS g",
        "hash BYTES, size BIGINT, refs BIGINT, entries BYTES",
        rows,
    )


def refer(tx: Tx, rows: Sequence[tuple[Hash, int]]) -> None:
    """Add to refs: (hash, how many) each."""
    changed = tx.run_given(
        "UPDATE leaf SET refs = leaf.refs + g.refs FROM {given} AS g WHERE leaf.hash = g.hash",
        "hash BYTES, refs BIGINT",
        rows,
    )
    assert changed == len(rows), f"{len(rows) - changed} leaves were not there"


def sizes(tx: Tx, hashes: Iterable[Hash]) -> dict[Hash, int]:
    """How many bytes of file each of these leaves covers."""
    rows = tx.rows_given(
        "SELECT l.hash, l.size FROM {given} AS g CROSS JOIN leaf AS l WHERE l.hash = g.hash",
        "hash BYTES",
        [(one,) for one in dict.fromkeys(hashes)],
    )
    return dict(rows)


def load(tx: Tx, hashes: Iterable[Hash]) -> dict[Hash, Leaf]:
    """These leaves, by hash; one that does not exist is left out."""
    rows = tx.rows_given(
        "SELECT l.hash, l.size, l.entries FROM {given} AS g CROSS JOIN leaf AS l WHERE l.hash = g.hash",
        "hash BYTES",
        [(one,) for one in dict.fromkeys(hashes)],
    )
    return {row[0]: Leaf(*row) for row in rows}
