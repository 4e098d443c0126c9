"""Symlinks: made, replaced, followed and not, by every verb."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops.resolve import BEHIND_MAX, SYMLINKS_MAX
from cairnfs.testing.ledger import (
    Ledger,
    attributes_of,
    chattr,
    copy,
    link,
    mkdir,
    remove,
    rename,
    setxattr,
    symlink,
    write,
)
from cairnfs.wire.commits import SYMLINK_MAX_BYTES, Operation


def planted(ledger: Ledger) -> Ledger:
    ledger.commit(
        mkdir("/d/s", parents=True),
        write("/d/f", b"f"),
        symlink("/to-d", "d"),
        symlink("/d/up", ".."),
        symlink("/to-f", "/d/f"),
        symlink("/dangling", "d/nothing"),
        symlink("/loop", "loop"),
        symlink("/a", "b"),
        symlink("/b", "/a"),
    )
    return ledger


@pytest.fixture
def tree(ledger: Ledger) -> Ledger:
    """In memory."""
    return planted(ledger)


@pytest.fixture
def each(database: Database) -> Ledger:
    """On each kind of database."""
    return planted(Ledger(database))


def test_a_symlink_is_what_it_says(tree: Ledger) -> None:
    target = bytes(range(1, 256))
    tree.commit(symlink("/odd", target, attributes=attributes_of(mtime_us=7, mtime_sub_ns=3)))
    entry = tree.stat("/odd")
    assert (entry.kind, entry.raw_target(), entry.size, entry.mode) == ("symlink", target, 255, 0o777)
    assert entry.mtime_ns == 7003
    assert tree.stat("/odd", at=tree.newest()).raw_target() == target


@pytest.mark.parametrize("target", [b"", b"a\0b", b"x" * (SYMLINK_MAX_BYTES + 1)])
def test_what_no_target_can_be(tree: Ledger, target: bytes) -> None:
    with pytest.raises((e.BadSymlink, e.BadRequest)):
        tree.commit(symlink("/x", target))
    tree.commit(symlink("/x", b"x" * SYMLINK_MAX_BYTES))


REFUSED: list[tuple[Operation, type[e.CairnError]]] = [
    (symlink("/to-d", "x"), e.Exists),
    (symlink("/d", "x", replace=True), e.IsADirectory),
    (symlink("/", "x", replace=True), e.Exists),
    (symlink("/missing/x", "x"), e.NotFound),
    (symlink("/d/f/x", "x"), e.NotADirectory),
    (write("/loop", b"x"), e.SymlinkLoop),
    (write("/a/x", b"x"), e.SymlinkLoop),
    (chattr("/a", mode=0o600), e.SymlinkLoop),
    (write("/dangling/x", b"x"), e.NotFound),
    (write("/to-d", b"x"), e.IsADirectory),
    (write("/to-f", b"x", expected="none"), e.Exists),
    (write("/to-f/x", b"x"), e.NotADirectory),
    (mkdir("/to-d"), e.Exists),
    (mkdir("/dangling"), e.Exists),
    (mkdir("/dangling", parents=True), e.Exists),
    (mkdir("/loop", parents=True), e.Exists),
    (mkdir("/to-f", parents=True), e.Exists),
    (mkdir("/loop/x", parents=True), e.SymlinkLoop),
    (chattr("/dangling", mode=0o600), e.NotFound),
    (setxattr("/to-f", "user.a", b"1", follow=False), e.BadXattr),
    (rename("/d", "/to-d/x"), e.RenameIntoItself),
    (rename("/d", "/d/up/d/s/x"), e.RenameIntoItself),
    (rename("/d", "/d/up/to-d/s"), e.RenameIntoItself),
    (rename("/to-f", "/d"), e.IsADirectory),
    (rename("/d", "/to-f"), e.NotADirectory),
    (remove("/to-d/missing"), e.NotFound),
    (copy("/dangling", "/x"), e.NotFound),
    (copy("/d/f", "/to-d"), e.IsADirectory),
    (copy("/d/f", "/dangling", expected="none"), e.Exists),
    (copy("/d/f", "/dangling", replace=False), e.Exists),
    (link("/dangling", "/x", follow=True), e.NotFound),
    (link("/to-d", "/x", follow=True), e.LinkToDirectory),
]


def test_what_is_refused_changes_nothing(each: Ledger) -> None:
    before, newest = each.everything(), each.newest()
    for operation, error in REFUSED:
        with pytest.raises(error) as refused:
            each.commit(mkdir("/first"), operation)
        assert type(refused.value) is error, operation
        assert (each.everything(), each.newest()) == (before, newest), operation
    each.verify()


def test_the_way_goes_through_and_the_end_where_it_is_asked_for(tree: Ledger) -> None:
    assert tree.stat("/to-d/up/to-f").kind == "symlink"
    assert tree.stat("/to-d/up/to-f", follow=True).inode == tree.stat("/d/f").inode
    assert tree.stat("/to-d/up", follow=True).inode == 1
    assert [one.name for one in tree.list("/d/up/to-d")] == ["f", "s", "up"]
    assert tree.open("/to-f").entry.size == 1
    with pytest.raises(e.SymlinkLoop):
        tree.stat("/a", follow=True)
    assert tree.stat("/a").kind == "symlink"


def test_writing_goes_where_it_leads_unless_told_not_to(each: Ledger) -> None:
    each.commit(write("/to-f", b"four"), write("/dangling", b"new"), mkdir("/to-d/up/made"))
    assert (each.stat("/d/f").size, each.stat("/d/nothing").size) == (4, 3)
    assert each.stat("/made").kind == "directory"
    each.commit(write("/to-f", b"itself", follow=False))
    assert (each.stat("/to-f").kind, each.stat("/d/f").size) == ("file", 4)
    each.commit(remove("/to-d", recursive=True), remove("/dangling"))
    assert each.stat("/d/s").kind == "directory"


def test_a_slash_or_dots_at_the_end_of_a_target_ask_for_a_directory(tree: Ledger) -> None:
    for number, end in enumerate(("/", "/.", "//")):
        tree.commit(
            symlink(f"/file{number}", f"d/f{end}"),
            symlink(f"/none{number}", f"d/none{end}"),
            symlink(f"/over{number}", f"file{number}"),
            symlink(f"/dir{number}", f"d/s{end}"),
        )
        for path in (f"/file{number}", f"/over{number}"):
            with pytest.raises(e.NotADirectory):
                tree.stat(path, follow=True)
        with pytest.raises(e.NotFound):
            tree.commit(write(f"/none{number}", b"x"))
        assert tree.stat(f"/dir{number}", follow=True).inode == tree.stat("/d/s").inode


def test_forty_are_followed_and_no_more_in_one_path(tree: Ledger) -> None:
    half = SYMLINKS_MAX // 2
    tree.commit(symlink("/0", "d"), *[symlink(f"/{n}", f"{n - 1}") for n in range(1, SYMLINKS_MAX + 1)])
    tree.commit(symlink("/d/0", "f"), *[symlink(f"/d/{n}", f"{n - 1}") for n in range(1, half + 1)])
    assert tree.stat(f"/{SYMLINKS_MAX - 1}", follow=True).kind == "directory"
    with pytest.raises(e.SymlinkLoop):
        tree.stat(f"/{SYMLINKS_MAX}", follow=True)
    assert tree.stat(f"/{half - 1}/{half - 1}", follow=True).kind == "file"
    # The way has its part in it, also where it was walked before.
    for paths in ([f"/{half - 1}/{half}"], [f"/{half - 1}/f", f"/{half - 1}/{half}"]):
        with pytest.raises(e.SymlinkLoop):
            tree.commit(*[write(path, b"x") for path in paths])


def test_a_resolution_is_bounded_whatever_targets_say(tree: Ledger) -> None:
    long = "/".join(["d/.."] * (BEHIND_MAX // 8)) + "/d"
    tree.commit(symlink("/long", long), *[symlink(f"/l{n}", f"long/../{long}") for n in range(4)])
    assert tree.stat("/long", follow=True).kind == "directory"
    tree.commit(*[symlink(f"/m{n}", "/".join([f"l{k}/.." for k in range(n + 1)]) + "/d") for n in range(4)])
    with pytest.raises(e.SymlinkLoop):
        tree.stat("/m3", follow=True)


def test_rights_are_asked_on_the_way_that_a_target_takes(tree: Ledger) -> None:
    bob = tree.person("bob")
    tree.commit(
        mkdir("/shut", mode=0o700), mkdir("/shut/open", mode=0o777), write("/shut/open/f", b"x"),
        symlink("/in", "shut/open"), symlink("/over", "shut/open/../../d/f"),
    )  # fmt: skip
    for path in ("/in", "/over", "/in/f"):
        with pytest.raises(e.Forbidden):
            tree.stat(path, person=bob, follow=True)
    assert tree.stat("/in", person=bob).kind == "symlink"


def test_what_a_symlink_led_to_in_the_same_commit_is_not_remembered(each: Ledger) -> None:
    each.commit(mkdir("/e"))
    each.commit(write("/to-d/1", b"x"), symlink("/to-d", "e", replace=True), write("/to-d/2", b"x"))
    assert each.stat("/d/1").kind == each.stat("/e/2").kind == "file"
    each.commit(write("/to-d/3"), remove("/to-d"), rename("/e", "/to-d"), write("/to-d/4"))
    assert sorted(one.name for one in each.list("/to-d")) == ["2", "3", "4"]
    with pytest.raises(e.NotFound):
        each.commit(write("/to-d/5"), remove("/to-d", recursive=True), write("/to-d/6"))
    first, second = each.batch(
        [
            each.prepared(mkdir("/x"), symlink("/l", "x"), write("/l/1"), remove("/missing")),
            each.prepared(mkdir("/y"), symlink("/l", "y"), write("/l/1")),
        ]
    )
    assert isinstance(first, e.NotFound)
    assert second.results
    assert each.stat("/y/1").size == 0
