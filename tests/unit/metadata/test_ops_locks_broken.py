"""The record of broken locks: told the latest first, each to whose it was, and forgotten in the end."""

from __future__ import annotations

import pytest

from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops.locks import broken
from cairnfs.metadata.ops.locks import list as lists
from cairnfs.testing.ledger import Ledger
from cairnfs.wire.locks import BrokenItem, ListLocksRequest


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def put(ledger: Ledger, whose: Person, *rows: tuple[int, int]) -> None:
    """Records: number and time of each."""

    def insert(tx: Tx) -> None:
        for number, at_us in rows:
            one = (number, number, whose.user_id, ledger.admin.user_id, at_us, f"reason {number}")
            tx.run("INSERT INTO broken_lock VALUES (?, ?, ?, ?, ?, ?)", *one)

    ledger.database.write(insert)


def told(ledger: Ledger, person: Person, limit: int = 1000) -> list[BrokenItem]:
    """All pages, of `limit` each."""
    found: list[BrokenItem] = []
    cursor = None
    while True:
        request = ListLocksRequest(path="/anything", broken=True, limit=limit, cursor=cursor)
        page = ledger.read(lambda tx, r=request: lists.page(tx, person, r))  # type: ignore[misc]
        assert not page.locks
        found += page.broken
        if (cursor := page.cursor) is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_the_latest_come_first_and_people_see_their_own(ledger: Ledger, limit: int) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    put(ledger, ann, (1, 100), (3, 101), (5, 101), (7, 102))
    put(ledger, bob, (2, 100), (4, 101), (6, 102))
    assert [one.lock for one in told(ledger, ledger.admin, limit)] == [7, 6, 5, 4, 3, 2, 1]
    assert [one.lock for one in told(ledger, ann, limit)] == [7, 5, 3, 1]
    [latest, *_] = told(ledger, ann, limit)
    assert latest == BrokenItem(lock=7, fence=7, user="ann", by="admin", at_us=102, reason="reason 7")


def test_only_the_latest_are_remembered(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = ledger.person("ann")
    put(ledger, ann, *[(number, 100 - number // 2) for number in range(1, 21)])
    assert ledger.database.write(broken.forget) == 0
    monkeypatch.setattr(broken, "KEPT", 7)
    monkeypatch.setattr(broken, "_FORGOTTEN_AT_ONCE", 8)
    before = [one.lock for one in told(ledger, ann)]
    assert [ledger.database.write(broken.forget) for _ in range(3)] == [8, 5, 0]
    assert [one.lock for one in told(ledger, ann)] == before[:7]
