"""Databases for tests, as pytest fixtures: a file, memory, and a PostgreSQL of one's own.

What belongs here: making and throwing away. What does not: the server itself (`postgres.py`), the
suite that every database passes (`contracts/databases.py`), faults (`flaky_database.py`).

A test file gets these through `tests/conftest.py`. PostgreSQL starts at the first test that asks for
it, once in a run of the tests; each test has a database of its own there, copied from a prepared one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing.postgres import TemporaryPostgres, temporary_postgres

KINDS = ("file", "memory", "postgresql")
_PREPARED = "prepared"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    """A running server, with Cairn's schema in the database `prepared`."""
    with temporary_postgres("shared_buffers=32MB", "max_connections=60") as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_PREPARED}".encode())
        PostgresDatabase(_named(server, _PREPARED), SystemClock()).close()
        yield server


@contextmanager
def postgres_database(server: TemporaryPostgres, *, prepared: bool = True) -> Iterator[str]:
    """The connection string of a new database, with the schema or (`prepared` false) without."""
    name = f"test_{next(_numbers)}"
    template = f" TEMPLATE {_PREPARED}" if prepared else ""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{template}".encode())
        try:
            yield _named(server, name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def postgres_dsn(postgres: TemporaryPostgres) -> Iterator[str]:
    """The connection string of a database for this test alone, with the schema in it."""
    with postgres_database(postgres) as dsn:
        yield dsn


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open database with Cairn's schema and first rows; the test runs once for each kind."""
    kept: Database
    if request.param == "postgresql":
        kept = PostgresDatabase(request.getfixturevalue("postgres_dsn"), SystemClock())
    else:
        path = MEMORY if request.param == "memory" else tmp_path / "cairn.sqlite"
        kept = SqliteDatabase(path, SystemClock())
    with closing(kept):
        yield kept


def _named(server: TemporaryPostgres, name: str) -> str:
    return server.dsn.replace("dbname=postgres", f"dbname={name}")
