"""Locks, broken by hand row by row: verification finds it, and nothing in a sound queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing.ledger import Ledger, link, mkdir, remove, rename, write
from tests.unit.metadata.holders import Holder
from tests.unit.metadata.lock_rows import INODE, Rows


def queue(database: Database) -> Rows:
    """One holds `/d/f` and waits elsewhere; readers and writers wait in turn; one has `/s` with all below."""
    ledger = Ledger(database)
    ledger.commit(mkdir("/d/e", parents=True), mkdir("/s/t", parents=True), write("/d/f"), write("/s/t/g"))
    ledger.commit(write("/h"), link("/h", "/d/e/h"))
    rows = Rows(ledger)
    ann, bob, eve = rows.others
    rows.put(1, ann, rows.keys("/d/f"))
    rows.put(2, bob, rows.keys("/d/f"), shared=True, held=False)
    rows.put(3, eve, rows.keys("/d/f", "/d/new"), held=False)
    rows.put(4, bob, rows.keys("/s"), subtree=True)
    rows.put(5, ann, rows.keys("/s/t/g"), shared=True, held=False)
    rows.put(6, ann, rows.keys("/d"), shared=True)
    rows.put(7, bob, rows.keys("/d"), shared=True)
    rows.put(8, ann, rows.keys("/"), shared=True)
    # A file with two names has directories above both.
    rows.put(9, eve, list(dict.fromkeys([*rows.keys("/h"), *rows.keys("/d/e/h")[1:]])), subtree=True)
    rows.put(10, bob, rows.keys("/d/e"), subtree=True, held=False)
    return rows


@pytest.fixture
def rows() -> Iterator[Rows]:
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        yield queue(database)


def test_a_sound_queue_has_no_findings(database: Database) -> None:
    rows = queue(database)
    counts = rows.ledger.verify()
    assert (counts["locks"], counts["locks_waiting"]) == (6, 4)
    assert counts["lock_keys"] > 20


PLANTED = [
    ("lock", "which is over", "DELETE FROM session WHERE id = (SELECT session FROM lock WHERE id = 4)"),
    ("lock", "another user than", "UPDATE lock SET user_id = user_id + 1 WHERE id = 2"),
    ("lock", "still to be given", "UPDATE clock SET next_lock = 10"),
    ("lock", "beyond the clock's", "UPDATE clock SET fence = 3"),
    ("lock", "locks have the fence", "UPDATE lock SET fence = 4 WHERE id = 1"),
    ("lock", "the clock counts", "UPDATE clock SET locks = locks - 1"),
    ("lock", "makes no sense", "UPDATE lock SET exclusive = 2 WHERE id = 6"),
    ("lock", "makes no sense", "UPDATE lock SET subtree = -1 WHERE id = 6"),
    ("lock", "makes no sense", "UPDATE lock SET granted_us = 0 WHERE id = 6"),
    ("lock", "makes no sense", "UPDATE lock SET granted_us = 5 WHERE id = 2"),
    ("lock", "makes no sense", "UPDATE lock SET fence = -1 WHERE id = 2"),
    ("lock", "makes no sense", "UPDATE lock SET token_hash = x'00' WHERE id = 2"),
    ("lock", "was broken", "INSERT INTO broken_lock VALUES (4, 4, 1, 1, 1, '')"),
    ("lock", "lock 7 is held, and so is", "UPDATE lock SET exclusive = 1 WHERE id = 7"),
    ("lock", "lock 7 is held, and so is", "UPDATE lock SET exclusive = 1 WHERE id = 6"),
    ("lock", "lock 9 is held, and so is", "UPDATE lock SET subtree = 1 WHERE id = 8"),
    ("lock", "request 5 waits, and nothing", "UPDATE lock SET subtree = 0 WHERE id = 4"),
    ("lock", "request 5 waits, and nothing", "UPDATE lock SET exclusive = 0 WHERE id = 4"),
    ("lock", "request 2 waits, and nothing", "UPDATE lock SET exclusive = 0 WHERE id = 1"),
    (
        "lock",
        "request 2 waits, and nothing",
        "UPDATE lock SET session = (SELECT session FROM lock WHERE id = 1) WHERE id = 2",
    ),
    ("lock", "request 10 waits, and nothing", "UPDATE lock SET subtree = 0 WHERE id = 10"),
    ("lock_key", "not there", "INSERT INTO lock_key VALUES (1, 1, x'', 1, 4711)"),
    ("lock_key", "not in that state", "UPDATE lock_key SET held = 0 WHERE lock = 1 AND kind = 2"),
    ("lock_key", "not in that state", "UPDATE lock_key SET held = 1 WHERE lock = 2 AND kind = 1"),
    ("lock_key", "is none", "UPDATE lock_key SET kind = 3 WHERE lock = 1 AND kind = 2"),
    ("lock_key", "is none", "UPDATE lock_key SET name = x'61' WHERE lock = 1 AND kind = 1"),
    ("lock_key", "is none", "UPDATE lock_key SET name = x'' WHERE lock = 1 AND kind = 0"),
    ("lock_key", "lock 1 is for no path", "DELETE FROM lock_key WHERE lock = 1 AND kind = 0"),
    ("lock_key", "lock 8 is for no path", "DELETE FROM lock_key WHERE lock = 8"),
    ("lock_key", "not for inode", "DELETE FROM lock_key WHERE lock = 1 AND kind = 1"),
    ("lock_key", "none of its names", "UPDATE lock_key SET inode = 4711 WHERE lock = 1 AND kind = 1"),
    ("lock_key", "has no key", "DELETE FROM lock_key WHERE lock = 1 AND kind = 2 AND inode = 1"),
    ("lock_key", "has no key", "DELETE FROM lock_key WHERE lock = 9 AND kind = 2 AND inode <> 1"),
    (
        "lock_key",
        "where it has nothing",
        "INSERT INTO lock_key SELECT inode, 2, x'', 1, 4 FROM dentry WHERE name = x'74'",
    ),
]


@pytest.mark.parametrize(
    ("invariant", "detail", "sql"),
    PLANTED,
    ids=[f"{detail}-{at}" for at, (_, detail, _) in enumerate(PLANTED)],
)
def test_what_is_broken_is_found(rows: Rows, invariant: str, detail: str, sql: str) -> None:
    assert rows.run(sql), "the story breaks nothing"
    told = rows.found()
    assert any(detail in one for one in told[invariant]), told


def test_two_hard_links_are_one_file(rows: Rows) -> None:
    rows.put(11, rows.others[0], [key for key in rows.keys("/d/e/h") if key[0] != INODE])
    assert "lock_key" in rows.found(), "the second name leads to an inode that it does not hold"
    rows.run("DELETE FROM lock_key WHERE lock = 11")
    rows.run("DELETE FROM lock WHERE id = 11")
    rows.run("UPDATE clock SET locks = locks - 1")
    rows.put(11, rows.others[0], rows.keys("/d/e/h"))
    assert rows.found()["lock"] == ["lock 11 is held, and so is one that conflicts with it"]


def test_an_earlier_waiter_is_in_the_way_of_a_later_one(rows: Rows) -> None:
    ann, bob, eve = rows.others
    rows.put(11, ann, rows.keys("/s/t/new"), shared=True)
    rows.run("UPDATE lock SET exclusive = 0 WHERE id = 4")
    rows.run("UPDATE lock SET fence = 5, granted_us = 5 WHERE id = 5")
    rows.run("UPDATE lock_key SET held = 1 WHERE lock = 5")
    assert not rows.found(), "readers, below and above"
    rows.put(12, eve, rows.keys("/s/t/new"), held=False)
    rows.put(13, bob, rows.keys("/s/t/new"), shared=True, held=False)
    assert not rows.found(), "a writer waits for readers, a reader behind it for the writer"
    rows.put(14, eve, rows.keys("/s/t/new"), shared=True, held=False)
    assert rows.found() == {"lock": ["request 14 waits, and nothing is in its way"]}, "its own writer is none"


def test_keys_follow_the_tree(rows: Rows) -> None:
    """The clock says that there are no locks, so these commits look for none, and keys stay as they were."""
    rows.put(11, rows.others[1], rows.keys("/d/more"))
    rows.run("UPDATE clock SET locks = 0")
    for change, missing in (
        (rename("/d/f", "/d/other"), "none of its names"),
        (rename("/d/other", "/d/more"), "not for inode"),
        (rename("/s", "/d/s"), "has no key that says so"),
        (remove("/h"), "where it has nothing"),
    ):
        rows.ledger.commit(change)
        told = rows.found()
        assert any(missing in one for one in told["lock_key"]), (change, told)


def test_of_what_was_removed_nothing_is_asked(rows: Rows) -> None:
    rows.run("DELETE FROM lock_key WHERE lock NOT IN (4, 5)")
    rows.run("DELETE FROM lock WHERE id NOT IN (4, 5)")
    rows.run("UPDATE clock SET locks = 0")
    rows.ledger.commit(remove("/s", recursive=True))
    rows.run("DELETE FROM lock_key WHERE lock = 4 AND kind = 1")
    rows.run("UPDATE lock SET subtree = 0, exclusive = 0 WHERE id = 4")
    rows.run("UPDATE lock SET fence = 5, granted_us = 5 WHERE id = 5")
    rows.run("UPDATE lock_key SET held = 1 WHERE lock = 5")
    rows.run("UPDATE clock SET locks = 2")
    assert not rows.found(), "its owner removed all above it"
    rows.ledger.reap()
    assert not rows.found()


def test_an_owner_may_remove_what_it_has_locked() -> None:
    """Its locks are for names in directories that are gone then; a file goes on under another name."""
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        ledger = Ledger(database)
        ledger.commit(mkdir("/d/e", parents=True), write("/d/f"), write("/d/e/g"), link("/d/f", "/h"))
        holder = Holder(ledger)
        proofs = [holder.lock("/d/f"), holder.lock("/d/e/g"), holder.lock("/d/e", subtree=True)]
        ledger.do(ledger.prepared(remove("/d", recursive=True), locks=proofs))
        ledger.verify()
        ledger.reap()
        assert ledger.verify()["locks"] == 3
        holder.release()
        assert ledger.verify()["lock_keys"] == 0
