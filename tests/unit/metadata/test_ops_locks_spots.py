"""Who may lock what: rights to what is there, to its directory, to all below."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.testing.ledger import Ledger, chattr, mkdir, symlink, write
from tests.unit.metadata.holders import Holder


@pytest.fixture
def tree(ledger: Ledger) -> Ledger:
    ledger.commit(mkdir("/d"), write("/d/f", b"f"), write("/d/g", b"g"), symlink("/s", "d/f"))
    return ledger


@pytest.mark.parametrize(
    ("mode", "shared", "may"),
    [
        (0o600, False, False), (0o600, True, False), (0o604, False, False), (0o604, True, True),
        (0o602, False, True), (0o602, True, True),
    ],
)  # fmt: skip
def test_a_lock_takes_the_right_to_what_it_is_for(tree: Ledger, mode: int, shared: bool, may: bool) -> None:
    tree.commit(chattr("/d/f", mode=mode))
    other = Holder(tree, tree.person("other"))
    if may:
        other.ask("/d/f", shared=shared)
        return
    with pytest.raises(e.Forbidden):
        other.ask("/d/f", shared=shared)


def test_where_nothing_is_it_takes_the_right_to_make_something(tree: Ledger) -> None:
    other = Holder(tree, tree.person("other"))
    for shared in (False, True):
        with pytest.raises(e.Forbidden):
            other.ask("/d/new", shared=shared)
    tree.commit(chattr("/d", mode=0o777))
    other.ask("/d/new")
    other.ask("/d/f")  # what one may remove one may lock
    tree.commit(chattr("/d", mode=0o1777))
    with pytest.raises(e.Forbidden):
        other.ask("/d/g")


def test_who_only_reads_a_directory_cannot_share_it_with_all_below(tree: Ledger) -> None:
    """Nobody could write anything there as long as they like."""
    other = Holder(tree, tree.person("other"))
    other.lock("/", shared=True)
    for path in ("/", "/d"):
        for shared in (False, True):
            with pytest.raises(e.Forbidden):
                other.ask(path, shared=shared, subtree=True)
    tree.commit(chattr("/d", mode=0o777))
    tree.commit(chattr("/d/f", mode=0o604))
    other.ask("/d/f", shared=True, subtree=True)  # nothing is below a file
    Holder(tree, tree.person("another")).ask("/d", shared=True, subtree=True)


def test_nor_can_who_may_write_a_sticky_one(tree: Ledger) -> None:
    tree.commit(chattr("/d", mode=0o1777))
    other = Holder(tree, tree.person("other"))
    for shared in (False, True):
        with pytest.raises(e.Forbidden):
            other.ask("/d", shared=shared, subtree=True)
    Holder(tree).ask("/d", subtree=True)


def test_what_one_may_not_walk_to_one_does_not_hear_of(tree: Ledger) -> None:
    tree.commit(chattr("/d", mode=0o700))
    other = Holder(tree, tree.person("other"))
    for path in ("/d/f", "/d/no"):
        with pytest.raises(e.Forbidden):
            other.ask(path)


def test_somebody_elses_symlink_cannot_be_locked_though_its_mode_says_so(tree: Ledger) -> None:
    other = Holder(tree, tree.person("other"))
    with pytest.raises(e.Forbidden):
        other.ask("/s", follow=False)
    other.ask("/s", follow=False, shared=True)


def test_the_root_is_locked_by_whoever_may_write_it(tree: Ledger) -> None:
    with pytest.raises(e.Forbidden):
        Holder(tree, tree.person("other")).ask("/")
    ann = Holder(tree)
    ann.lock("/", subtree=True)
    with pytest.raises(e.Locked) as caught:
        Holder(tree).ask("/d/f")
    assert caught.value.path == "/d/f"
