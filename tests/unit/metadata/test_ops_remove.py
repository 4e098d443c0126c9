"""Removing: files, empty directories, whole subtrees in one row, and what comes after."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.metadata.ops.emptying import look_below
from cairnfs.metadata.ops.reap import Reap
from cairnfs.metadata.rows import orphans
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, remove, rename, write


def test_a_file_is_gone_and_still_in_the_past(ledger: Ledger) -> None:
    before = ledger.commit(write("/f", b"x")).commit
    inode = ledger.stat("/f").inode
    reply = ledger.commit(remove("/f"))
    assert (reply.results[0].inode, reply.results[0].etag) == (inode, None)
    with pytest.raises(e.NotFound):
        ledger.stat("/f")
    assert ledger.stat("/f", at=before).size == 1


def test_a_directory_must_be_empty(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/a", b"x"), write("/d/b", b"x"))
    with pytest.raises(e.NotEmpty):
        ledger.commit(remove("/d"))
    with pytest.raises(e.NotEmpty):  # one name less is not none
        ledger.commit(remove("/d/a"), remove("/d"))
    ledger.commit(remove("/d/a"), remove("/d/b"), remove("/d"))
    ledger.commit(mkdir("/d"), write("/d/c", b"x"))
    with pytest.raises(e.NotEmpty):
        ledger.commit(remove("/d"))


def test_what_cannot_be_removed(ledger: Ledger) -> None:
    for recursive in (False, True):
        with pytest.raises(e.RootIsFixed):
            ledger.commit(remove("/", recursive=recursive))
        with pytest.raises(e.NotFound):
            ledger.commit(remove("/missing", recursive=recursive))
    with pytest.raises(e.BadRequest):
        ledger.prepared(remove("/home", expected="none"))


def test_a_subtree_goes_at_once_and_is_ended_later(ledger: Ledger) -> None:
    for top in ("/d", "/d/s", "/d/s/t"):
        ledger.commit(mkdir(top), *[write(f"{top}/{n}", b"x") for n in range(5)])
    before, tree = ledger.newest(), ledger.tree()
    gone = ledger.commit(remove("/d", recursive=True)).commit
    assert ledger.read(lambda tx: tx.rows("SELECT name FROM dentry WHERE died = ?", gone)) == [(b"d",)]
    ledger.verify()
    assert ledger.tree() == {b"/home": None, b"/home/admin": None}
    while ledger.read(orphans.count):
        ledger.do(Reap(deadline=NEVER_LATE, rows=4))
        ledger.verify()
        assert ledger.tree(before) == tree
    assert ledger.do(Reap(deadline=NEVER_LATE)) == 0
    assert ledger.read(lambda tx: tx.rows("SELECT count(*) FROM dentry WHERE died = ?", gone)) == [(18,)]
    assert ledger.newest() == gone


def test_the_name_is_free_at_once(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/old", b"x"))
    ledger.commit(remove("/d", recursive=True), mkdir("/d"), write("/d/new", b"x"))
    ledger.reap()
    assert [one.name for one in ledger.list("/d")] == ["new"]


def test_what_the_same_commit_made_below_is_never_written(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d/s", parents=True), write("/d/s/f", b"1"))
    before = ledger.verify()
    ledger.commit(
        write("/d/s/f", b"2"),
        write("/d/s/g", b"3"),
        mkdir("/d/n"),
        write("/d/n/h", b"4"),
        remove("/d", recursive=True),
    )
    ledger.reap()
    after = ledger.verify()
    assert {key: after[key] - before[key] for key in ("inodes", "versions", "leaves", "names")} == {
        "inodes": 0,
        "versions": 0,
        "leaves": 0,
        "names": -3,
    }


def test_what_was_moved_out_before_stays(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d/s", parents=True), write("/d/s/f", b"1"), mkdir("/kept"))
    ledger.commit(rename("/d/s", "/kept/s"), remove("/d", recursive=True))
    ledger.reap()
    assert ledger.stat("/kept/s/f").size == 1


def test_what_was_moved_in_goes_too(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), mkdir("/other/s", parents=True), write("/other/s/f", b"1"))
    before = ledger.newest()
    ledger.commit(rename("/other", "/d/other"), remove("/d", recursive=True))
    ledger.reap()
    assert ledger.tree() == {b"/home": None, b"/home/admin": None}
    assert ledger.stat("/other/s/f", at=before).size == 1


def test_batches_may_remove_what_they_made(ledger: Ledger) -> None:
    first, second, third = ledger.batch(
        [
            ledger.prepared(mkdir("/d"), write("/d/f", b"1")),
            ledger.prepared(write("/d/g", b"2")),
            ledger.prepared(remove("/d", recursive=True)),
        ]
    )
    assert [set(ledger.tree(one.commit)) - set(ledger.tree(0)) for one in (first, second, third)] == [
        {b"/home", b"/home/admin", b"/d", b"/d/f"},
        {b"/home", b"/home/admin", b"/d", b"/d/f", b"/d/g"},
        {b"/home", b"/home/admin"},
    ]
    ledger.reap()


def test_the_right_to_remove_is_the_directorys(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(
        mkdir("/d", mode=0o777), write("/d/f", b"x", mode=0o600), mkdir("/e"), write("/e/f", b"x", mode=0o666)
    )
    ledger.commit(remove("/d/f"), person=bob)
    with pytest.raises(e.Forbidden):
        ledger.commit(remove("/e/f"), person=bob)


def test_a_sticky_directory_keeps_what_is_of_others(ledger: Ledger) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    ledger.commit(mkdir("/tmp", mode=0o1777))
    ledger.commit(write("/tmp/ann", b"x"), mkdir("/tmp/anns"), person=ann)
    for operation in (
        remove("/tmp/ann"),
        rename("/tmp/ann", "/tmp/bob"),
        remove("/tmp/anns", recursive=True),
    ):
        with pytest.raises(e.Forbidden):
            ledger.commit(operation, person=bob)
    ledger.commit(write("/tmp/bob", b"x"), person=bob)
    with pytest.raises(e.Forbidden):
        ledger.commit(rename("/tmp/bob", "/tmp/ann"), person=bob)
    ledger.commit(remove("/tmp/ann"), person=ann)


def test_all_below_must_be_ones_own_to_empty(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(
        mkdir("/d", mode=0o777), mkdir("/d/open", mode=0o777), mkdir("/d/open/shut"), mkdir("/d/empty")
    )
    paths = [b"/d/open", b"/d/missing", b"/"]

    def check() -> None:
        ledger.read(lambda tx: look_below(tx, bob, paths))  # type: ignore[arg-type]

    check()  # an empty directory is removed by the right to its parent
    ledger.commit(write("/d/open/shut/f", b"x"))
    with pytest.raises(e.Forbidden):
        check()
    ledger.read(lambda tx: look_below(tx, ledger.admin, paths))  # type: ignore[arg-type]
    ledger.commit(remove("/d/open/shut", recursive=True), mkdir("/d/open/tmp", mode=0o1777))
    check()
    ledger.commit(write("/d/open/tmp/f", b"x"))
    with pytest.raises(e.Forbidden):
        check()
