"""Statements that are written for both databases, asked on both: plans that matter, and defects told."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.ids import NEVER, CommitNumber, InodeId, Name
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops.remove import check_below
from cairnfs.metadata.rows import chunks, dentries, inodes, leaves, nodes, versions
from cairnfs.testing.ledger import Ledger, chunk, mkdir, remove, write


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
    assert [one.name for one in now] == [b"011", b"013", b"015"]
    assert [one.name for one in then] == [b"011", b"012", b"013"]
    assert ledger.read(lambda tx: dentries.first_name(tx, inode, b"010")) == b"011"
    assert ledger.read(lambda tx: dentries.some_names(tx, [inode, InodeId(99)])) == {inode: b"001"}


def test_looking_below_on_both(database: Database) -> None:
    ledger = Ledger(database)
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d", mode=0o777), mkdir("/d/e", mode=0o777), write("/d/e/f", b"x"))
    ledger.read(lambda tx: check_below(tx, bob, [b"/d"]))  # type: ignore[list-item]
    ledger.commit(mkdir("/d/e/shut"), write("/d/e/shut/f"))
    with pytest.raises(e.Forbidden):
        ledger.read(lambda tx: check_below(tx, bob, [b"/d"]))  # type: ignore[list-item]


def test_only_one_name_and_one_version_live(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(mkdir("/d"))
    inode = ledger.stat("/d").inode
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write(
            lambda tx: dentries.insert(
                tx, [(InodeId(1), Name(b"d"), CommitNumber(99), NEVER, InodeId(inode), "directory")]
            )
        )
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write(lambda tx: versions.insert(tx, [(inode, 99, NEVER, 0, 0, 0, 0, 0, b"")]))
