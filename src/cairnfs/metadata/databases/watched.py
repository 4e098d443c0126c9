"""A tx that remembers whether anything was changed through it.

What belongs here: the wrapper. It tells the driver that a refusal came after a change, which an
operation must not do: such a tx is rolled back. One thread, as any tx.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cairnfs.metadata.databases.seam import Row, Tx, Value


def _reads(sql: str) -> bool:
    return sql.lstrip().startswith(("SELECT", "WITH"))


class Watched:
    """A `Tx` around another. `changes` counts the calls that changed at least one row."""

    __slots__ = ("_tx", "changes")

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.changes = 0

    @property
    def memo(self) -> dict[str, Any]:
        """See `Tx.memo`."""
        return self._tx.memo

    def rows(self, sql: str, *args: Value) -> list[Row]:
        """See `Tx.rows`. INSERT ... RETURNING counts."""
        found = self._tx.rows(sql, *args)
        self.changes += bool(found) and not _reads(sql)
        return found

    def row(self, sql: str, *args: Value) -> Row | None:
        """See `Tx.row`."""
        found = self._tx.row(sql, *args)
        self.changes += found is not None and not _reads(sql)
        return found

    def run(self, sql: str, *args: Value) -> int:
        """See `Tx.run`."""
        count = self._tx.run(sql, *args)
        self.changes += count > 0
        return count

    def rows_given(
        self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value
    ) -> list[Row]:
        """See `Tx.rows_given`."""
        found = self._tx.rows_given(sql, columns, given, *args)
        self.changes += bool(found) and not _reads(sql)
        return found

    def run_given(self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value) -> int:
        """See `Tx.run_given`."""
        count = self._tx.run_given(sql, columns, given, *args)
        self.changes += count > 0
        return count

    def now_us(self) -> int:
        """See `Tx.now_us`."""
        return self._tx.now_us()
