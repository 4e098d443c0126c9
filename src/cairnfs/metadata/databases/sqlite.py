"""SQLite: one file, one process, one writer; or a database in memory for tests.

What belongs here: how to connect, begin, commit, and which errors mean what. What does not: the
schema's making (`opening.py`), SQL (`rows/`), repeating (`batch.py`).

WAL with synchronous=FULL: COMMIT returns after fsync. A second process is kept out by a lock on a
file beside the database. Where the disk failed under a COMMIT nobody can know what a restart will
find, so the database refuses everything from then on.

Threads: any. One write at a time, `readers` reads beside it, each on its own connection. In memory
there is one connection, and all wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from cairnfs.clock import Clock
from cairnfs.errors import Busy, Forbidden, Internal, NoSpace
from cairnfs.metadata.databases import dialect
from cairnfs.metadata.databases.opening import Origin, make_or_check
from cairnfs.metadata.databases.seam import Again, CommitUnknown, R, Row, Tx, Value

MEMORY = ":memory:"
#: How long a reader or writer waits for its turn, and SQLite for a lock of somebody's shell.
WAIT_S = 10.0
BUSY_MS = 5_000
_STATEMENTS = 1_024
_MEMORY_KIB = {"writer": 16_384, "reader": 4_096}
_AGAIN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}


class SqliteTx:
    """A `Tx` on one connection. After an error of SQLite it takes no further statement."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock, memo: dict[str, Any]) -> None:
        self.memo = memo
        self._connection = connection
        self._clock = clock
        self.failed = False

    def rows(self, sql: str, *args: Value) -> list[Row]:
        """See `Tx.rows`."""
        return self._execute(dialect.sqlite(sql), args).fetchall()

    def row(self, sql: str, *args: Value) -> Row | None:
        """See `Tx.row`."""
        found = self.rows(sql, *args)
        assert len(found) <= 1, f"{len(found)} rows: {sql}"
        return found[0] if found else None

    def run(self, sql: str, *args: Value) -> int:
        """See `Tx.run`."""
        return max(self._execute(dialect.sqlite(sql), args).rowcount, 0)

    def rows_given(
        self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value
    ) -> list[Row]:
        """See `Tx.rows_given`."""
        if not given:
            return []
        pieces = self._pieces(sql, columns, given, args)
        return list(chain.from_iterable(cursor.fetchall() for cursor in pieces))

    def run_given(self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value) -> int:
        """See `Tx.run_given`."""
        if not given:
            return 0
        return sum(cursor.rowcount for cursor in self._pieces(sql, columns, given, args))

    def now_us(self) -> int:
        """This process's time."""
        return self._clock.now_us()

    def _pieces(
        self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], args: tuple[Value, ...]
    ) -> Iterator[sqlite3.Cursor]:
        at, left = 0, len(given)
        while left:
            size = min(dialect.PIECE_MAX, 1 << (left.bit_length() - 1))
            flat = chain.from_iterable(given[at : at + size])
            yield self._execute(dialect.sqlite_given(sql, columns, size), (*args, *flat))
            at, left = at + size, left - size

    def _execute(self, text: str, args: tuple[Value, ...]) -> sqlite3.Cursor:
        # A full disk rolls back by itself; a statement after it would commit on its own.
        assert not self.failed, "a statement after one that failed"
        try:
            return self._connection.execute(text, args)
        except sqlite3.Error:
            self.failed = True
            raise


class SqliteDatabase:
    """A `Database` in one SQLite file, or in memory."""

    kind = "sqlite"

    def __init__(
        self,
        path: str | Path,
        clock: Clock,
        *,
        readers: int = 5,
        check: bool = False,
        origin: Origin | None = None,
    ) -> None:
        """Open `path`, or make it. `path` ":memory:" lives until `close`.

        `check` looks the whole file over for damage first (Internal). `origin` says what a new
        cluster begins with. Raises Busy when another process has the file open, ForeignCluster for
        a file of something else, BadRequest for one of a newer Cairn, Forbidden where the system does
        not let it be opened or made.
        """
        self._clock = clock
        self._memory = str(path) == MEMORY
        self._path = str(path)
        self._memo: dict[str, Any] = {}
        self._broken: str | None = None
        self._closed = False
        self._writing = threading.Lock()
        self._turns = threading.BoundedSemaphore(readers)
        self._guard = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._exclusion = None if self._memory else _exclude_others(Path(path))
        try:
            if not self._memory:
                _make_private(Path(path))
            self._writer = self._connect("writer")
            if check:
                _quick_check(self._writer)
            self.write(lambda tx: make_or_check(tx, self.kind, _tables(tx), origin or Origin()))
            if not self._memory:
                _sync_directory(Path(path).absolute().parent)
        except BaseException as error:
            self.close()
            _say_what_it_means(error)
            raise

    def read(self, function: Callable[[Tx], R]) -> R:
        """See `Database.read`."""
        if self._memory:
            with self._writer_turn() as connection:
                return self._read(connection, function)
        with self._reader() as connection:
            return self._read(connection, function)

    def write(self, function: Callable[[Tx], R]) -> R:
        """See `Database.write`."""
        with self._writer_turn() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                _say_what_it_means(error)
                raise
            tx = SqliteTx(connection, self._clock, self._memo)
            try:
                result = function(tx)
                assert not tx.failed, "the function went on after a statement that failed"
            except BaseException as error:
                _roll_back(connection)
                _say_what_it_means(error)
                raise
            self._commit(connection)
            return result

    def close(self) -> None:
        """See `Database.close`."""
        with self._guard:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
        with self._writing:
            if hasattr(self, "_writer"):
                self._writer.close()
        if self._exclusion is not None:
            os.close(self._exclusion)
            self._exclusion = None

    def _read(self, connection: sqlite3.Connection, function: Callable[[Tx], R]) -> R:
        try:
            connection.execute("BEGIN")
            if self._memory:
                connection.execute("PRAGMA query_only = ON")
            return function(SqliteTx(connection, self._clock, self._memo))
        except sqlite3.Error as error:
            _say_what_it_means(error)
            raise
        finally:
            _roll_back(connection)
            if self._memory:
                connection.execute("PRAGMA query_only = OFF")

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            if _code(error) in _AGAIN or _code(error) == sqlite3.SQLITE_FULL:
                _say_what_it_means(error)
            # The failed fsync may have left the commit in the log, for the next start to find.
            self._broken = f"the disk of the database failed: {error}; restart the control plane"
            raise CommitUnknown(self._broken) from error

    @contextmanager
    def _writer_turn(self) -> Iterator[sqlite3.Connection]:
        if not self._writing.acquire(timeout=WAIT_S):
            raise Again("the database is busy")
        try:
            self._check_usable()
            yield self._writer
        finally:
            self._writing.release()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        if not self._turns.acquire(timeout=WAIT_S):
            raise Again("too many readers of the database")
        try:
            self._check_usable()
            with self._guard:
                connection = self._idle.pop() if self._idle else None
            connection = connection or self._connect("reader")
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._turns.release()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    def _check_usable(self) -> None:
        if self._closed:
            raise Again("the database is closed")
        if self._broken is not None:
            raise Again(self._broken)

    def _connect(self, role: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # where fsync alone stops at the disk's cache
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{_MEMORY_KIB[role]}")
        if role == "reader":
            connection.execute("PRAGMA query_only = ON")
        return connection


def _code(error: sqlite3.Error) -> int:
    """The primary result code: the extended ones hold it in their low byte."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _say_what_it_means(error: BaseException) -> None:
    """Raise the error of Cairn that `error` stands for, if it is one of SQLite that has a meaning."""
    if isinstance(error, sqlite3.Error):
        if _code(error) in _AGAIN:
            raise Again(f"the database is busy: {error}") from error
        if _code(error) == sqlite3.SQLITE_FULL:
            hint = "free space on the disk that holds the database"
            raise NoSpace("the disk of the database is full", hint=hint) from error
        if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise Internal(f"the database is damaged: {error}") from error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _tables(tx: Tx) -> frozenset[str]:
    return frozenset(name for (name,) in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'"))


def _quick_check(connection: sqlite3.Connection) -> None:
    findings: list[tuple[Any, ...]] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if findings != [("ok",)]:
        raise Internal(f"the database is damaged: {findings[0][0]}")


def _exclude_others(path: Path) -> int:
    """Hold the lock file beside the database; the system frees it with the process, however it ends."""
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Forbidden(f"the database {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise Busy(
            f"the database {path} is in use by process {holder}",
            hint="one control plane per SQLite database; for more, use PostgreSQL",
        ) from None
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _make_private(path: Path) -> None:
    """Make the file, if there is none, for its owner alone: it holds the cluster's keys. SQLite gives its
    journals the same mode. Only under the lock: closing a file frees all that this process has locked in it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Forbidden(f"the database {path} cannot be opened: {error.strerror}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
