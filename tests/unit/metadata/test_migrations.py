"""An older schema is brought forward step by step at opening, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata import migrations
from cairnfs.metadata.databases import opening
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.databases.sqlite import SqliteDatabase

VERSION = "SELECT schema_version FROM clock"


def adding(table: str) -> Callable[[Tx, str], None]:
    return lambda tx, kind: void(tx.run(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)"))


def void(value: object) -> None:
    """Takes a value that nobody wants."""


def failing(tx: Tx, kind: str) -> None:
    tx.run("CREATE TABLE half_done (id INTEGER PRIMARY KEY)")
    raise ZeroDivisionError("a step with a defect")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database of schema 1."""
    path = tmp_path / "cairn.sqlite"
    SqliteDatabase(path, SystemClock()).close()
    return path


def upgrade(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[Tx, str], None]) -> None:
    newest = 1 + len(steps)
    monkeypatch.setattr(migrations, "NEWEST", newest)
    monkeypatch.setattr(opening, "NEWEST", newest)
    monkeypatch.setattr(migrations, "STEPS", dict(enumerate(steps, 1)))


def tables(path: Path) -> set[str]:
    with closing(SqliteDatabase(path, SystemClock())) as database:
        rows = database.read(lambda tx: tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'"))
    return {name for (name,) in rows}


def test_steps_run_in_order_once(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(monkeypatch, adding("two"), adding("three"))
    for _ in range(2):
        with closing(SqliteDatabase(old, SystemClock())) as database:
            assert database.read(lambda tx: tx.row(VERSION)) == (3,)
    assert {"two", "three"} <= tables(old)


def test_a_step_that_fails_leaves_the_old_schema(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        upgrade(patches, adding("two"), failing)
        with pytest.raises(ZeroDivisionError):
            SqliteDatabase(old, SystemClock())
    assert not {"two", "half_done"} & tables(old)
    with closing(SqliteDatabase(old, SystemClock())) as database:
        assert database.read(lambda tx: tx.row(VERSION)) == (1,)


def test_every_step_is_there() -> None:
    assert set(migrations.STEPS) == set(range(1, migrations.NEWEST))
