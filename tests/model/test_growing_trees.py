"""Detached trees grow as dictionaries say; and each planted bug makes a difference."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing import planted_trees
from cairnfs.testing.ledger import Ledger
from tests.model.growing import grow

STORIES = {"sqlite": 25, "postgresql": 1}


@pytest.mark.parametrize("kind", STORIES)
def test_trees_grow_as_they_should(request: pytest.FixtureRequest, kind: str) -> None:
    first = random.randrange(2**32)
    for seed in range(first, first + STORIES[kind]):
        print(f"seed {seed}")
        database: Database
        if kind == "sqlite":
            database = SqliteDatabase(MEMORY, SystemClock())
        else:
            database = PostgresDatabase(request.getfixturevalue("postgres_dsn"), SystemClock())
        with closing(database):
            grow(Ledger(database), random.Random(seed))


@pytest.mark.loud
@pytest.mark.parametrize("bug", planted_trees.BUGS, ids=lambda bug: str(bug.__name__))
def test_the_stories_find(bug: Callable[[], AbstractContextManager[None]]) -> None:
    for seed in range(40):
        with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
            ledger = Ledger(database)
            try:
                with bug():
                    grow(ledger, random.Random(seed))
            except AssertionError as found:
                print(f"found by story {seed}: {str(found)[:200]}")
                return
    pytest.fail("no story found it")
