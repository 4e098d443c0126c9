"""PostgreSQL through psycopg: one writing connection, a few for reading, made anew when they break.

What belongs here: the database, its transactions, which errors mean what. What does not: sessions'
settings (`postgres_session.py`), the schema's making (`opening.py`), SQL (`rows/`), repeating
(`batch.py`).

Writes are READ COMMITTED and take the clock row first; a read is one REPEATABLE READ snapshot. A
connection that breaks under COMMIT leaves the outcome unknown; whoever then locks the clock row waits
until the server has decided. Each new connection looks at the server's timeline: after a failover a
new incarnation begins before anything is read or written.

Threads: any. One write at a time, `readers` reads beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from cairnfs.clock import Clock
from cairnfs.errors import NoSpace, Unreachable
from cairnfs.metadata.databases import dialect
from cairnfs.metadata.databases.arrays import pack
from cairnfs.metadata.databases.opening import Origin, follow_timeline, make_or_check
from cairnfs.metadata.databases.postgres_session import Session, connect, tables, timeline
from cairnfs.metadata.databases.seam import Again, CommitUnknown, R, Row, Tx, Value

#: How long a reader or writer waits for its turn.
WAIT_S = 10.0
#: How often a read is begun again after a lost connection or a conflict.
READ_TRIES = 3
#: SQLSTATEs after which the same tx may succeed: whole classes by two letters, else one by one.
_AGAIN = (
    "40",  # serialization failure, deadlock
    *("08000", "08001", "08003", "08006"),  # connection; 08P01 would be a defect
    "57",  # cancelled by a timeout, shutting down, starting up
    "53",  # out of connections or memory (53100, the disk, is told apart before)
    "55P03",  # lock_timeout
    "25P03",  # idle_in_transaction_session_timeout
    "25006",  # read-only: a standby that was the primary
)
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_DISK_FULL = "53100"
#: How many times errors of what was sent along are listened to.
_DRAINS = 3
_OPENING_KEY = 0x63616972  # of the advisory lock under which one process at a time makes the schema


class PostgresTx:
    """A `Tx` on one connection, with as few round trips as its words allow.

    What needs no answer of its own is sent along with the next statement: BEGIN, and plain inserts of
    given rows (how many they insert is known; an error of theirs comes with the next statement).
    Whoever takes the clock will ask for the time: that goes along too.
    """

    def __init__(self, session: Session, begin: bytes, memo: dict[str, Any]) -> None:
        self.memo = memo
        self._session = session
        self._begin = begin
        self._cursor = session.cursor(binary=True)
        self._now_us: int | None = None
        self._unsettled = False
        self.begun = False

    def rows(self, sql: str, *args: Value) -> list[Row]:
        """See `Tx.rows`."""
        if dialect.LOCK not in sql:
            return self._execute(dialect.postgres(sql), args).fetchall()
        self._send(self._cursor, dialect.postgres(sql), args)
        clock = self._session.cursor(binary=True)
        self._send(clock, _NOW, ())
        self.settle()
        self._now_us = _only(clock)
        return self._cursor.fetchall()

    def row(self, sql: str, *args: Value) -> Row | None:
        """See `Tx.row`."""
        found = self.rows(sql, *args)
        assert len(found) <= 1, f"{len(found)} rows: {sql}"
        return found[0] if found else None

    def run(self, sql: str, *args: Value) -> int:
        """See `Tx.run`."""
        return max(self._execute(dialect.postgres(sql), args).rowcount, 0)

    def rows_given(
        self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value
    ) -> list[Row]:
        """See `Tx.rows_given`."""
        if not given:
            return []
        return self._execute(dialect.postgres_given(sql, columns), _flat(columns, given, args)).fetchall()

    def run_given(self, sql: str, columns: str, given: Sequence[tuple[Value, ...]], *args: Value) -> int:
        """See `Tx.run_given`."""
        if not given:
            return 0
        text, flat = dialect.postgres_given(sql, columns), _flat(columns, given, args)
        if not dialect.inserts_each(sql):
            return self._execute(text, flat).rowcount
        self._send(self._session.cursor(), text, flat)
        return len(given)

    def now_us(self) -> int:
        """The server's time; the first after a lock is that of the lock."""
        known, self._now_us = self._now_us, None
        return _only(self._execute(_NOW, ())) if known is None else known

    def settle(self) -> None:
        """Wait for what was only sent so far. Raises what went wrong with it."""
        if self._unsettled:
            self._unsettled = False
            self._session.settle()

    def _execute(self, text: str, args: Sequence[object]) -> psycopg.Cursor[Row]:
        self._send(self._cursor, text, args)
        self.settle()
        return self._cursor

    def _send(self, cursor: psycopg.Cursor[Row], text: str, args: Sequence[object]) -> None:
        if not self.begun:
            self.begun = True
            self._session.say(self._begin)
        self._unsettled = True
        cursor.execute(text, args)


def _only(cursor: psycopg.Cursor[Row]) -> int:
    ((value,),) = cursor.fetchall()
    assert isinstance(value, int)
    return value


def _flat(columns: str, given: Sequence[tuple[Value, ...]], args: tuple[Value, ...]) -> list[object]:
    """The parameters of a statement with given rows: its own, an array a column, the number of rows."""
    arrays = map(pack, dialect.columns(columns).types, zip(*given, strict=True))
    return [*args, *arrays, len(given)]


class PostgresDatabase:
    """A `Database` in PostgreSQL, in the schema that the connection finds first."""

    kind = "postgresql"

    def __init__(
        self,
        dsn: str,
        clock: Clock,
        *,
        readers: int = 5,
        unsafe: bool = False,
        origin: Origin | None = None,
    ) -> None:
        """Open the database that `dsn` names, or make the schema in it.

        `unsafe` takes a server with fsync=off, which loses acknowledged commits with the power.
        Raises Unreachable, ForeignCluster, BadRequest (fsync off, not UTF8, a newer Cairn's).
        """
        self._dsn = dsn
        self._clock = clock
        self._memo: dict[str, Any] = {}
        self._unsafe = unsafe
        self._closed = False
        self._writing = threading.Lock()
        self._turns = threading.BoundedSemaphore(readers)
        self._guard = threading.Lock()
        self._idle: list[Session] = []
        self._writer: Session | None = None
        self._timeline = -1
        try:
            self.write(lambda tx: self._open(tx, origin or Origin()))
        except Again as error:
            self.close()
            raise Unreachable(f"PostgreSQL cannot be used: {error.detail}") from error
        except BaseException:
            self.close()
            raise

    def read(self, function: Callable[[Tx], R]) -> R:
        """See `Database.read`."""
        for left in reversed(range(READ_TRIES)):
            try:
                with self._reader() as session:
                    return _run(
                        session, b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", function, self._memo
                    )
            except Again:
                if not left or self._closed:
                    raise
        raise AssertionError("unreachable")

    def write(self, function: Callable[[Tx], R]) -> R:
        """See `Database.write`."""
        if not self._writing.acquire(timeout=WAIT_S):
            raise Again("the database is busy")
        try:
            session = self._writing_session()
            try:
                return _run(session, b"BEGIN ISOLATION LEVEL READ COMMITTED", function, self._memo)
            finally:
                if session.lost():
                    session.close()
                    self._writer = None
        finally:
            self._writing.release()

    def close(self) -> None:
        """See `Database.close`."""
        with self._guard:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _open(self, tx: Tx, origin: Origin) -> None:
        tx.rows("SELECT pg_advisory_xact_lock(?)", _OPENING_KEY)
        make_or_check(tx, self.kind, tables(tx), origin, timeline=self._timeline)

    def _writing_session(self) -> Session:
        """The writing connection, alive as far as a look at its socket can tell, or a new one."""
        if self._closed:
            raise Again("the database is closed")
        if self._writer is not None and not self._writer.gone():
            return self._writer
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._writer = self._connect("writer")
        return self._writer

    @contextmanager
    def _reader(self) -> Iterator[Session]:
        if not self._turns.acquire(timeout=WAIT_S):
            raise Again("too many readers of the database")
        try:
            with self._guard:
                if self._closed:
                    raise Again("the database is closed")
                session = self._idle.pop() if self._idle else None
            session = session or self._connect("reader")
            try:
                yield session
            finally:
                self._give_back(session)
        finally:
            self._turns.release()

    def _give_back(self, session: Session) -> None:
        with self._guard:
            if self._closed or session.lost():
                session.close()
            else:
                self._idle.append(session)

    def _connect(self, role: str) -> Session:
        """A new session; after a failover it is one of the new incarnation, for readers too."""
        try:
            session = connect(self._dsn, role, unsafe=self._unsafe)
        except psycopg.OperationalError as error:
            raise Again(f"no connection to the database: {str(error).strip()}") from error
        try:
            now = _run(session, b"BEGIN", timeline, self._memo)
            if self._timeline not in (-1, now):
                _run(session, b"BEGIN", lambda tx: follow_timeline(tx, now), self._memo)
            self._timeline = now
        except BaseException:
            session.close()
            raise
        return session


def _run(session: Session, begin: bytes, function: Callable[[Tx], R], memo: dict[str, Any]) -> R:
    """One tx on `session`: begin, call, commit. A session that is in doubt is closed."""
    tx = PostgresTx(session, begin, memo)
    try:
        result = function(tx)
        tx.settle()
        # A statement failed and the function went on: the server would answer COMMIT with ROLLBACK.
        status = session.info.transaction_status
        assert not tx.begun or status == TransactionStatus.INTRANS, "the tx has failed"
    except BaseException as error:
        _roll_back(session)
        _say_what_it_means(error)
        raise
    if tx.begun:
        _commit(session)
    return result


def _commit(session: Session) -> None:
    session.take_warning()
    try:
        session.say(b"COMMIT")
        session.settle()
    except BaseException as error:
        if session.lost() or not isinstance(error, psycopg.Error):
            session.close()
            raise CommitUnknown(f"the database went away during COMMIT: {str(error).strip()}") from error
        _say_what_it_means(error)
        raise
    warning = session.take_warning()
    if warning is not None:
        # "Committed locally, but might not have been replicated": the next COMMIT waits for both.
        session.close()
        raise CommitUnknown(warning)


def _roll_back(session: Session) -> None:
    """End the tx, whatever state it is in; a session that will not is closed."""
    for _ in range(_DRAINS):
        # What was sent along with the statement that failed fails after it, and has to be heard.
        with suppress(psycopg.Error):
            session.settle()
            break
    if session.lost() or session.info.transaction_status == TransactionStatus.IDLE:
        return
    try:
        session.say(b"ROLLBACK")
        session.settle()
    except psycopg.Error:
        session.close()


def _say_what_it_means(error: BaseException) -> None:
    """Raise the error of Cairn that `error` stands for, if it is one of PostgreSQL that has a meaning."""
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        if state == _DISK_FULL:
            hint = "free space on the disk that holds the database"
            raise NoSpace("the disk of the database is full", hint=hint) from error
        if state.startswith(_AGAIN) or (not state and isinstance(error, psycopg.OperationalError)):
            raise Again(f"the database asked to try again: {str(error).strip()}") from error
