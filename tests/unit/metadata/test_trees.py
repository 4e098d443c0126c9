"""Detached trees: built page by page where nobody looks, attached by one commit."""

from __future__ import annotations

import pytest

from cairnfs.errors import Exists, NoSuchTree
from cairnfs.testing.ledger import Ledger, link, mkdir, symlink, write
from tests.unit.metadata.building import Building


def test_a_tree_appears_at_once(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    assert building.extend(mkdir("/a"), write("/a/f", b"one"), symlink("/a/s", "f")) == 3
    building.extend(write("/a/g", b"two"), mkdir("/a/b"), link("/a/f", "/a/b/also f"))
    before = ledger.newest()
    assert ledger.verify()["detached"] == 1
    assert b"/t" not in ledger.tree()
    assert building.attach().commit == before + 1
    assert ledger.verify()["detached"] == 0
    assert {path.decode() for path in ledger.tree()} >= {"/t", "/t/a", "/t/a/f", "/t/a/s", "/t/a/b/also f"}
    assert ledger.stat("/t/a/f").links == 2
    assert ledger.stat("/t/a/b/also f").inode == ledger.stat("/t/a/f").inode
    with pytest.raises(NoSuchTree):
        building.attach("/other")
    with pytest.raises(NoSuchTree):
        building.extend(mkdir("/x"))


def test_nothing_is_ever_in_the_way(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"))
    with pytest.raises(Exists):
        building.extend(mkdir("/a"))
    first, second = building.page(mkdir("/b")), building.page(mkdir("/b"))
    assert ledger.do(first).made == 1
    with pytest.raises(Exists):
        ledger.do(second)
    building.attach()
