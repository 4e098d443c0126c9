"""One session with PostgreSQL: connecting, its settings and limits, what the server must promise.

What belongs here: everything said to a new connection before its first tx, and the connection's
class. What does not: transactions and errors (`postgres.py`).

The limits are there for the others: a process that freezes with the clock row locked is thrown out
by the server within about two seconds, and a server that does not answer is given up by the process.

Threads: a session belongs to one thread at a time.
"""

from __future__ import annotations

import select
from contextlib import ExitStack, suppress
from typing import cast

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGconn
from psycopg.types.bool import BoolBinaryLoader
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrBinaryDumper
from psycopg.waiting import Ready, Wait

from cairnfs.errors import BadRequest
from cairnfs.metadata.databases import arrays
from cairnfs.metadata.databases.seam import R, Row, Tx

#: Per role: settings of the session, in milliseconds.
_LIMITS = {
    "writer": {
        "idle_in_transaction_session_timeout": 2_000,
        "lock_timeout": 2_000,
        "statement_timeout": 10_000,
    },
    # Readers hold no lock that anybody waits for; a check of the whole database takes its time.
    "reader": {
        "idle_in_transaction_session_timeout": 60_000,
        "lock_timeout": 2_000,
        "statement_timeout": 300_000,
    },
}
#: One plan for each statement, and never a scan of a table that may grow while the plan is kept:
#: measured, such a plan costs 100 ms where the index takes 0.3. See `dialect.postgres_given`.
_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
#: How long a process waits for any one answer: longer than the server's own limit for it.
_ANSWER_S = {"writer": 15.0, "reader": 310.0}
_CONNECT_S = 5
#: A peer that vanished without a word is noticed within about three seconds.
_LINK: dict[str, int] = {
    "connect_timeout": _CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 3_000,
}
_STATEMENTS = 1_024


def _sending_all(gen: PQGen[R], server: PGconn) -> PQGen[R]:
    """The same, but nobody waits for answers alone while part of what was asked is still to be sent.

    psycopg's pipeline does: what is larger than the socket's buffer then waits for ever, on both ends.
    """
    ready: Ready | int = Ready.NONE
    try:
        wanted = next(gen)
        while True:
            if wanted == Wait.R and server.flush() == 1:
                ready = yield Wait.RW
                if ready == Ready.W:
                    continue
                ready = Ready.R if ready else ready
            else:
                ready = yield wanted
            wanted = gen.send(ready)
    except StopIteration as end:
        return cast(R, end.value)


class Session(psycopg.Connection[Row]):
    """A connection that begins and ends transactions by word, and waits for no answer for ever.

    It stays in libpq's pipeline mode: `say` and a cursor's `execute` only send, `settle` waits for all
    answers. Leaving the mode, or fetching before `settle`, would make psycopg send one message more,
    after which the server no longer takes the session for idle in its tx, and never throws it out.
    """

    answer_s: float = float(_CONNECT_S)
    _warning: str | None = None
    _held: ExitStack | None = None
    _pipe: psycopg.Pipeline | None = None

    def hold(self) -> None:
        """Enter pipeline mode, for good."""
        self._held = ExitStack()
        self._pipe = self._held.enter_context(self.pipeline())

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """As psycopg's, with a limit; after it the connection is of no more use and closed."""
        sending = _sending_all(gen, self.pgconn)
        try:
            return super().wait(sending, interval, self.answer_s if timeout is None else timeout)
        except psycopg.errors.PipelineAborted:
            raise
        except psycopg.OperationalError as error:
            if timeout is None and error.sqlstate is None:
                super().close()  # the caller holds psycopg's lock: the rest is for `close`
            raise

    def say(self, words: bytes) -> None:
        """Send a statement without parameters and without a result (BEGIN, COMMIT, SET)."""
        self.cursor().execute(words, prepare=False)

    def settle(self) -> None:
        """Wait for the answers to all that was sent. Raises the first thing that went wrong."""
        assert self._pipe is not None
        self._pipe.sync()

    def close(self) -> None:
        """Hang up, whatever is under way."""
        super().close()
        if self._held is not None:
            held, self._held = self._held, None
            with suppress(psycopg.Error):
                held.close()

    def lost(self) -> bool:
        """True once the connection has ended, from either side."""
        return self.closed

    def gone(self) -> bool:
        """True if the server has hung up; a look, no round trip. False is no promise."""
        if self.closed:
            return True
        looking = select.poll()
        looking.register(self.fileno(), select.POLLIN)
        # Between transactions the server has nothing to say but farewell.
        return bool(looking.poll(0))

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Remember a warning of the server."""
        if notice.severity_nonlocalized == "WARNING":
            self._warning = f"{notice.message_primary}; {notice.message_detail or ''}".strip("; ")

    def take_warning(self) -> str | None:
        """What the server warned of since this was last asked."""
        said, self._warning = self._warning, None
        return said


def connect(dsn: str, role: str, *, unsafe: bool) -> Session:
    """A session for "writer" or "reader". Raises psycopg.OperationalError, or BadRequest."""
    given = conninfo_to_dict(dsn)
    link = {name: value for name, value in _LINK.items() if name not in given}
    session = Session.connect(make_conninfo(dsn, **link), autocommit=True, cursor_factory=psycopg.RawCursor)
    try:
        _adapt(session)
        session.hold()
        for name, setting in {**_LIMITS[role], **_PLANS}.items():
            session.say(f"SET {name} = {setting}".encode())
        _check_promises(session, unsafe)
    except BaseException:
        session.close()
        raise
    session.answer_s = _ANSWER_S[role]
    session.prepare_threshold = 0
    session.prepared_max = _STATEMENTS
    session.add_notice_handler(session.note)
    return session


def timeline(tx: Tx) -> int:
    """The server's timeline: grows when a standby was promoted or a backup restored."""
    # The control file learns of a new one only at the next checkpoint; the log's name at once.
    found = tx.row("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
    assert found is not None
    return int(found[0], 16)


def tables(tx: Tx) -> frozenset[str]:
    """Names of the tables in the schema that the session works in."""
    return frozenset(
        name
        for (name,) in tx.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
    )


def _check_promises(session: Session, unsafe: bool) -> None:
    names = ("transaction_read_only", "in_hot_standby", "fsync", "server_encoding", "synchronous_commit")
    asked = [session.execute(f"SHOW {name}".encode(), prepare=False) for name in names]
    session.settle()
    shown = {name: str(row[0]) for name, cursor in zip(names, asked, strict=True) for row in cursor}
    if shown["transaction_read_only"] == "on" or shown["in_hot_standby"] == "on":
        raise psycopg.OperationalError("the server is a standby or read-only")
    if shown["fsync"] != "on" and not unsafe:
        raise BadRequest(
            "this PostgreSQL runs with fsync=off and would lose acknowledged commits",
            hint="set fsync=on in postgresql.conf and restart it",
        )
    if shown["server_encoding"] != "UTF8":
        raise BadRequest("the database's encoding is not UTF8", hint="CREATE DATABASE ... ENCODING 'UTF8'")
    if shown["synchronous_commit"] == "off":
        session.say(b"SET synchronous_commit = on")
        session.settle()


class _WholeLoader(NumericBinaryLoader):
    """Sums of bigint come as numeric; all our numbers are whole."""

    def load(self, data: Buffer) -> int:  # type: ignore[override]
        return int(super().load(data))


class _TruthLoader(BoolBinaryLoader):
    """Truth is 0 or 1, as in SQLite."""

    def load(self, data: Buffer) -> bool:
        return int(super().load(data))  # type: ignore[return-value]


def _adapt(session: Session) -> None:
    adapters = session.adapters
    # One type for each Python type: a statement is prepared once, not once for each size of number.
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(str, StrBinaryDumper)
    adapters.register_loader("numeric", _WholeLoader)
    adapters.register_loader("bool", _TruthLoader)
    arrays.register(session)
