"""Copying a file on the server: its content, now or as it was, and what it keeps."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.seam import Database
from cairnfs.testing.ledger import Ledger, attributes_of, chattr, copy, mkdir, remove, symlink, write
from cairnfs.wire.commits import Operation


def planted(ledger: Ledger) -> Ledger:
    given = attributes_of(mtime_us=5, mtime_sub_ns=6, xattrs={b"user.a": b"1", b"trusted.t": b"t"})
    ledger.commit(
        mkdir("/d", mode=0o777), write("/f", b"1", b"2", mode=0o4755, attributes=given), symlink("/s", "f"),
        write("/shut", b"3", mode=0o600),
    )  # fmt: skip
    return ledger


def test_what_is_refused_changes_nothing(database: Database) -> None:
    ledger = planted(Ledger(database))
    bob = ledger.person("bob")
    refused: list[tuple[Operation, type[e.CairnError]]] = [
        (copy("/missing", "/d/n"), e.NotFound),
        (copy("/d", "/d/n"), e.IsADirectory),
        (copy("/", "/d/n"), e.IsADirectory),
        (copy("/f", "/d"), e.IsADirectory),
        (copy("/f", "/"), e.IsADirectory),
        (copy("/f", "/d/missing/n"), e.NotFound),
        (copy("/f", "/shut", replace=False), e.Exists),
        (copy("/f", "/shut"), e.Forbidden),
        (copy("/shut", "/d/n"), e.Forbidden),
        (copy("/f", "/n"), e.Forbidden),
        (copy("/f", "/d/n", at="999999"), e.NoSuchCommit),
        (copy("/f", "/d/n", at="1"), e.NotFound),
        (copy("/f", "/shut", expected="none"), e.Exists),
        (copy("/f", "/shut", expected="1.1.1"), e.VersionChanged),
    ]
    before, newest = ledger.everything(), ledger.newest()
    for operation, error in refused:
        with pytest.raises(error) as raised:
            ledger.commit(mkdir("/d/first"), operation, person=bob)
        assert type(raised.value) is error, operation
        assert (ledger.everything(), ledger.newest()) == (before, newest), operation
    ledger.verify()


def test_a_copy_is_new_and_ones_own(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    reply = ledger.commit(
        copy("/f", "/d/f"), copy("/s", "/d/g"), copy("/s", "/d/s", follow=False), person=bob
    )
    entry = ledger.stat("/d/f")
    assert (entry.owner, entry.mode, entry.mtime_us, entry.size) == ("bob", 0o755, reply.at_us, 2)
    assert ledger.open("/d/f").chunks == ledger.open("/d/g").chunks == ledger.open("/f").chunks
    assert ledger.stat("/d/s").raw_target() == b"f"
    assert ledger.xattrs("/d/f") == {}


def test_preserving_keeps_what_one_may(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    ledger.commit(copy("/f", "/d/all", preserve=True))
    ledger.commit(copy("/f", "/d/some", preserve=True), person=bob)
    whole, some = ledger.stat("/d/all"), ledger.stat("/d/some")
    assert (whole.owner, whole.mode, whole.mtime_ns) == ("admin", 0o4755, 5006)
    assert (some.owner, some.mode, some.mtime_ns) == ("bob", 0o755, 5006)  # it runs as nobody else
    assert ledger.xattrs("/d/all") == {b"user.a": b"1", b"trusted.t": b"t"}
    assert ledger.xattrs("/d/some") == {b"user.a": b"1"}


def test_as_it_was_with_the_rights_that_it_had(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    then = ledger.newest()
    ledger.commit(write("/f", b"other"), chattr("/f", mode=0o600), remove("/s"))
    ledger.commit(copy("/f", "/d/then", at=then), copy("/s", "/d/too", at=str(then)), person=bob)
    assert ledger.open("/d/then").chunks == ledger.open("/f", at=then).chunks == ledger.open("/d/too").chunks
    with pytest.raises(e.Forbidden):
        ledger.commit(copy("/f", "/d/now"), person=bob)
    with pytest.raises(e.Forbidden):
        ledger.commit(copy("/shut", "/d/shut", at=then), person=bob)


def test_within_a_commit_it_is_what_it_is_there(ledger: Ledger) -> None:
    planted(ledger)
    ledger.commit(
        write("/n", b"new", b"2"), copy("/n", "/a"), write("/n", b"newer"), copy("/n", "/b"), remove("/n"),
        copy("/a", "/c/d/e", parents=True),
    )  # fmt: skip
    assert [ledger.stat(path).size for path in ("/a", "/b", "/c/d/e")] == [4, 5, 4]
    ledger.verify()


def test_a_write_may_rely_on_a_copy_of_the_same_batch(ledger: Ledger) -> None:
    planted(ledger)
    then = ledger.newest()
    ledger.commit(write("/f", b"other"))
    ledger.do(ledger.prepared(copy("/f", "/n", at=then), write("/n", b"2"), receipts=[]))
    with pytest.raises(e.NotDurable):
        ledger.do(ledger.prepared(copy("/f", "/n", at=then), write("/n", b"9"), receipts=[]))
    assert ledger.stat("/n").size == 1


def test_over_what_is_there(ledger: Ledger) -> None:
    planted(ledger)
    inode = ledger.stat("/shut").inode
    ledger.commit(copy("/f", "/shut"), copy("/shut", "/s", follow=False), copy("/f", "/f"))
    assert (ledger.stat("/shut").inode, ledger.stat("/shut").mode) == (inode, 0o600)
    assert (ledger.stat("/s").kind, ledger.stat("/s").size) == ("file", 2)
