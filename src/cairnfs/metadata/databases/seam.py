"""The seam between Cairn's rules and a database: about ten methods, two implementations.

What belongs here: the contract. `sqlite.py` and `postgres.py` implement it;
`cairnfs.testing.contracts.databases` is the suite that both pass. SQL is written once, in `rows/`,
in the common ground of the two: `?` for parameters, `{given}` for a table of given rows.

Threads: `Database` may be used from any thread, at most `readers` reads and one write at a time per
process; a `Tx` belongs to the call that it was passed to and must not outlive it. Nobody calls
begin, commit or rollback: a function is passed in.

More marks in SQL: `{lock}` at a SELECT's end locks its rows until the tx ends. No literal question
mark. Truth (EXISTS, comparisons) comes out as 0 or 1, sums as integers. A statement that failed ends
its tx: a function that goes on after it finds nothing committed and an AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from cairnfs.errors import Busy, OutcomeUnknown

R = TypeVar("R")
Value = int | str | bytes | None
Row = tuple[Any, ...]


class Again(Busy):
    """The tx did not happen, for a reason that may pass: a timeout, a serialization failure, a lost
    connection before COMMIT was sent, a full disk that was emptied."""


class CommitUnknown(OutcomeUnknown):
    """The connection was lost while COMMIT was under way: it may or may not have happened."""


class Tx(Protocol):
    """One open database tx. Integers, texts and bytes go in and come out as exactly those types."""

    @property
    def memo(self) -> dict[str, Any]:
        """What this process keeps in memory of this database from one tx to the next.

        Values are immutable and say of which counter's state they are; any thread may replace one.
        """
        ...

    def rows(self, sql: str, *args: Value) -> list[Row]:
        """All rows of a SELECT (or of INSERT/UPDATE/DELETE ... RETURNING)."""
        ...

    def row(self, sql: str, *args: Value) -> Row | None:
        """The only row, or None. More than one is a defect (AssertionError)."""
        ...

    def run(self, sql: str, *args: Value) -> int:
        """Run a change; give the number of rows changed."""
        ...

    def rows_given(
        self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value
    ) -> list[Row]:
        """As `rows`, with `{given}` in the SQL standing for a table of the given rows.

        `columns` names and types them: "parent BIGINT, name BYTES". `{given}` stands in a FROM
        clause, followed by its alias: `FROM {given} AS g CROSS JOIN dentry AS d WHERE ...` (CROSS
        JOIN fixes the order in SQLite: given rows first, then an index). Parameters (`args`) may
        stand before or after `{given}` in the text. Any number of given rows; none gives no rows
        and runs nothing. Large sets may be run in several statements: so no aggregate, ORDER BY or
        LIMIT over all of them, and no given row twice where that matters.
        """
        ...

    def run_given(self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value) -> int:
        """As `run`, with `{given}`: INSERT INTO ... SELECT ... FROM {given} AS g; UPDATE ... FROM."""
        ...

    def now_us(self) -> int:
        """The database's time now, in microseconds: PostgreSQL's clock, or this process's for SQLite."""
        ...


class Database(Protocol):
    """One database. Opening makes the schema if there is none and refuses a foreign or newer one."""

    @property
    def kind(self) -> str:
        """ "sqlite" or "postgresql"."""
        ...

    def read(self, function: Callable[[Tx], R]) -> R:
        """Call `function` in a read-only tx that sees one state of the database; give its result.

        Raises Again after bounded retries. `function` may be called again: it changes nothing else.
        """
        ...

    def write(self, function: Callable[[Tx], R]) -> R:
        """Call `function` once in a tx and commit it; give its result after COMMIT returned, durably.

        READ COMMITTED in PostgreSQL, BEGIN IMMEDIATE in SQLite. An exception of `function` rolls
        back and passes through. Raises Again (nothing happened) or CommitUnknown.
        """
        ...

    def close(self) -> None:
        """End all connections. Reads and writes after it raise Again."""
        ...
