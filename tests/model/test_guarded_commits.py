"""Commits beside locks do as an oracle of paths says; and each planted bug makes a difference."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from functools import partial

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing import planted_locks
from cairnfs.testing.ledger import Ledger
from tests.model.guarding import guard
from tests.unit.metadata.guard_stories import STORIES

CHANCES = {"sqlite": (6, 60), "postgresql": (1, 40)}
SEARCHED = 30


@pytest.mark.parametrize("kind", CHANCES)
def test_commits_do_as_the_oracle_says(request: pytest.FixtureRequest, kind: str, seed: int) -> None:
    stories, steps = CHANCES[kind]
    for number in range(seed, seed + stories):
        print(f"story {number}")
        database: Database
        if kind == "sqlite":
            database = SqliteDatabase(MEMORY, SystemClock())
        else:
            database = PostgresDatabase(request.getfixturevalue("postgres_dsn"), SystemClock())
        with closing(database):
            print(dict(guard(Ledger(database), random.Random(number), steps)))


@pytest.mark.loud
@pytest.mark.parametrize("bug", planted_locks.BUGS, ids=lambda bug: str(bug.__name__))
def test_the_stories_find(bug: Callable[[], AbstractContextManager[None]]) -> None:
    """Those that are told for one thing each, or those at random."""
    told: list[Callable[[Ledger], object]] = [*STORIES]
    told += [partial(_at_random, seed) for seed in range(SEARCHED)]
    for number, story in enumerate(told):
        with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
            ledger = Ledger(database)
            try:
                with bug():
                    story(ledger)
                    ledger.verify()
            except (AssertionError, CairnError) as found:
                print(f"found by story {number}: {type(found).__name__} {str(found)[:200]}")
                return
    pytest.fail("no story found it")


def _at_random(seed: int, ledger: Ledger) -> object:
    return guard(ledger, random.Random(seed))
