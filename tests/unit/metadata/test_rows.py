"""Statements that are written for both databases, asked on both: plans that matter, and defects told."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.ids import NEVER, CommitNumber, InodeId, Name, RequestId, UserId
from cairnfs.metadata.databases.seam import Database, Value
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase, SqliteTx
from cairnfs.metadata.ops.emptying import look_below
from cairnfs.metadata.ops.settle import Settle
from cairnfs.metadata.rows import chunks, dentries, inodes, leaves, nodes, versions
from cairnfs.testing.ledger import NEVER_LATE, Ledger, chunk, mkdir, remove, rename, write


def test_what_is_not_alive_cannot_end_twice(database: Database) -> None:
    ledger = Ledger(database)
    born = CommitNumber(ledger.commit(mkdir("/d")).commit)
    inode = InodeId(ledger.stat("/d").inode)
    row = (InodeId(1), Name(b"d"), born, CommitNumber(born + 1))
    with pytest.raises(AssertionError):
        database.write(lambda tx: dentries.end(tx, [row, (row[0], Name(b"e"), born, row[3])]))
    with pytest.raises(AssertionError):
        database.write(lambda tx: versions.end(tx, [(inode, CommitNumber(1), row[3])]))
    with pytest.raises(AssertionError):
        database.write(lambda tx: inodes.update(tx, [(InodeId(99), 1, CommitNumber(0), 0)]))
    with pytest.raises(AssertionError):
        database.write(lambda tx: leaves.refer(tx, [(chunk(b"x").hash, 1)]))
    ledger.verify()


def test_a_chunk_keeps_its_size_and_its_most_copies(database: Database) -> None:
    one = chunk(b"x")
    for size, copies, written in ((1, 2, 1), (1, 3, 1), (1, 1, 1), (2, 3, 0)):
        assert database.write(lambda tx, s=size, c=copies: chunks.refer(tx, [(one.hash, s, 5, c)])) == written  # type: ignore[misc]
    assert database.read(lambda tx: tx.rows("SELECT size, refs, copies FROM chunk")) == [(1, 15, 3)]


def test_pages_go_on_after_the_last_name(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(mkdir("/d"), *[write(f"/d/{n:03}") for n in range(100)])
    commit = ledger.commit(*[remove(f"/d/{n:03}") for n in range(0, 100, 2)]).commit
    inode = InodeId(ledger.stat("/d").inode)
    now = ledger.read(lambda tx: nodes.page(tx, inode, b"010", 3, None))
    then = ledger.read(lambda tx: nodes.page(tx, inode, b"010", 3, CommitNumber(commit - 1)))
    assert [one.dentry.name for one in now] == [b"011", b"013", b"015"]
    assert [one.dentry.name for one in then] == [b"011", b"012", b"013"]
    assert ledger.read(lambda tx: dentries.first_names(tx, inode, 2)) == [b"001", b"003"]
    assert ledger.read(lambda tx: dentries.some_names(tx, [inode, InodeId(99)])) == {inode: b"001"}


def test_looking_below_on_both(database: Database) -> None:
    ledger = Ledger(database)
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d", mode=0o777), mkdir("/d/e", mode=0o777), write("/d/e/f", b"x"))
    ledger.read(lambda tx: look_below(tx, bob, [b"/d"]))  # type: ignore[list-item]
    ledger.commit(mkdir("/d/e/shut"), write("/d/e/shut/f"))
    with pytest.raises(e.Forbidden):
        ledger.read(lambda tx: look_below(tx, bob, [b"/d"]))  # type: ignore[list-item]


def test_only_one_name_and_one_version_live(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(mkdir("/d"))
    inode = ledger.stat("/d").inode
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write(
            lambda tx: dentries.insert(
                tx, [(InodeId(1), Name(b"d"), CommitNumber(99), NEVER, InodeId(inode), "directory", 1)]
            )
        )
    again = nodes.Version(InodeId(inode), CommitNumber(99), 0, UserId(0), 0, 0, 0)
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write(lambda tx: versions.insert(tx, [versions.row(again, NEVER, b"")]))


GROWS = r"SCAN (d|e|v|i|l|c|u|dentry|version|inode|leaf|chunk|commits|reply|users|session)( |$)"


def test_nothing_that_is_done_all_day_scans_a_table_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is asked for the plan of every statement of commits, reads and reaping."""
    plans: dict[str, str] = {}
    execute = SqliteTx._execute

    def explained(tx: SqliteTx, text: str, args: tuple[Value, ...]) -> sqlite3.Cursor:
        if text not in plans:
            plans[text] = "; ".join(
                row[3] for row in execute(tx, f"EXPLAIN QUERY PLAN {text}", args).fetchall()
            )
        return execute(tx, text, args)

    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        ledger = Ledger(database)
        bob = ledger.person("bob")
        monkeypatch.setattr(SqliteTx, "_execute", explained)
        ledger.commit(mkdir("/d/e", parents=True), *[write(f"/d/{n}", b"x", b"%d" % n) for n in range(5)])
        ledger.do(ledger.prepared(write("/d/0", b"x"), receipts=[]))
        ledger.commit(rename("/d/1", "/d/2"), mkdir("/x"), remove("/d/3"), remove("/d/e"))
        ledger.batch([Settle(bob.user_id, RequestId("r"), deadline=NEVER_LATE)])
        for at in (None, 3):
            ledger.list("/d", limit=2, at=at)
            ledger.open("/d/0", at=at, start=1)
        ledger.stat("/d", at="0s")
        ledger.read(lambda tx: look_below(tx, ledger.admin._replace(role="user"), [b"/d"]))  # type: ignore[list-item]
        ledger.commit(remove("/d", recursive=True), remove("/x"))
        ledger.reap(rows=2)
    assert len(plans) > 40
    scans = {text: plan for text, plan in plans.items() if re.search(GROWS, plan) and "CONSTANT" not in plan}
    assert not scans
    # What lives is found by an index that holds nothing else, however much died in a directory.
    for words in ("ORDER BY d.name LIMIT", "FROM orphan ORDER BY inode LIMIT ?) AS o"):
        living = [plan for text, plan in plans.items() if words in text and f"d.died = {NEVER}" in text]
        assert living
        assert all("INDEX dentry_live (parent=? AND died=?" in plan for plan in living), living
