"""What only PostgreSQL can suffer: killed backends, lost COMMITs, several processes at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import ForeignCluster
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Again, CommitUnknown, Tx
from cairnfs.metadata.driver import Driver
from cairnfs.testing.databases import postgres_database
from cairnfs.testing.postgres import TemporaryPostgres, temporary_postgres
from tests.unit.metadata.databases.backends import backend, fence, raise_fence, terminate, wait_until
from tests.unit.metadata.operations import Note, Noted, notes


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


def test_what_is_larger_than_any_buffer_is_sent(database: PostgresDatabase) -> None:
    """In one statement, and in many that nobody waits for."""

    def insert(tx: Tx, pieces: int) -> int:
        rows = [(number, b"x" * 1000) for number in range(6_000)]
        for start in range(0, len(rows), len(rows) // pieces):
            part = rows[start : start + len(rows) // pieces]
            columns = "inode BIGINT, entries BYTES"
            tx.run_given(
                "INSERT INTO change (commit_number, entries) SELECT g.inode, g.entries FROM {given} AS g",
                columns,
                part,
            )
        found = tx.row("SELECT count(*) FROM change")
        tx.run("DELETE FROM change")
        return int(found[0]) if found else 0

    for pieces in (1, 6):
        assert database.write(lambda tx, n=pieces: insert(tx, n)) == 6_000  # type: ignore[misc]


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
