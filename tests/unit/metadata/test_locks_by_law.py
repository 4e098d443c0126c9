"""Locks in a database against the law on a dictionary: whatever happens, both come to the same."""

from __future__ import annotations

import random
from contextlib import closing
from typing import Any

import pytest

from cairnfs.clock import SystemClock
from cairnfs.core.locks.claims import Claims
from cairnfs.errors import CairnError
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops.locks import acquire, circles, promote, spots
from cairnfs.metadata.rows import lock_looks, locks
from cairnfs.testing.ledger import Ledger
from tests.unit.metadata.lock_twins import Twins

#: What has to have come of things for a run to have said anything.
EXPECTED = {
    "ask", "ask: locked", "ask: deadlock", "release", "upgrade", "upgrade: not_sole_holder", "break", "end",
    "Rename", "Rename: locked", "Link", "Remove", "Write",
}  # fmt: skip


def run(database: Database, seed: int, steps: int) -> Twins:
    ledger = Ledger(database)
    twins = Twins(ledger, random.Random(seed))
    for _ in range(steps):
        twins.step()
    ledger.verify()
    return twins


def run_some(seeds: range, steps: int) -> set[str]:
    """All that came of things."""
    came: set[str] = set()
    for seed in seeds:
        with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
            came |= run(database, seed, steps).did.keys()
    return came


def test_a_database_and_the_law_come_to_the_same(seed: int) -> None:
    came = run_some(range(seed, seed + 4), 200)
    assert came >= EXPECTED, f"never came: {sorted(EXPECTED - came)}"


def test_so_do_they_where_everything_is_too_much_for_one_page(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, name, small in (
        (promote, "_PAGE", 1), (promote, "_MORE", 1), (promote, "_MANY", 2), (promote, "_MANY_KEYS", 9),
        (promote, "_AT_ONCE", 2), (locks, "_AT_ONCE", 2), (acquire, "_SOME", 0), (acquire, "_FEW", 0),
    ):  # fmt: skip
        monkeypatch.setattr(where, name, small)
    run_some(range(seed, seed + 2), 200)


def test_so_does_postgresql(postgres_dsn: str, seed: int) -> None:
    with closing(PostgresDatabase(postgres_dsn, SystemClock())) as database:
        run(database, seed, 60)


def _nothing(*_: Any, **__: Any) -> Any:
    return []


#: Faults of the database's side, each of which the law finds out.
FAULTS: dict[str, tuple[Any, str, Any]] = {
    "nobody is granted what others gave back": (promote, "_candidates", _nothing),
    "circles are not looked for": (circles, "check", _nothing),
    "what a session had stays": (promote, "free_sessions", _nothing),
    "a file is below one of its directories alone": (spots.Around, "of", lambda *_: frozenset()),
    "who waits for an owner is not looked for": (acquire, "_is_waited_for", lambda *_: False),
    "what one has is not known": (acquire, "covered", lambda *_, **__: False),
    "all that one has is enough": (acquire, "covered", lambda *_, **__: True),
    "who waits is in nobody's way": (
        lock_looks, "in_the_way", lambda tx, asks, real=lock_looks.in_the_way: (real(tx, asks)[0], [])
    ),
    "a line ends behind the first": (Claims, "closed", property(lambda claims: bool(claims._any))),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    with pytest.raises((AssertionError, CairnError)):
        run_some(range(seed, seed + 20), 250)
