"""Hard links: several names, one file, and the last to go takes it along."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import link as module
from cairnfs.metadata.state.changes import CREATED, MOVED, REMOVED, WRITTEN, decode
from cairnfs.testing.ledger import Ledger, chattr, link, mkdir, remove, rename, symlink, write
from cairnfs.wire.commits import Operation


def planted(ledger: Ledger) -> Ledger:
    ledger.commit(
        mkdir("/d"), mkdir("/e"), write("/f", b"f"), write("/d/x", b"x"), link("/d/x", "/e/x"),
        symlink("/s", "f"),
    )  # fmt: skip
    return ledger


@pytest.fixture
def tree(ledger: Ledger) -> Ledger:
    """In memory."""
    return planted(ledger)


@pytest.fixture
def each(database: Database) -> Ledger:
    """On each kind of database."""
    return planted(Ledger(database))


def changes(ledger: Ledger, commit: int) -> list[tuple[int, bytes, bytes]]:
    """(what, name, from which name) of a commit."""
    row = ledger.read(lambda tx: tx.row("SELECT entries FROM change WHERE commit_number = ?", commit))
    return [] if row is None else [(one.what, one.name, one.from_name) for one in decode(row[0])]


REFUSED: list[tuple[Operation, type[e.CairnError]]] = [
    (link("/missing", "/n"), e.NotFound),
    (link("/d", "/n"), e.LinkToDirectory),
    (link("/", "/n"), e.LinkToDirectory),
    (link("/f", "/d"), e.Exists),
    (link("/f", "/d", replace=True), e.IsADirectory),
    (link("/f", "/"), e.Exists),
    (link("/f", "/d/x"), e.Exists),
    (link("/f", "/f"), e.Exists),
    (link("/f", "/missing/n"), e.NotFound),
    (link("/f", "/f/n"), e.NotADirectory),
]


def test_what_is_refused_changes_nothing(each: Ledger) -> None:
    before, newest = each.everything(), each.newest()
    for operation, error in REFUSED:
        with pytest.raises(error) as refused:
            each.commit(mkdir("/first"), operation)
        assert type(refused.value) is error, operation
        assert (each.everything(), each.newest()) == (before, newest), operation
    each.verify()


def test_both_names_are_the_file(each: Ledger) -> None:
    version = each.stat("/f").etag
    first = each.commit(link("/f", "/g"), link("/g", "/h")).commit
    assert {each.stat(path).etag for path in ("/f", "/g", "/h")} == {version}
    assert [each.stat(path).links for path in ("/f", "/g", "/h")] == [3, 3, 3]
    assert each.stat("/f", at=first - 1).links == 1
    each.commit(write("/g", b"written"), chattr("/h", mode=0o600))
    assert (each.stat("/f").size, each.stat("/f").mode) == (7, 0o600)
    each.commit(link("/s", "/symlink"), link("/s", "/followed", follow=True))
    assert (each.stat("/symlink").links, each.stat("/s").kind) == (2, "symlink")
    assert each.stat("/followed").inode == each.stat("/f").inode
    each.verify()


@pytest.mark.parametrize("how", ["in one commit", "in one batch", "one by one"])
@pytest.mark.parametrize("last", [0, 1])
def test_the_last_name_takes_the_file_along(tree: Ledger, how: str, last: int) -> None:
    names = ["/d/x", "/e/x"]
    first, second = names[1 - last], names[last]
    if how == "in one commit":
        tree.commit(remove(first), remove(second))
    elif how == "in one batch":
        assert all(one.results for one in tree.batch([tree.prepared(remove(one)) for one in (first, second)]))
        assert tree.stat(second, at=tree.newest() - 1).links == 1
    else:
        tree.commit(remove(first))
        assert tree.stat(second).links == 1
        tree.commit(remove(second))
    assert tree.list("/d") == tree.list("/e") == []
    tree.verify()


@pytest.mark.parametrize("order", [["/d", "/e"], ["/e", "/d"]])
@pytest.mark.parametrize("reap_between", [False, True])
def test_below_two_removed_directories(tree: Ledger, order: list[str], reap_between: bool) -> None:
    first, second = order
    tree.commit(remove(first, recursive=True))
    assert tree.stat(f"{second}/x").links == 1
    tree.verify()
    if reap_between:
        tree.reap(rows=1)
    between = tree.newest()
    tree.commit(chattr(f"{second}/x", mode=0o640))
    tree.commit(remove(second, recursive=True))
    tree.verify()
    tree.reap(rows=1)
    tree.verify()
    assert tree.stat(f"{second}/x", at=between).links == 1
    assert tree.stat(f"{first}/x", at=between - 1).links == 2
    assert tree.read(lambda tx: tx.row("SELECT sum(links) FROM inode WHERE kind = 'file'")) == (1,)


def test_a_name_outlives_a_removed_directory_and_goes_after_it(each: Ledger) -> None:
    each.commit(remove("/d", recursive=True))
    gone = each.commit(remove("/e/x")).commit
    each.verify()
    each.reap()
    counts = each.verify()
    assert counts["orphans"] == 0
    assert each.stat("/e/x", at=gone - 1).links == 1


def test_renaming_one_name_onto_another_does_nothing(tree: Ledger) -> None:
    before = tree.everything()
    tree.commit(rename("/d/x", "/e/x"), link("/d/x", "/e/x", replace=True))
    assert tree.everything() == before
    with pytest.raises(e.Exists):
        tree.commit(rename("/d/x", "/e/x", replace=False))
    commit = tree.commit(rename("/f", "/e/x")).commit
    assert tree.stat("/d/x").links == 1
    assert sorted(changes(tree, commit)) == [(REMOVED, b"x", b""), (MOVED, b"x", b"f")]


def test_made_linked_and_removed_in_one_commit(tree: Ledger) -> None:
    tree.commit(write("/n", b"n"), link("/n", "/m"), remove("/n"), write("/m", b"mm"))
    assert (tree.stat("/m").size, tree.stat("/m").links) == (2, 1)
    tree.commit(write("/o"), link("/o", "/p"), remove("/o"), remove("/p"))
    first, second = tree.batch(
        [tree.prepared(link("/f", "/q")), tree.prepared(remove("/f"), rename("/q", "/f"))]
    )
    assert first.results
    assert second.results
    assert tree.stat("/f").links == 1
    tree.verify()


def test_the_log_says_what_happened_to_names_and_to_the_file(each: Ledger) -> None:
    stories: list[tuple[list[Operation], list[tuple[int, bytes, bytes]]]] = [
        ([link("/f", "/g"), write("/f", b"1")], [(CREATED, b"g", b""), (WRITTEN, b"f", b"")]),
        ([write("/f", b"2"), remove("/f")], [(REMOVED, b"f", b""), (WRITTEN, b"g", b"")]),
        ([link("/g", "/f"), rename("/g", "/h")], [(MOVED, b"f", b"g"), (CREATED, b"h", b"")]),
        ([remove("/f"), remove("/h")], [(REMOVED, b"f", b""), (REMOVED, b"h", b"")]),
        ([write("/d/x", b"3"), remove("/d", recursive=True)], [(REMOVED, b"d", b""), (WRITTEN, b"x", b"")]),
    ]
    for operations, told in stories:
        commit = each.commit(*operations).commit
        assert sorted(changes(each, commit)) == sorted(told), operations


def test_a_swap_keeps_what_was_written_apart(tree: Ledger) -> None:
    tree.commit(write("/g", b"g"))
    commit = tree.commit(
        write("/f", b"new"), rename("/f", "/t"), rename("/g", "/f"), rename("/t", "/g"),
        chattr("/f", mode=0o600),
    ).commit  # fmt: skip
    told = [(what, name) for what, name, _ in changes(tree, commit) if what != MOVED]
    assert told == [(WRITTEN, b"g"), (5, b"f")]


def test_names_have_a_limit(tree: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINKS_MAX", 4)
    tree.commit(link("/d/x", "/3"), link("/3", "/4"))
    with pytest.raises(e.TooManyLinks):
        tree.commit(link("/d/x", "/5"))
    tree.commit(remove("/4"), link("/d/x", "/5"))
    with pytest.raises(e.TooManyLinks):
        tree.commit(write("/n"), *[link("/n", f"/n{n}") for n in range(4)])


def test_linking_needs_the_directory_and_the_file(tree: Ledger) -> None:
    bob = tree.person("bob")
    tree.commit(mkdir("/open", mode=0o777), write("/theirs", b"x", mode=0o644))
    for asked in (link("/theirs", "/open/n"), link("/open/missing", "/d/n")):
        with pytest.raises((e.Forbidden, e.NotFound)):
            tree.commit(asked, person=bob)
    tree.commit(write("/open/own", b"x"), link("/open/own", "/open/other"), person=bob)
