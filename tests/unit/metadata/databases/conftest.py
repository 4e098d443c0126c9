"""A PostgreSQL database of its own for a test, opened by Cairn and by an administrator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.postgres import PostgresDatabase


@pytest.fixture
def database(postgres_dsn: str) -> Iterator[PostgresDatabase]:
    with closing(PostgresDatabase(postgres_dsn, SystemClock())) as database:
        yield database


@pytest.fixture
def admin(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        yield connection
