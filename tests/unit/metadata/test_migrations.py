"""An older schema is brought forward step by step at opening, whole or not at all, and nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.core.permissions import Person
from cairnfs.ids import NEVER, RequestId, UserId
from cairnfs.metadata import migrations, verify
from cairnfs.metadata.databases import opening
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.databases.sqlite import SqliteDatabase
from cairnfs.metadata.ops.stat import stat
from cairnfs.metadata.rows import clock, shadow, snapshots
from cairnfs.metadata.rows.shadow import Key, Row
from cairnfs.testing.databases import postgres_database
from cairnfs.wire.directory import Entry, PathText, StatRequest
from tests.unit.metadata.schemas import stored

VERSION = "SELECT schema_version FROM clock"
ADMIN = Person(UserId(4), "admin", "admin")


class Opened:
    """Old and new databases of one kind."""

    def __init__(
        self, kind: str, schema: int, old: Callable[[], Database], new: Callable[[], Database]
    ) -> None:
        self.kind = kind
        self.schema = schema  #: of which the old one was
        self.old = old  #: opens it, bringing it forward at the first time
        self.new = new


OLD = {schema: [f"sqlite-{schema}", f"postgresql-{schema}"] for schema in (1, 2)}
of_schema_1 = pytest.mark.parametrize("opened", OLD[1], indirect=True)
of_schema_2 = pytest.mark.parametrize("opened", OLD[2], indirect=True)


@pytest.fixture(params=[*OLD[1], *OLD[2]])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    kind, _, number = request.param.partition("-")
    schema = int(number)
    if kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "old.sqlite")) as connection:
            fill(connection, schema, "sqlite", "?")
        yield Opened(
            "sqlite",
            schema,
            lambda: SqliteDatabase(tmp_path / "old.sqlite", SystemClock()),
            lambda: SqliteDatabase(tmp_path / "new.sqlite", SystemClock()),
        )
        return
    server = request.getfixturevalue("postgres")
    with ExitStack() as databases:
        old = databases.enter_context(postgres_database(server, prepared=False))
        new = databases.enter_context(postgres_database(server, prepared=False))
        with closing(psycopg.connect(old)) as connection:
            fill(connection, schema, "postgresql", "%s")
            # What the process that opens it would take for a failover.
            connection.execute("UPDATE clock SET timeline = 1")
            connection.commit()
        yield Opened(
            "postgresql",
            schema,
            lambda: PostgresDatabase(old, SystemClock()),
            lambda: PostgresDatabase(new, SystemClock()),
        )


def fill(connection: Any, schema: int, kind: str, mark: str) -> None:
    for statement in stored.statements(schema, kind):
        connection.execute(statement)
    for table, columns, rows in stored.contents(schema):
        marks = ", ".join([mark] * len(columns))
        cursor = connection.cursor()
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
    connection.commit()


def catalog(database: Database) -> set[tuple[Any, ...]]:
    """Everything that the database knows of its tables, columns, constraints and indexes."""
    if database.kind == "sqlite":
        texts = database.read(lambda tx: tx.rows("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        return {(*row[:3], " ".join((row[3] or "").split())) for row in texts}
    return set(
        database.read(
            lambda tx: [
                *tx.rows(
                    "SELECT table_name, column_name, CAST(ordinal_position AS BIGINT), data_type,"
                    " is_nullable, coalesce(column_default, '') FROM information_schema.columns"
                    " WHERE table_schema = 'public'"
                ),
                *tx.rows(
                    "SELECT CAST(conrelid AS BIGINT) - CAST(conrelid AS BIGINT), CAST(conname AS TEXT),"
                    " pg_get_constraintdef(oid) FROM pg_constraint"
                    " WHERE connamespace = CAST('public' AS REGNAMESPACE)"
                ),
                *tx.rows(
                    "SELECT CAST(indexname AS TEXT), indexdef FROM pg_indexes WHERE schemaname = 'public'"
                ),
            ]
        )
    )


def test_a_migrated_database_is_made_like_a_new_one(opened: Opened) -> None:
    with closing(opened.old()) as old, closing(opened.new()) as new:
        assert catalog(old) ^ catalog(new) == set()
        assert old.read(clock.read).schema_version == new.read(clock.read).schema_version


def test_no_row_is_lost_and_all_is_well(opened: Opened) -> None:
    with closing(opened.old()) as database:
        for table, columns, rows in stored.contents(opened.schema):
            names = ", ".join(columns)
            found = database.read(
                lambda tx, t=table, n=names: tx.rows(f"SELECT {n} FROM {t}")  # type: ignore[misc]
            )
            if table == "clock":
                at, stays = columns.index("schema_version"), columns.index("timeline")
                ours = {at: migrations.NEWEST, stays: found[0][stays]}
                expected = [tuple(ours.get(i, value) for i, value in enumerate(rows[0]))]
            else:
                expected = sorted(rows)
            assert sorted(found) == expected, table
        report = database.read(verify.run)
        assert report.findings == []
        assert report.counts["orphans"] == 1


@of_schema_1
def test_what_is_new_says_what_was_true_before(opened: Opened) -> None:
    with closing(opened.old()) as database:
        now = database.read(clock.read)
        assert (now.retention_us, now.people_version) == (0, 1)
        assert database.read(
            lambda tx: tx.rows("SELECT DISTINCT kind, traced FROM dentry ORDER BY kind")
        ) == [
            ("directory", 1),
            ("file", 0),
        ]
        assert database.read(lambda tx: tx.rows("SELECT DISTINCT state FROM users")) == [("active",)]
        assert database.read(lambda tx: tx.rows("SELECT issuer, detail FROM one_time")) == [(0, "")]
        assert database.read(
            lambda tx: tx.rows("SELECT DISTINCT mtime_sub_ns, target, xattrs, policy FROM version")
        ) == [(0, b"", b"", "")]
        files = (
            "SELECT v.born, v.mtime_set FROM version AS v JOIN inode AS i ON i.id = v.inode"
            " WHERE i.kind = 'file'"
        )
        assert all(born == mtime_set for born, mtime_set in database.read(lambda tx: tx.rows(files)))


@of_schema_1
def test_every_path_reads_as_it_did(opened: Opened) -> None:
    """The times of directories above all: they come from elsewhere now."""
    before = _rows_by_column("version")
    with closing(opened.old()) as database:
        entry = seen(database, "/moved/b")
        assert (entry.size, entry.mtime_us, entry.links) == (8, 1_600_000_000_123_456, 1)
        assert seen(database, "/d/a").mode == 0o644
        assert seen(database, "/d/a", at=4).mode == 0o640
        assert seen(database, "/home/ann/hers").owner == "ann"
        made, emptied = seen(database, "/empty"), seen(database, "/d")
        # Never changed since it was made; and changed by what was done in it.
        assert made.mtime_us == next(v["mtime_us"] for v in before if v["inode"] == made.inode)
        assert emptied.mtime_us > next(v["mtime_us"] for v in before if v["inode"] == emptied.inode)
        root = next(v for v in before if v["inode"] == 1 and v["died"] == NEVER)
        assert seen(database, "/").mtime_us > root["mtime_us"]


@of_schema_1
def test_what_grows_is_moved_in_pieces(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations.to_2, "PIECE", 3)
    with closing(opened.old()) as database:
        assert database.read(verify.run).findings == []
        assert database.read(lambda tx: tx.row("SELECT count(*) FROM version")) == (
            len(_rows_by_column("version")),
        )


@of_schema_2
def test_a_database_of_schema_2_goes_on(opened: Opened) -> None:
    """Its history, names and answers are what they were, and its new table takes pages."""
    with closing(opened.old()) as database:
        assert seen(database, "/d/a").etag == seen(database, "/moved/b").etag
        assert seen(database, "/e", at=4).kind == "directory"
        assert database.read(lambda tx: snapshots.find(tx, "before")) is not None
        key, row = Key(UserId(4), RequestId("b" * 32)), Row(0, "", b"hash", b"body")
        assert database.write(lambda tx: shadow.put(tx, key, row, 5))
        assert database.read(lambda tx: shadow.find(tx, key, 0)) == row


def seen(database: Database, path: str, at: int | None = None) -> Entry:
    request = StatRequest(paths=[PathText(path=path)], at=None if at is None else str(at))
    result = database.read(lambda tx: stat(tx, ADMIN, request)).results[0]
    assert result.entry is not None, result.error
    return result.entry


def _rows_by_column(wanted: str) -> list[Mapping[str, Any]]:
    return [
        dict(zip(columns, row, strict=True))
        for table, columns, rows in stored.contents(1)
        if table == wanted
        for row in rows
    ]


# -- any step ----------------------------------------------------------------------------------------


def adding(table: str) -> Callable[[Tx, str], None]:
    return lambda tx, kind: void(tx.run(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)"))


def void(value: object) -> None:
    """Takes a value that nobody wants."""


def failing(tx: Tx, kind: str) -> None:
    tx.run("CREATE TABLE half_done (id INTEGER PRIMARY KEY)")
    raise ZeroDivisionError("a step with a defect")


@pytest.fixture
def present(tmp_path: Path) -> Path:
    """A database of today's schema, to which the tests below add steps."""
    path = tmp_path / "cairn.sqlite"
    SqliteDatabase(path, SystemClock()).close()
    return path


TODAY = migrations.NEWEST


def upgrade(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[Tx, str], None]) -> None:
    newest = TODAY + len(steps)
    monkeypatch.setattr(migrations, "NEWEST", newest)
    monkeypatch.setattr(opening, "NEWEST", newest)
    monkeypatch.setattr(migrations, "STEPS", dict(enumerate(steps, TODAY)))


def tables(path: Path) -> set[str]:
    with closing(SqliteDatabase(path, SystemClock())) as database:
        rows = database.read(lambda tx: tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'"))
    return {name for (name,) in rows}


def test_steps_run_in_order_once(present: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(monkeypatch, adding("two"), adding("three"))
    for _ in range(2):
        with closing(SqliteDatabase(present, SystemClock())) as database:
            assert database.read(lambda tx: tx.row(VERSION)) == (TODAY + 2,)
    assert {"two", "three"} <= tables(present)


def test_a_step_that_fails_leaves_the_old_schema(present: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        upgrade(patches, adding("two"), failing)
        with pytest.raises(ZeroDivisionError):
            SqliteDatabase(present, SystemClock())
    assert not {"two", "half_done"} & tables(present)
    with closing(SqliteDatabase(present, SystemClock())) as database:
        assert database.read(lambda tx: tx.row(VERSION)) == (TODAY,)


def test_every_step_is_there() -> None:
    assert set(migrations.STEPS) == set(range(1, migrations.NEWEST))
