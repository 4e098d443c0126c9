"""What only PostgreSQL can do or suffer: killed backends, timeouts, a failover, unsafe settings."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import cast

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import BadRequest, ForeignCluster, Unreachable
from cairnfs.ids import ROOT, CommitNumber, Name, RequestId, UserId
from cairnfs.metadata import patience
from cairnfs.metadata.databases import dialect, postgres_session
from cairnfs.metadata.databases.opening import LEAP
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Again, CommitUnknown, Row, Tx, Value
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.rows import dentries, nodes, replies, versions
from cairnfs.testing.databases import postgres_database
from cairnfs.testing.postgres import TemporaryPostgres, start, temporary_postgres
from tests.unit.metadata.operations import Note, Noted, key, notes, soon

RAISE_FENCE = "UPDATE clock SET fence = fence + 1 WHERE id = 1"


@pytest.fixture
def database(postgres_dsn: str) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(postgres_dsn, SystemClock())) as database:
        yield database


@pytest.fixture
def admin(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        yield connection


def fence(tx: Tx) -> int:
    row = tx.row("SELECT fence FROM clock")
    assert row is not None
    return int(row[0])


def raise_fence(tx: Tx) -> int:
    return tx.run(RAISE_FENCE)


def backend(tx: Tx) -> int:
    row = tx.row("SELECT pg_backend_pid()")
    assert row is not None
    return int(row[0])


def terminate(admin: psycopg.Connection, pid: int) -> None:
    assert admin.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)


def wait_until(admin: psycopg.Connection, question: str, *args: object) -> None:
    """Ask until the answer is yes; the server does the waiting between."""
    for _ in range(500):
        if admin.execute(question.encode(), args).fetchone() == (True,):
            return
        admin.execute("SELECT pg_sleep(0.01)")
    raise AssertionError(f"never: {question}")


def test_a_backend_killed_between_transactions_is_not_noticed(
    database: PostgresDatabase, admin: psycopg.Connection
) -> None:
    first = database.write(backend)
    terminate(admin, first)
    assert database.write(raise_fence) == 1
    assert database.write(backend) != first
    reader = database.read(backend)
    terminate(admin, reader)
    assert database.read(fence) == 1
    assert database.read(backend) != reader


def test_a_backend_killed_inside_a_tx_means_again(
    database: PostgresDatabase, admin: psycopg.Connection
) -> None:
    def die(tx: Tx) -> None:
        raise_fence(tx)
        terminate(admin, backend(tx))
        raise_fence(tx)

    with pytest.raises(Again):
        database.write(die)
    assert database.read(fence) == 0
    assert database.write(raise_fence) == 1


def test_a_read_goes_round_again(database: PostgresDatabase, admin: psycopg.Connection) -> None:
    calls = []

    def die_once(tx: Tx) -> int:
        calls.append(backend(tx))
        if len(calls) == 1:
            terminate(admin, calls[0])
        return fence(tx)

    assert database.read(die_once) == 0
    assert len(set(calls)) == 2


@contextmanager
def commit_that_hangs(admin: psycopg.Connection, pid: int) -> Iterator[None]:
    """For this backend, COMMIT of a tx that raised the fence takes a minute before it is decided."""
    admin.execute(
        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
        f" IF pg_backend_pid() = {pid} THEN PERFORM pg_sleep(60); END IF; RETURN NULL; END'".encode()
    )
    admin.execute(
        "CREATE CONSTRAINT TRIGGER nap AFTER UPDATE OF fence ON clock DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION nap()"
    )
    yield
    admin.execute("DROP FUNCTION nap CASCADE")


def kill_during_commit(admin: psycopg.Connection, pid: int) -> None:
    commits = "SELECT query = 'COMMIT' AND state = 'active' FROM pg_stat_activity WHERE pid = %s"
    wait_until(admin, commits, pid)
    terminate(admin, pid)


def test_a_backend_killed_during_commit_that_did_not_happen(
    database: PostgresDatabase, admin: psycopg.Connection
) -> None:
    pid = database.write(backend)
    with ThreadPoolExecutor(1) as pool, commit_that_hangs(admin, pid):
        write = pool.submit(database.write, raise_fence)
        kill_during_commit(admin, pid)
        with pytest.raises(CommitUnknown):
            write.result(20)
    assert database.read(fence) == 0
    assert database.write(raise_fence) == 1


@pytest.fixture(scope="module")
def own_server() -> Iterator[TemporaryPostgres]:
    """A server whose settings a test may change."""
    with temporary_postgres("shared_buffers=16MB") as server:
        yield server


@contextmanager
def commit_that_waits_for_a_standby(server: TemporaryPostgres) -> Iterator[psycopg.Connection]:
    """COMMIT is done here and then waits for a standby that is not there."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        for setting in ("'ghost'", "''"):
            admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = {setting}".encode())
            admin.execute("SELECT pg_reload_conf()")
            wait_until(
                admin,
                "SELECT setting = %s FROM pg_settings WHERE name = 'synchronous_standby_names'",
                setting.strip("'"),
            )
            if setting == "'ghost'":
                yield admin


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_commit_that_happened_but_was_not_replicated_is_unknown(
    own_server: TemporaryPostgres, how: str
) -> None:
    with (
        postgres_database(own_server, prepared=False) as dsn,
        closing(PostgresDatabase(dsn, SystemClock())) as database,
    ):
        pid = database.write(backend)
        with ThreadPoolExecutor(1) as pool, commit_that_waits_for_a_standby(own_server) as admin:
            write = pool.submit(database.write, raise_fence)
            waits = "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = %s"
            wait_until(admin, waits, pid)
            admin.execute(f"SELECT {how}(%s)".encode(), [pid])
            with pytest.raises(CommitUnknown, match=r"(?i)standby|replicat|terminat"):
                write.result(20)
        assert database.read(fence) == 1, "it did happen"


async def test_the_driver_finds_out_what_a_lost_commit_did(
    database: PostgresDatabase, admin: psycopg.Connection
) -> None:
    pid = database.write(backend)
    driver = Driver(database, SystemClock())
    with ThreadPoolExecutor(1) as pool, commit_that_hangs(admin, pid):
        killing = pool.submit(kill_during_commit, admin, pid)
        assert await driver.submit(Note("once")) == Noted(1)
        killing.result(20)
    await driver.close()
    assert notes(database) == {"once": 1}
    assert database.write(backend) != pid


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        postgres_session._LIMITS,
        "writer",
        {
            "idle_in_transaction_session_timeout": 800,
            "lock_timeout": 100,
            "statement_timeout": 1_000,
        },
    )


@pytest.mark.usefixtures("short_limits")
def test_a_process_that_froze_with_the_clock_does_not_stop_the_others(postgres_dsn: str) -> None:
    thaw = threading.Event()

    def freeze(tx: Tx) -> None:
        tx.row("SELECT id FROM clock WHERE id = 1 {lock}")
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


def test_somebody_elses_tables_are_refused(postgres: TemporaryPostgres) -> None:
    with postgres_database(postgres, prepared=False) as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute("CREATE TABLE users (name text)")
        with pytest.raises(ForeignCluster, match="users"):
            PostgresDatabase(dsn, SystemClock())


def test_processes_that_open_at_once_make_one_schema(postgres: TemporaryPostgres) -> None:
    with postgres_database(postgres, prepared=False) as dsn, ThreadPoolExecutor(4) as pool:
        opened = [pool.submit(PostgresDatabase, dsn, SystemClock()) for _ in range(4)]
        databases = [each.result(30) for each in opened]
        ids = {each.read(lambda tx: tx.row("SELECT cluster_id FROM clock")) for each in databases}
        for each in databases:
            each.close()
        assert len(ids) == 1


def test_two_processes_lose_no_update(postgres_dsn: str) -> None:
    with (
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as one,
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as two,
        ThreadPoolExecutor(2) as pool,
    ):

        def count(database: PostgresDatabase) -> None:
            for _ in range(100):
                database.write(count_one)

        for each in [pool.submit(count, one), pool.submit(count, two)]:
            each.result(60)
        assert one.read(fence) == 200


def count_one(tx: Tx) -> None:
    row = tx.row("SELECT fence FROM clock WHERE id = 1 {lock}")
    assert row is not None
    tx.run("UPDATE clock SET fence = ? WHERE id = 1", row[0] + 1)


def copy_and_follow(server: TemporaryPostgres) -> None:
    """Make a standby of the server's data below `standby`."""
    server.run(
        "pg_basebackup", "-D", str(server.root / "standby" / "data"), "-h", str(server.root),
        "-U", "postgres", "-R", "--checkpoint=fast", "--no-sync",
    )  # fmt: skip


def wait_until_replayed(primary: TemporaryPostgres, standby: TemporaryPostgres) -> None:
    """Wait until the standby has all that the primary has now."""
    with psycopg.connect(primary.dsn) as here, psycopg.connect(standby.dsn, autocommit=True) as there:
        now = here.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert now is not None
        wait_until(there, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", *now)


async def test_a_failover_begins_a_new_incarnation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_S", 0.2)
    with temporary_postgres("shared_buffers=16MB") as primary:
        copy_and_follow(primary)
        with start(primary.root / "standby", primary.bin, "shared_buffers=16MB", port=5433) as standby:
            both = (
                f"host={primary.root},{standby.root} port=5432,5433 user=postgres dbname=postgres"
                " target_session_attrs=read-write"
            )
            with closing(PostgresDatabase(both, SystemClock())) as database:
                driver = Driver(database, SystemClock())
                again = key()
                assert await driver.submit(Note("before", again)) == Noted(1)
                wait_until_replayed(primary, standby)
                with pytest.raises(Unreachable, match="standby"):
                    PostgresDatabase(standby.dsn, SystemClock())
                primary.process.kill()
                primary.process.wait()
                standby.run("pg_ctl", "promote", "-D", str(standby.root / "data"))
                clock = "SELECT incarnation, timeline FROM clock"
                assert database.read(lambda tx: tx.row(clock)) == (2, 2), "also for who only reads"
                after = await driver.submit(Note("after", deadline=soon()))
                assert after.commit == 1 + LEAP + 1, "one leap, and the next"
                assert await driver.submit(Note("before", again)) == Noted(1), "acknowledged, and there"
                assert await driver.read(lambda tx: tx.row(clock)) == (2, 2)
                await driver.close()


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
    database: PostgresDatabase,
) -> None:
    recorder = Recorder()
    tx = cast(Tx, recorder)
    nodes.find(tx, [(ROOT, Name(b"a"))], None)
    nodes.find(tx, [(ROOT, Name(b"a"))], CommitNumber(3))
    dentries.end(tx, [(ROOT, Name(b"a"), CommitNumber(1), CommitNumber(2))])
    versions.end(tx, [(ROOT, CommitNumber(1), CommitNumber(2))])
    replies.find(tx, [(UserId(1), RequestId("r"))])
    for statement in recorder.said:
        plan = explain(database, statement)
        assert "Hash Join" not in plan, plan
        assert "Seq Scan" not in plan, plan
        assert plan.index("Function Scan on") < plan.index("Index Scan using"), plan
    assert len(recorder.said) >= 5


def explain(database: PostgresDatabase, statement: str) -> str:
    assert database.write(backend)
    assert database._writer is not None
    rows = database._writer.execute(f"EXPLAIN (GENERIC_PLAN) {statement}".encode(), prepare=False)
    return "\n".join(row[0] for row in rows)


def test_the_programs_run_as_somebody_harmless(postgres: TemporaryPostgres) -> None:
    assert isinstance(postgres.process, subprocess.Popen)
    assert os.stat(postgres.root / "data").st_uid != 0
