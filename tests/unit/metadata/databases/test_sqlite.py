"""What only SQLite can do or suffer: a second process, a full or failing disk, a damaged file."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import BadRequest, Busy, Forbidden, ForeignCluster, Internal, NoSpace
from cairnfs.metadata.databases.opening import Origin, open_database
from cairnfs.metadata.databases.seam import Again, CommitUnknown, Tx
from cairnfs.metadata.databases.sqlite import SqliteDatabase

HOLDER = """
import sys
from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.sqlite import SqliteDatabase
database = SqliteDatabase(sys.argv[1], SystemClock())
database.write(lambda tx: tx.run("UPDATE clock SET fence = 41 WHERE id = 1"))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cairn.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(path, SystemClock())) as database:
        yield database


def fence(tx: Tx) -> int:
    row = tx.row("SELECT fence FROM clock")
    assert row is not None
    return int(row[0])


def fill(tx: Tx) -> int:
    return tx.run("INSERT INTO secret (name, value) VALUES ('much', ?)", bytes(4_000_000))


def test_a_second_process_is_refused_until_the_first_is_dead(path: Path) -> None:
    arguments = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Busy, match=f"process {holder.pid}"):
            SqliteDatabase(path, SystemClock())
        holder.kill()
        holder.wait(20)
    with closing(SqliteDatabase(path, SystemClock())) as database:
        assert database.read(fence) == 41, "what was committed survives SIGKILL"


def test_closing_lets_the_next_one_in(path: Path) -> None:
    for _ in range(3):
        with closing(SqliteDatabase(path, SystemClock())) as database:
            with pytest.raises(Busy):
                SqliteDatabase(path, SystemClock())
            database.write(lambda tx: tx.run("UPDATE clock SET fence = fence + 1 WHERE id = 1"))
    with closing(SqliteDatabase(path, SystemClock())) as database:
        assert database.read(fence) == 3


def test_it_syncs_every_commit(database: SqliteDatabase) -> None:
    for role, found in (("write", database.write), ("read", database.read)):
        assert found(lambda tx: tx.row("PRAGMA journal_mode")) == ("wal",), role
        assert found(lambda tx: tx.row("PRAGMA synchronous")) == (2,), role


def test_a_full_disk_changes_nothing(database: SqliteDatabase) -> None:
    pages = database.read(lambda tx: tx.row("PRAGMA page_count"))
    assert pages is not None
    database.write(lambda tx: tx.rows(f"PRAGMA max_page_count = {pages[0] + 20}"))
    with pytest.raises(NoSpace) as caught:
        database.write(lambda tx: (tx.run("UPDATE clock SET fence = 41 WHERE id = 1"), fill(tx)))
    assert "disk" in caught.value.hint
    assert database.read(fence) == 0
    assert database.write(lambda tx: tx.run("UPDATE clock SET fence = 5 WHERE id = 1")) == 1
    database.write(lambda tx: tx.rows("PRAGMA max_page_count = 1000000"))
    assert database.write(fill) == 1


class FailingCommit:
    """A connection whose COMMIT fails with a result code of SQLite, before or after it happened."""

    def __init__(self, connection: sqlite3.Connection, code: int) -> None:
        self._connection = connection
        self._code = code
        self.failed = 0

    def execute(self, text: str, *args: Any) -> Any:
        if text != "COMMIT":
            return self._connection.execute(text, *args)
        self.failed += 1
        error = sqlite3.OperationalError("planned")
        error.sqlite_errorcode = self._code
        raise error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def commit_that_fails(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, code: int) -> FailingCommit:
    failing = FailingCommit(database._writer, code)
    monkeypatch.setattr(database, "_writer", failing)
    return failing


def test_after_a_failed_fsync_nobody_knows(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = commit_that_fails(database, monkeypatch, sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(CommitUnknown):
        database.write(lambda tx: tx.run("UPDATE clock SET fence = 41 WHERE id = 1"))
    assert failing.failed == 1
    for verb in (database.read, database.write):
        with pytest.raises(Again, match="restart"):
            verb(fence)
    assert failing.failed == 1, "it is not even tried again"


@pytest.mark.parametrize(("code", "error"), [(sqlite3.SQLITE_BUSY, Again), (sqlite3.SQLITE_FULL, NoSpace)])
def test_a_commit_that_surely_failed(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    with monkeypatch.context() as patches:
        failing = commit_that_fails(database, patches, code)
        with pytest.raises(error):
            database.write(lambda tx: tx.run("UPDATE clock SET fence = 41 WHERE id = 1"))
        assert failing.failed == 1
    assert database.read(fence) == 0
    assert database.write(lambda tx: tx.run("UPDATE clock SET fence = 5 WHERE id = 1")) == 1


def test_damage_is_found_at_opening(path: Path) -> None:
    with closing(SqliteDatabase(path, SystemClock())) as database:
        database.write(lambda tx: tx.run("DELETE FROM replica_group WHERE id > 1000"))
    whole = path.read_bytes()
    with closing(SqliteDatabase(path, SystemClock(), check=True)):
        pass
    path.write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    with pytest.raises(Internal, match="damaged"):
        SqliteDatabase(path, SystemClock(), check=True)
    path.write_bytes(b"this is no database at all" * 1000)
    with pytest.raises(Internal, match="damaged"):
        SqliteDatabase(path, SystemClock())


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
        other.commit()
    with pytest.raises(ForeignCluster, match="recipes"):
        SqliteDatabase(path, SystemClock())
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def test_another_clusters_database_is_refused(path: Path) -> None:
    mine, other = "a" * 32, "b" * 32
    with closing(SqliteDatabase(path, SystemClock(), origin=Origin(copies=2, cluster_id=mine))) as database:
        assert database.read(lambda tx: tx.row("SELECT cluster_id, copies FROM clock")) == (mine, 2)
    with closing(SqliteDatabase(path, SystemClock())):
        pass
    with pytest.raises(ForeignCluster):
        SqliteDatabase(path, SystemClock(), origin=Origin(cluster_id=other))


def test_a_newer_schema_is_refused(path: Path) -> None:
    with closing(SqliteDatabase(path, SystemClock())) as database:
        database.write(lambda tx: tx.run("UPDATE clock SET schema_version = 999 WHERE id = 1"))
    with pytest.raises(BadRequest, match="newer"):
        SqliteDatabase(path, SystemClock())


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match=r"nowhere.*No such file or directory"):
        open_database(str(tmp_path / "nowhere" / "cairn.sqlite"), SystemClock())


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    """It holds the keys by which tokens are signed and receipts judged, wherever it lies."""
    usual = os.umask(0o022)
    try:
        with closing(SqliteDatabase(path, SystemClock())):
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.glob(f"{path.name}*")}
    finally:
        os.umask(usual)
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


def test_readers_take_turns(path: Path) -> None:
    with closing(SqliteDatabase(path, SystemClock(), readers=2)) as database:
        with ThreadPoolExecutor(12) as pool:
            results = [pool.submit(database.read, fence) for _ in range(300)]
            assert {result.result(20) for result in results} == {0}
        assert len(database._idle) <= 2


def test_a_write_waits_out_somebodys_shell(database: SqliteDatabase, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(database.write, fence)
            shell.execute("COMMIT")
            assert waiting.result(20) == 0
