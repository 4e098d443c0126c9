"""Names of files that have very many: no more of them are loaded than are needed, and none is overlooked."""

from __future__ import annotations

import random

import pytest

from cairnfs.ids import InodeId
from cairnfs.metadata.rows import names
from cairnfs.metadata.rows.nodes import Dentry
from cairnfs.metadata.state import links
from cairnfs.metadata.state.changes import REMOVED, WRITTEN, decode
from cairnfs.testing.ledger import Ledger, link, mkdir, remove, write

NAMES = 300


@pytest.fixture
def many(ledger: Ledger) -> Ledger:
    """A file with very many names in two directories."""
    ledger.commit(mkdir("/a"), mkdir("/b"), write("/a/0", b"x"))
    ledger.commit(*[link("/a/0", f"/{'ab'[n % 2]}/{n}") for n in range(1, NAMES)])
    return ledger


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many names were loaded by each statement."""
    counts: list[int] = []
    visible, some = names.visible, names.some

    def seen(found: list[Dentry]) -> list[Dentry]:
        counts.append(len(found))
        return found

    monkeypatch.setattr(names, "visible", lambda *asked: seen(visible(*asked)))
    monkeypatch.setattr(names, "some", lambda *asked: seen(some(*asked)))
    return counts


def test_adding_and_removing_a_name_loads_few(many: Ledger, loaded: list[int]) -> None:
    many.commit(remove("/a/0"))
    many.commit(link("/a/2", "/a/new"))
    assert 0 < sum(loaded) < 3 * links.AT_ONCE
    loaded.clear()
    assert many.stat("/a/new").links == NAMES


@pytest.mark.parametrize("order", [1, -1, 0])
@pytest.mark.parametrize("at_once", [4, links.AT_ONCE])
def test_all_names_but_one_go_in_one_commit(
    many: Ledger, monkeypatch: pytest.MonkeyPatch, seed: int, order: int, at_once: int
) -> None:
    monkeypatch.setattr(links, "AT_ONCE", at_once)
    paths = [f"/{'ab'[n % 2]}/{n}" for n in range(NAMES)][:: order or 1]
    if not order:
        random.Random(seed).shuffle(paths)
    many.commit(*map(remove, paths[:-1]))
    assert many.stat(paths[-1]).links == 1
    many.commit(write(paths[-1], b"still there"), link(paths[-1], "/c"), remove(paths[-1]))
    assert many.stat("/c").size == 11
    many.commit(remove("/c"))
    many.verify()


def test_a_name_elsewhere_is_found_among_many_below_what_was_removed(
    many: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "AT_ONCE", 8)
    many.commit(link("/a/0", "/only"), write("/a/2", b"written"), remove("/a", recursive=True))
    assert many.stat("/b/1").size == 7
    many.commit(write("/b/1", b"again"), remove("/b", recursive=True))
    made = many.newest()
    assert many.stat("/only").size == 5
    row = many.read(lambda tx: tx.row("SELECT entries FROM change WHERE commit_number = ?", made))
    assert row is not None
    assert {(one.what, one.name) for one in decode(row[0])} == {(REMOVED, b"b"), (WRITTEN, b"only")}
    many.commit(remove("/only"))
    many.verify()
    many.reap()


def test_what_is_noted_is_looked_at_once_for_many_removals(
    many: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [f"/d{n}" for n in range(50)]
    many.commit(*[mkdir(path) for path in made], *[link("/a/0", f"{path}/x") for path in made])
    asked: list[int] = []
    is_reachable = links.Links.is_reachable

    def counted(self: links.Links, directory: InodeId) -> bool:
        asked.append(directory)
        return is_reachable(self, directory)

    monkeypatch.setattr(links.Links, "is_reachable", counted)
    many.commit(write("/d7/x", b"written"), *[remove(path, recursive=True) for path in made])
    assert len(asked) < 5 * len(made)
    assert many.stat("/a/0").size == 7
