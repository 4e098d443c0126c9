"""walk inside detached trees: what was put into one so far, for who began it and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.opening import begin_incarnation
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import walk
from cairnfs.testing.ledger import Ledger, chunk, link, mkdir, symlink, write
from cairnfs.wire.directory import WalkRequest
from tests.unit.metadata.building import Building


def told(ledger: Ledger, path: str = "/", **rest: Any) -> dict[str, Any]:
    return {one.path: one for one in ledger.walk(path, **rest)}


def test_it_tells_what_was_put_into_it_so_far(database: Database) -> None:
    ledger = Ledger(database)
    building = Building(ledger, "/t")
    tree = building.tree
    assert told(ledger, tree=tree) == {}
    building.extend(mkdir("/a"), write("/a/f", b"one", b"two"), symlink("/a/s", "f"), write("/g"))
    inside = told(ledger, tree=tree, contents=True)
    assert list(inside) == ["a", "a/f", "a/s", "g"]
    assert [one.hash for one in inside["a/f"].chunks] == [chunk(b"one").hash, chunk(b"two").hash]
    assert (inside["g"].chunks, inside["a/s"].entry.target) == ([], "f")
    ledger.commit(mkdir("/elsewhere"))
    building.extend(mkdir("/a/b"), link("/a/f", "/a/b/f"))
    inside = told(ledger, tree=tree, limit=1)
    assert list(inside) == ["a", "a/b", "a/b/f", "a/f", "a/s", "g"]
    assert (inside["a/f"].entry.links, inside["a/b/f"].entry.inode) == (2, inside["a/f"].entry.inode)
    assert list(told(ledger, "/a/b", tree=tree)) == ["f"]
    building.attach()
    for name, one in told(ledger, "/t").items():
        assert one == inside[name]
    with pytest.raises(e.NoSuchTree):
        ledger.walk("/", tree=tree)
    ledger.verify()


def test_pages_go_on_while_it_grows(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"), *[write(f"/a/{n}", b"%d" % n) for n in range(5)])
    first = ledger.read(
        lambda tx: walk.page(tx, ledger.admin, WalkRequest(path="/", tree=building.tree, limit=3))
    )
    assert [one.path for one in first.items] == ["a", "a/0", "a/1"]
    building.extend(mkdir("/b"), write("/a/9", b"9"))
    ledger.commit(mkdir("/elsewhere"))
    more = WalkRequest(path="/", tree=building.tree, cursor=first.cursor)
    rest = ledger.read(lambda tx: walk.page(tx, ledger.admin, more))
    assert [one.path for one in rest.items] == ["a/2", "a/3", "a/4", "a/9", "b"]
    # A cursor is of its own tree.
    for path, tree in (("/", None), ("/", Building(ledger, "/u").tree), ("/a", building.tree)):
        request = WalkRequest(path=path, tree=tree, cursor=first.cursor)
        with pytest.raises(e.BadCursor):
            ledger.read(lambda tx, r=request: walk.page(tx, ledger.admin, r))  # type: ignore[misc]


def test_modes_hold_nobody_up_in_there_and_nobody_else_looks_into_it(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    building = Building(ledger, "/home/ann/t", person=ann)
    building.extend(mkdir("/a", mode=0), write("/a/f", b"one", mode=0))
    inside = told(ledger, tree=building.tree, contents=True, person=ann)
    assert list(inside) == ["a", "a/f"]
    assert len(inside["a/f"].chunks) == 1
    with pytest.raises(e.Forbidden):
        ledger.walk("/", tree=building.tree)


def test_what_cannot_be_walked(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(write("/f"), symlink("/s", "/"))
    for path, error in (("/none", e.NotFound), ("/f", e.NotADirectory), ("/s", e.NotADirectory)):
        with pytest.raises(error):
            ledger.walk(path, tree=building.tree)
    with pytest.raises(e.BadRequest):
        ledger.walk("/", tree=building.tree, at=1)
    with pytest.raises(e.BadCursor):
        ledger.walk("/", tree=building.tree[:-4])
    ledger.database.write(lambda tx: begin_incarnation(tx, "test"))
    with pytest.raises(e.IncarnationChanged):
        ledger.walk("/", tree=building.tree)
