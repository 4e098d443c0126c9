"""Walking paths: physical directories behind symlinks, rights on the way, and nothing remembered too long."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.seam import Database
from cairnfs.testing.ledger import Ledger, chattr, mkdir, remove, rename, symlink, write


def planted(ledger: Ledger) -> Ledger:
    ledger.commit(
        mkdir("/a/b/c", parents=True), mkdir("/x"), symlink("/x/deep", "/a/b/c"), symlink("/x/up", "deep/.."),
        symlink("/x/round", "deep/../../b/./c/../c"), write("/a/b/f", b"f"),
    )  # fmt: skip
    return ledger


def test_dots_go_up_from_where_a_symlink_led(database: Database) -> None:
    ledger = planted(Ledger(database))
    assert ledger.stat("/x/up", follow=True).inode == ledger.stat("/a/b").inode
    assert ledger.stat("/x/round", follow=True).inode == ledger.stat("/a/b/c").inode
    assert ledger.stat("/x/up/f").inode == ledger.stat("/a/b/f").inode
    ledger.commit(write("/x/up/new", b"x"), mkdir("/x/deep/d/e", parents=True), rename("/x/up/f", "/x/f"))
    assert {path for path in ledger.tree() if path.startswith(b"/a")} >= {b"/a/b/new", b"/a/b/c/d/e"}
    assert ledger.stat("/x/f").size == 1
    first = ledger.newest()
    ledger.commit(rename("/a/b/c", "/a/c"), symlink("/x/deep", "/a/c", replace=True))
    assert ledger.stat("/x/up", follow=True).inode == ledger.stat("/a").inode
    assert ledger.stat("/x/up", follow=True, at=first).inode == ledger.stat("/a/b").inode


def test_a_slash_at_the_end_of_a_path_says_nothing(ledger: Ledger) -> None:
    planted(ledger)
    assert ledger.stat("/x/deep/").kind == "symlink"
    ledger.commit(remove("/x/deep/", recursive=True))
    assert ledger.stat("/a/b/c").kind == "directory"


def test_above_the_root_is_the_root(ledger: Ledger) -> None:
    ledger.commit(symlink("/out", "../../.."), symlink("/odd", "/../a"), mkdir("/a"))
    assert ledger.stat("/out", follow=True).inode == 1
    assert ledger.stat("/odd", follow=True).inode == ledger.stat("/a").inode


def test_a_target_with_a_name_that_none_can_be(ledger: Ledger) -> None:
    ledger.commit(symlink("/long", b"x" * 256), symlink("/longer", b"y" * 256 + b"/z"))
    for path in ("/long", "/longer"):
        with pytest.raises(e.BadName):
            ledger.stat(path, follow=True)


def test_who_may_not_walk_is_not_told_what_is_there(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/shut", mode=0o700), write("/shut/f", b"x"), symlink("/l", "shut/f"))
    for path in ("/shut/f", "/shut/missing", "/shut/f/below", "/l"):
        with pytest.raises(e.Forbidden):
            ledger.stat(path, person=bob, follow=True)


def test_rights_that_change_in_a_commit_count_in_it_and_for_each_person(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d", mode=0o777), mkdir("/d/e", mode=0o777))
    ledger.commit(mkdir("/d/own", mode=0o777), write("/d/own/1"), person=bob)
    with pytest.raises(e.Forbidden):
        ledger.commit(write("/d/own/2"), chattr("/d/own", mode=0o600), write("/d/own/3"), person=bob)
    first, second, third = ledger.batch(
        [
            ledger.prepared(write("/d/e/bob"), person=bob),
            ledger.prepared(write("/d/e/admin"), chattr("/d", mode=0o700)),
            ledger.prepared(write("/d/e/late"), person=bob),
        ]
    )
    assert first.results
    assert second.results
    assert isinstance(third, e.Forbidden)
