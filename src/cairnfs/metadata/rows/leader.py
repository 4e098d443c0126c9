"""The one row that says which process does the duties.

What belongs here: the table `leader`, changed only where it still is what was seen. Any thread,
inside a tx.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.metadata.databases.seam import Tx


class Leader(NamedTuple):
    """The row. `holder` is empty while nobody leads."""

    term: int
    holder: str
    counter: int


def read(tx: Tx) -> Leader | None:
    """The row."""
    row = tx.row("SELECT term, holder, counter FROM leader WHERE id = 1")
    return None if row is None else Leader(*row)


def lock(tx: Tx) -> Leader | None:
    """The row, kept as it is until the tx ends."""
    row = tx.row("SELECT term, holder, counter FROM leader WHERE id = 1 {lock}")
    return None if row is None else Leader(*row)


def raise_counter(tx: Tx, holder: str, term: int) -> bool:
    """The holder is alive; False where it does not lead in that term."""
    changed = tx.run(
        "UPDATE leader SET counter = counter + 1 WHERE id = 1 AND holder = ? AND term = ?", holder, term
    )
    return changed == 1


def change(tx: Tx, holder: str, seen: Leader) -> bool:
    """The next term is `holder`'s; False where the row is no longer what was seen."""
    changed = tx.run(
        "UPDATE leader SET term = term + 1, holder = ?, counter = 0"
        " WHERE id = 1 AND term = ? AND holder = ? AND counter = ?",
        holder,
        *seen,
    )
    return changed == 1
