"""Commits: their numbers and times.

What belongs here: the tables `commits` and `change`. Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import CommitNumber
from cairnfs.metadata.databases.seam import Tx

_COLUMNS = "number BIGINT, at_us BIGINT, user_id BIGINT, operations BIGINT, message TEXT"


def insert(tx: Tx, rows: Sequence[tuple[int, int, int, int, str]]) -> None:
    """Record commits: (number, at_us, user, operations, message) each."""
    tx.run_given(
        "INSERT INTO commits (number, at_us, user_id, operations, message)"
        " SELECT g.number, g.at_us, g.user_id, g.operations, g.message FROM {given} AS g",
        _COLUMNS,
        rows,
    )


def insert_changes(tx: Tx, rows: Sequence[tuple[int, bytes]]) -> None:
    """Record what commits changed: (number, entries) each."""
    tx.run_given(
        "INSERT INTO change (commit_number, entries) SELECT g.number, g.entries FROM {given} AS g",
        "number BIGINT, entries BYTES",
        rows,
    )


def newest_at(tx: Tx, at_us: int) -> int | None:
    """The newest commit whose time is at or before this one; None before the first."""
    row = tx.row("SELECT number FROM commits WHERE at_us <= ? ORDER BY at_us DESC LIMIT 1", at_us)
    return None if row is None else int(row[0])


def newest_until(tx: Tx, number: int) -> tuple[CommitNumber, int]:
    """(number, at_us) of the newest commit with this number or a lower one; (0, 0) before the first."""
    row = tx.row("SELECT number, at_us FROM commits WHERE number <= ? ORDER BY number DESC LIMIT 1", number)
    return (CommitNumber(0), 0) if row is None else (row[0], row[1])


def times(tx: Tx, numbers: Sequence[int]) -> dict[int, int]:
    """The times of these commits, in microseconds, by number. 0 was before all."""
    rows = tx.rows_given(
        "SELECT c.number, c.at_us FROM {given} AS g CROSS JOIN commits AS c WHERE c.number = g.number",
        "number BIGINT",
        [(number,) for number in numbers],
    )
    return dict(rows)
