"""What fileservers must hold.

What belongs here: the table `chunk`. What does not: who holds a chunk (its group says). Any thread,
inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.core.placement import group_bounds
from cairnfs.ids import GroupId, Hash
from cairnfs.metadata.databases.seam import Tx

_LAST = b"\xff" * 33  # above every hash


def refer(tx: Tx, rows: Sequence[tuple[Hash, int, int, int]]) -> int:
    """Insert (hash, size, refs, copies) each, or add refs to what is there and raise its copies.

    Gives how many were written: a chunk known with another size is not.
    """
    return tx.run_given(
        "INSERT INTO chunk (hash, size, refs, copies)"
        " SELECT g.hash, g.size, g.refs, g.copies FROM {given} AS g WHERE true"
        " ON CONFLICT (hash) DO UPDATE SET refs = chunk.refs + excluded.refs,"
        " copies = CASE WHEN excluded.copies > chunk.copies THEN excluded.copies ELSE chunk.copies END"
        " WHERE chunk.size = excluded.size",
        "hash BYTES, size BIGINT, refs BIGINT, copies BIGINT",
        rows,
    )


def groups_in_use(tx: Tx, groups: Sequence[GroupId]) -> set[GroupId]:
    """Those of these groups that have any chunk."""
    bounds = [(group, low, high or _LAST) for group, (low, high) in ((g, group_bounds(g)) for g in groups)]
    rows = tx.rows_given(
        "SELECT g.id FROM {given} AS g WHERE EXISTS"
        " (SELECT 1 FROM chunk AS c WHERE c.hash >= g.low AND c.hash < g.high)",
        "id BIGINT, low BYTES, high BYTES",
        bounds,
    )
    return {row[0] for row in rows}


def page(tx: Tx, low: bytes, high: bytes | None, limit: int) -> list[tuple[Hash, int, int]]:
    """The first `limit` chunks in use with low <= hash < high, in order: (hash, size, copies) each."""
    return tx.rows(
        "SELECT hash, size, copies FROM chunk WHERE hash >= ? AND hash < ? AND refs > 0"
        " ORDER BY hash LIMIT ?",
        low,
        high or _LAST,
        limit,
    )
