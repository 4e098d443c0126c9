"""The database seam's contract, kept by a SQLite file, SQLite in memory, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.opening import open_database
from cairnfs.metadata.databases.seam import Database
from cairnfs.testing.contracts.databases import DatabaseContract


class TestSqliteFile(DatabaseContract):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        with closing(open_database(str(tmp_path / "cairn.sqlite"), SystemClock())) as database:
            yield database


class TestSqliteMemory(DatabaseContract):
    reads_beside_writes = False

    @pytest.fixture
    def database(self) -> Iterator[Database]:
        with closing(open_database(":memory:", SystemClock())) as database:
            yield database


class TestPostgres(DatabaseContract):
    @pytest.fixture
    def database(self, postgres_dsn: str) -> Iterator[Database]:
        with closing(open_database(postgres_dsn, SystemClock())) as database:
            yield database
