"""Renaming, as POSIX has it; a directory of any size is one row."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write


@pytest.fixture
def tree(ledger: Ledger) -> Ledger:
    ledger.commit(
        mkdir("/d/s", parents=True),
        write("/d/s/deep", b"deep"),
        mkdir("/empty"),
        mkdir("/stuffed"),
        write("/stuffed/x", b"x"),
        write("/f", b"f"),
        write("/g", b"gg"),
    )
    return ledger


@pytest.mark.parametrize(
    ("path", "target", "error"),
    [
        ("/missing", "/x", e.NotFound),
        ("/f", "/missing/x", e.NotFound),
        ("/f/x", "/x", e.NotADirectory),
        ("/f", "/g/x", e.NotADirectory),
        ("/f", "/empty", e.IsADirectory),
        ("/empty", "/f", e.NotADirectory),
        ("/empty", "/stuffed", e.NotEmpty),
        ("/d/s", "/d", e.NotEmpty),
        ("/d", "/d/x", e.RenameIntoItself),
        ("/d", "/d/s/x", e.RenameIntoItself),
        ("/d", "/d/s", e.RenameIntoItself),
        ("/", "/x", e.RootIsFixed),
        ("/d", "/", e.RootIsFixed),
    ],
)
def test_what_is_refused_changes_nothing(
    tree: Ledger, path: str, target: str, error: type[e.CairnError]
) -> None:
    before, newest = tree.tree(), tree.newest()
    with pytest.raises(error) as refused:
        tree.commit(rename(path, target))
    assert type(refused.value) is error
    assert (tree.tree(), tree.newest()) == (before, newest)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/f", "/n"),
        ("/f", "/d/s/n"),
        ("/f", "/g"),
        ("/d", "/n"),
        ("/d", "/stuffed/n"),
        ("/d/s", "/empty"),
        ("/stuffed", "/empty"),
    ],
)
def test_what_is_moved_stays_the_same(tree: Ledger, path: str, target: str) -> None:
    before, old = tree.tree(), tree.stat(path)
    reply = tree.commit(rename(path, target))
    after, new = tree.tree(), tree.stat(target)
    moved = {
        (target.encode() + one[len(path) :]): what
        for one, what in before.items()
        if one.startswith(path.encode())
    }
    kept = {one: what for one, what in before.items() if not one.startswith(path.encode())}
    assert after == kept | moved
    assert (new.inode, new.etag, new.mode, new.owner) == (old.inode, old.etag, old.mode, old.owner)
    assert reply.results[0].etag == old.etag
    assert tree.tree(reply.commit - 1) == before


def test_to_itself_is_nothing_but_a_commit(tree: Ledger) -> None:
    before = tree.tree()
    for path in ("/f", "/d", "/d/s"):
        tree.commit(rename(path, path))
        with pytest.raises(e.Exists):
            tree.commit(rename(path, path, replace=False))
    assert tree.tree() == before


def test_without_replace_nothing_is_replaced(tree: Ledger) -> None:
    for target in ("/g", "/empty", "/stuffed"):
        with pytest.raises(e.Exists):
            tree.commit(rename("/f", target, replace=False))
    tree.commit(rename("/f", "/n", replace=False))


def test_the_expected_version_is_the_sources(tree: Ledger) -> None:
    etag = tree.stat("/f").etag
    with pytest.raises(e.VersionChanged):
        tree.commit(rename("/g", "/n", expected=etag))
    tree.commit(rename("/f", "/n", expected=etag))


def test_swapping_two_in_one_commit(tree: Ledger) -> None:
    tree.commit(rename("/f", "/t"), rename("/g", "/f"), rename("/t", "/g"))
    assert (tree.stat("/f").size, tree.stat("/g").size) == (2, 1)
    tree.commit(rename("/d", "/t"), rename("/stuffed", "/d"), rename("/t", "/stuffed"))
    assert tree.stat("/stuffed/s/deep").size == 4
    assert tree.stat("/d/x").size == 1


def test_away_and_back_in_one_commit(tree: Ledger) -> None:
    before = tree.tree()
    tree.commit(rename("/d", "/t"), rename("/t", "/d"))
    assert tree.tree() == before


def test_a_circle_cannot_be_made_by_turns(tree: Ledger) -> None:
    tree.commit(mkdir("/a"), mkdir("/b"))
    first, second = tree.batch([tree.prepared(rename("/a", "/b/a")), tree.prepared(rename("/b", "/a/b"))])
    assert first.results
    assert isinstance(second, e.NotFound)
    first, second = tree.batch([tree.prepared(rename("/b/a", "/a")), tree.prepared(rename("/b", "/a/b"))])
    assert second.results


def test_what_is_written_below_after_the_move(tree: Ledger) -> None:
    tree.commit(rename("/d", "/n"), *[write(f"/n/s/{n}", b"x") for n in range(20)], remove("/n/s/deep"))
    assert len(tree.list("/n/s")) == 20


def test_a_directory_of_ten_thousand_names_is_one_row(ledger: Ledger) -> None:
    ledger.commit(mkdir("/many"))
    for part in range(10):
        ledger.commit(*[write(f"/many/{part}-{n}") for n in range(1000)])
    commit = ledger.commit(rename("/many", "/moved")).commit
    rows = ledger.read(
        lambda tx: tx.rows("SELECT name FROM dentry WHERE born = ? OR died = ?", commit, commit)
    )
    assert sorted(rows) == [(b"many",), (b"moved",)]
    assert ledger.stat("/moved/9-999").size == 0


def test_moving_needs_both_directories(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/mine"), write("/mine/f", b"x"), mkdir("/open", mode=0o777), write("/open/f", b"x"))
    for path, target in (("/mine/f", "/open/g"), ("/open/f", "/mine/g"), ("/open/f", "/mine/f")):
        with pytest.raises(e.Forbidden):
            ledger.commit(rename(path, target), person=bob)
    ledger.commit(rename("/open/f", "/open/g"), person=bob)
