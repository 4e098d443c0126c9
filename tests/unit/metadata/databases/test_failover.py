"""A standby is promoted: a new timeline is a new incarnation."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import Unreachable
from cairnfs.metadata import patience
from cairnfs.metadata.databases.opening import LEAP
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.driver import Driver
from cairnfs.testing.postgres import TemporaryPostgres, start, temporary_postgres
from tests.unit.metadata.databases.backends import wait_until
from tests.unit.metadata.operations import Note, Noted, key, soon


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
