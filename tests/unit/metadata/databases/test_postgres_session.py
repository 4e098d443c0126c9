"""What a session promises: limits for whoever freezes, plans that stay, servers that are refused."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import cast

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import BadRequest, Unreachable
from cairnfs.ids import ROOT, CommitNumber, Name, RequestId, UserId
from cairnfs.metadata.databases import dialect, postgres_session
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Again, Row, Tx, Value
from cairnfs.metadata.rows import dentries, nodes, replies, versions
from cairnfs.testing.databases import postgres_database
from cairnfs.testing.postgres import TemporaryPostgres, temporary_postgres
from tests.unit.metadata.databases.backends import backend, fence, raise_fence


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        postgres_session._LIMITS,
        "writer",
        {
            "idle_in_transaction_session_timeout": 1_500,
            "lock_timeout": 100,
            "statement_timeout": 1_000,
        },
    )


def lock_the_clock(tx: Tx) -> None:
    tx.row("SELECT id FROM clock WHERE id = 1 {lock}")


def insert_and_raise(tx: Tx) -> None:
    columns, rows = "inode BIGINT, died BIGINT", [(1, 1), (2, 2)]
    tx.run_given("INSERT INTO orphan (inode, died) SELECT g.inode, g.died FROM {given} AS g", columns, rows)
    raise_fence(tx)


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("before", [lock_the_clock, insert_and_raise])
def test_a_process_that_froze_with_the_clock_does_not_stop_the_others(
    postgres_dsn: str, before: Callable[[Tx], None]
) -> None:
    thaw = threading.Event()

    def freeze(tx: Tx) -> None:
        before(tx)
        held.set()
        assert thaw.wait(20)
        raise_fence(tx)

    held = threading.Event()
    with (
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as frozen,
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as lively,
        ThreadPoolExecutor(1) as pool,
    ):
        stuck = pool.submit(frozen.write, freeze)
        assert held.wait(20)
        tries = again_until_done(lively, raise_fence)
        thaw.set()
        with pytest.raises(Again):
            stuck.result(20)
        assert tries > 1, "the lock was held for a while"
        assert lively.read(fence) == 1


def again_until_done(database: PostgresDatabase, function: Callable[[Tx], int]) -> int:
    for number in range(1, 50):
        try:
            database.write(function)
        except Again:
            continue
        return number
    raise AssertionError("it stayed locked")


@pytest.mark.usefixtures("short_limits")
def test_a_statement_has_a_limit(database: PostgresDatabase) -> None:
    with pytest.raises(Again, match="timeout"):
        database.write(lambda tx: tx.rows("SELECT pg_sleep(30)::text"))
    assert database.write(raise_fence) == 1


def test_a_server_that_does_not_answer_is_given_up(
    postgres_dsn: str, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_session._ANSWER_S, "writer", 0.5)
    with closing(PostgresDatabase(postgres_dsn, SystemClock())) as database:
        pid = database.write(backend)

        def stop_it(tx: Tx) -> int:
            stop_backend(admin, pid)
            return raise_fence(tx)

        try:
            with pytest.raises(Again):
                database.write(stop_it)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert again_until_done(database, raise_fence) >= 1
        assert database.read(fence) == 1


def stop_backend(admin: psycopg.Connection, pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def test_a_server_with_fsync_off_is_refused() -> None:
    with temporary_postgres("fsync=off", "shared_buffers=16MB") as server:
        with pytest.raises(BadRequest, match="fsync"):
            PostgresDatabase(server.dsn, SystemClock())
        with closing(PostgresDatabase(server.dsn, SystemClock(), unsafe=True)) as database:
            assert database.write(raise_fence) == 1


def test_commits_are_durable_whatever_the_servers_default(postgres: TemporaryPostgres) -> None:
    with postgres_database(postgres) as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            name = admin.info.dbname
            admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
        with closing(PostgresDatabase(dsn, SystemClock())) as database:
            assert database.write(lambda tx: tx.row("SHOW synchronous_commit")) == ("on",)


def test_no_server_is_unreachable(postgres: TemporaryPostgres) -> None:
    with pytest.raises(Unreachable):
        PostgresDatabase(f"host={postgres.root} port=1 dbname=x user=x", SystemClock())


class Recorder:
    """A `Tx` that notes the statements with given rows, and finds nothing."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def rows_given(self, sql: str, columns: str, given: object, *args: Value) -> list[Row]:
        self.said.append(dialect.postgres_given(sql, columns))
        return []

    def run_given(self, sql: str, columns: str, given: Sequence[object], *args: Value) -> int:
        self.said.append(dialect.postgres_given(sql, columns))
        return len(given)


def test_plans_made_while_tables_were_empty_stay_right_when_they_have_grown(
    admin: psycopg.Connection,
) -> None:
    recorder = Recorder()
    tx = cast(Tx, recorder)
    nodes.find(tx, [(ROOT, Name(b"a"))], None)
    nodes.find(tx, [(ROOT, Name(b"a"))], CommitNumber(3))
    dentries.end(tx, [(ROOT, Name(b"a"), CommitNumber(1), CommitNumber(2))])
    versions.end(tx, [(ROOT, CommitNumber(1), CommitNumber(2))])
    replies.find(tx, [(UserId(1), RequestId("r"))])
    for statement in recorder.said:
        plan = explain(admin, statement)
        assert "Hash Join" not in plan, plan
        assert "Seq Scan" not in plan, plan
        assert plan.index("Function Scan on") < plan.index("Index Scan using"), plan
    assert len(recorder.said) >= 5


def explain(admin: psycopg.Connection, statement: str) -> str:
    for name, setting in postgres_session._PLANS.items():
        admin.execute(f"SET {name} = {setting}".encode())
    return "\n".join(row[0] for row in admin.execute(f"EXPLAIN (GENERIC_PLAN) {statement}".encode()))
