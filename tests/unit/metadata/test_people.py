"""What is remembered of people, and for how long. On every database."""

from __future__ import annotations

from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state import State
from cairnfs.testing.ledger import Ledger
from tests.unit.metadata.governing import change, create, now, signup


def test_names_are_looked_up_once(database: Database) -> None:
    ledger = Ledger(database)
    ledger.person("ann")
    ledger.do(create(ledger.admin, "staff"))
    asked: list[str] = []

    class Counting:
        def __init__(self, tx: Tx) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            if name in ("row", "rows", "rows_given"):
                asked.append(name)
            return getattr(self._tx, name)

    def look(tx: Tx) -> list[object]:
        now = clock.read(tx)
        people = People(Counting(tx), now)
        return [
            people.user("ann"),
            people.user_group("staff"),
            people.user("nobody"),
            people.user_group("ann"),
        ]

    first = ledger.read(look)
    count = len(asked)
    assert ledger.read(look) == first
    assert len(asked) == count
    assert first[2] is None
    assert first[0] == first[3]
    ledger.do(signup("nobody"))
    assert ledger.read(look)[2] is not None


def test_nothing_is_remembered_from_a_tx_that_changed_people(database: Database) -> None:
    ledger = Ledger(database)

    class Broken(Exception):
        pass

    def half(tx: Tx) -> None:
        state = State(tx, clock.lock(tx))
        create(ledger.admin, "staff").apply(state)
        assert state.people.user_group("staff") is not None
        raise Broken

    with pytest.raises(Broken):
        database.write(half)
    assert ledger.read(lambda tx: People(tx, clock.read(tx)).user_group("staff")) is None
    ledger.do(create(ledger.admin, "crew"))
    assert ledger.read(lambda tx: People(tx, clock.read(tx)).user_group("staff")) is None


def test_whoever_asks_first_nobody_is_called_otherwise(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")
    ledger.begin(ann)  # a session is begun by number
    assert now(ledger, Person(ann.user_id, "somebody", "admin")) == now(ledger, ann) == ann
    ledger.do(change(ledger.admin, "ann", state="disabled"))
    for name in ("somebody", "ann"):
        with pytest.raises(e.Unauthenticated, match=f"{name} was disabled"):
            now(ledger, ann._replace(name=name))
