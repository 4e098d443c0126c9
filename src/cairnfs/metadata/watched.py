"""A tx that remembers whether anything was changed through it.

What belongs here: the wrapper. It tells the driver that a refusal came after a change, which an
operation must not do: such a tx is rolled back. One thread, as any tx.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.metadata.databases.seam import Row, Tx, Value


def _changes(sql: str) -> bool:
    return not sql.lstrip().startswith(("SELECT", "WITH"))


class Watched:
    """A `Tx` around another. `changes` counts the calls that change something."""

    __slots__ = ("_tx", "changes")

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.changes = 0

    def rows(self, sql: str, *args: Value) -> list[Row]:
        """See `Tx.rows`. Counted unless it is a SELECT: INSERT ... RETURNING."""
        self.changes += _changes(sql)
        return self._tx.rows(sql, *args)

    def row(self, sql: str, *args: Value) -> Row | None:
        """See `Tx.row`."""
        self.changes += _changes(sql)
        return self._tx.row(sql, *args)

    def run(self, sql: str, *args: Value) -> int:
        """See `Tx.run`."""
        self.changes += 1
        return self._tx.run(sql, *args)

    def rows_given(
        self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value
    ) -> list[Row]:
        """See `Tx.rows_given`."""
        self.changes += bool(given) and _changes(sql)
        return self._tx.rows_given(sql, columns, given, *args)

    def run_given(self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value) -> int:
        """See `Tx.run_given`."""
        self.changes += bool(given)
        return self._tx.run_given(sql, columns, given, *args)

    def now_us(self) -> int:
        """See `Tx.now_us`."""
        return self._tx.now_us()
