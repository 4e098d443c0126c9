"""A tx that counts: for tests of how many statements something takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cairnfs.metadata.databases.seam import Row, Tx, Value


class Counting:
    """A tx that keeps the statements that it runs."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.memo: dict[str, Any] = tx.memo
        self.statements: list[str] = []

    def rows(self, sql: str, *args: Value) -> list[Row]:
        self.statements.append(sql)
        return self._tx.rows(sql, *args)

    def row(self, sql: str, *args: Value) -> Row | None:
        self.statements.append(sql)
        return self._tx.row(sql, *args)

    def run(self, sql: str, *args: Value) -> int:
        self.statements.append(sql)
        return self._tx.run(sql, *args)

    def rows_given(
        self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value
    ) -> list[Row]:
        self.statements += [sql] if given else []
        return self._tx.rows_given(sql, columns, given, *args)

    def run_given(self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value) -> int:
        self.statements += [sql] if given else []
        return self._tx.run_given(sql, columns, given, *args)

    def now_us(self) -> int:
        return self._tx.now_us()
