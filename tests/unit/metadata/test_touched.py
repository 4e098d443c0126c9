"""What an operation did to the tree, all in all: whatever the verb, and nothing of what came and went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cairnfs.ids import ROOT, InodeId
from cairnfs.metadata import verify
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state import State, touched
from cairnfs.metadata.state.touched import Touched
from cairnfs.metadata.state.ways import path_to, way_up
from cairnfs.testing.ledger import Ledger, chattr, copy, link, mkdir, remove, rename, setxattr, symlink, write
from cairnfs.wire.commits import Operation
from tests.unit.metadata.building import Building

Told = tuple[set[tuple[InodeId, bytes]], set[InodeId], set[InodeId]]


def look(ledger: Ledger, prepared: Sequence[Any]) -> Touched:
    """What the last of these did, after the others in one tx."""

    def run(tx: Tx) -> Touched:
        state = State(tx, clock.lock(tx), ledger._places)
        for one in prepared[:-1]:
            one.apply(state)
        mark = state.mark()
        prepared[-1].apply(state)
        found = touched.since(state, mark)
        state.undo(mark)
        assert not touched.since(state, mark)
        return found

    return ledger.database.write(run)


def told(ledger: Ledger, *operations: Operation, before: Sequence[Operation] = ()) -> Told:
    """(names, inodes, uprooted) of one commit, after another in the same tx."""
    prepared = [ledger.prepared(*before)] if before else []
    found = look(ledger, [*prepared, ledger.prepared(*operations)])
    return {(parent, bytes(name)) for parent, name in found.names}, found.inodes, found.uprooted


def inode(ledger: Ledger, path: str) -> InodeId:
    return InodeId(ledger.stat(path).inode)


def test_names_that_begin_and_end(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/f", b"x"), write("/g", b"y"))
    d, f, g = (inode(ledger, path) for path in ("/d", "/d/f", "/g"))
    assert told(ledger, write("/d/new", b"1")) == ({(d, b"new")}, set(), set())
    assert told(ledger, mkdir("/d/e")) == ({(d, b"e")}, set(), set())
    assert told(ledger, symlink("/d/s", "f")) == ({(d, b"s")}, set(), set())
    assert told(ledger, copy("/g", "/d/h")) == ({(d, b"h")}, set(), set())
    assert told(ledger, remove("/d/f")) == ({(d, b"f")}, {f}, set())
    # A file that moves is itself no other; what it takes the place of is.
    assert told(ledger, rename("/g", "/d/k")) == ({(ROOT, b"g"), (d, b"k")}, set(), set())
    assert told(ledger, rename("/g", "/d/f", replace=True)) == ({(ROOT, b"g"), (d, b"f")}, {f}, set())
    assert told(ledger, link("/g", "/d/k")) == ({(d, b"k")}, {g}, set())


def test_what_is_other(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/f", b"x"), symlink("/to", "d"))
    d, f = inode(ledger, "/d"), inode(ledger, "/d/f")
    assert told(ledger, write("/to/f", b"other")) == (set(), {f}, set())
    assert told(ledger, chattr("/d", mode=0o700)) == (set(), {d}, set())
    assert told(ledger, chattr("/", mode=0o700)) == (set(), {ROOT}, set())
    assert told(ledger, setxattr("/d/f", "user.a", b"1")) == (set(), {f}, set())
    assert told(ledger, copy("/d/f", "/d/f")) == (set(), {f}, set())


def test_directories_go_with_all_below(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d/e", parents=True), write("/d/e/f", b"x"), write("/g", b"y"), mkdir("/n"))
    ledger.commit(link("/d/e/f", "/elsewhere"))
    d, f, n = (inode(ledger, path) for path in ("/d", "/d/e/f", "/n"))
    assert told(ledger, rename("/d", "/n/d")) == ({(ROOT, b"d"), (n, b"d")}, set(), {d})
    assert told(ledger, remove("/n")) == ({(ROOT, b"n")}, {n}, {n})
    # Whether what is below was looked at or not, and however it was said, it is the same.
    gone = ({(ROOT, b"d")}, {d}, {d})
    assert told(ledger, remove("/d", recursive=True)) == gone
    assert told(ledger, remove("/d/e/f"), remove("/d/e"), remove("/d")) == gone
    assert told(ledger, remove("/d", recursive=True), before=[chattr("/d/e/f", mode=0o600)]) == gone
    # But what is changed before it goes, and has another name, is another there.
    assert told(ledger, write("/d/e/f", b"z"), remove("/d", recursive=True))[1] == {d, f}
    assert told(ledger, rename("/d/e", "/e"), remove("/d"))[2] == {d, inode(ledger, "/d/e")}


def test_what_comes_and_goes_is_nothing(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/f", b"x"))
    nothing: Told = set(), set(), set()
    assert told(ledger, write("/t", b"1"), remove("/t")) == nothing
    assert told(ledger, rename("/d", "/e"), rename("/e", "/d")) == nothing
    assert told(ledger, link("/f", "/g"), remove("/g")) == nothing
    assert told(ledger, write("/t", b"1"), rename("/t", "/f", replace=True))[0] == {(ROOT, b"f")}
    assert told(ledger, rename("/f", "/f")) == nothing


def test_of_what_it_made_only_the_top_counts_as_new(ledger: Ledger) -> None:
    found = look(ledger, [ledger.prepared(mkdir("/a/b", parents=True), write("/a/b/f", b"x"))])
    assert found.inodes == set()
    assert {name for _, name in found.names} == {b"a", b"b", b"f"}
    assert {parent for parent, _ in found.names} - found.made == {ROOT}


def test_a_batch_mate_made_it(ledger: Ledger) -> None:
    names, inodes, uprooted = told(
        ledger, rename("/d", "/e"), write("/f", b"2"), before=[mkdir("/d"), write("/f", b"1")]
    )
    assert names == {(ROOT, b"d"), (ROOT, b"e")}
    assert (len(inodes), len(uprooted)) == (1, 1)


def test_trees_that_are_attached(ledger: Ledger) -> None:
    ledger.commit(mkdir("/old"), write("/old/f", b"x"))
    building = Building(ledger, "/new")
    building.extend(write("/g", b"y"))
    found = look(ledger, [ledger.prepared(building.attaching("/old", replace=True))])
    old = inode(ledger, "/old")
    assert set(found.names) == {(ROOT, b"old")}
    assert (found.uprooted, old in found.inodes) == ({old}, True)


def test_what_was_written_midway_is_seen(ledger: Ledger) -> None:
    def run(tx: Tx) -> Touched:
        state = State(tx, clock.lock(tx), ledger._places)
        mark = state.mark()
        one.apply(state)
        state.flush()
        return touched.since(state, mark)

    one = ledger.prepared(write("/f", b"x"), chattr("/", mode=0o711))
    found = ledger.database.write(run)
    assert (set(found.names), found.inodes) == ({(ROOT, b"f")}, {ROOT})


def test_ways_up(ledger: Ledger) -> None:
    ledger.commit(mkdir("/a/b/c", parents=True), mkdir("/d"))
    a, b, c, d = (inode(ledger, path) for path in ("/a", "/a/b", "/a/b/c", "/d"))

    def run(tx: Tx) -> None:
        state = State(tx, clock.lock(tx), ledger._places)
        tree = state.tree
        assert way_up(tree, c) == (c, b, a, ROOT), "as the tables say"
        mark = state.mark()
        ledger_moves.apply(state)
        assert way_up(tree, c) == (c, b, d, ROOT), "as this tx has it"
        assert path_to(tree, c, b"x") is None or path_to(tree, c, b"x") == b"/d/e/c/x"  # type: ignore[arg-type]
        removes.apply(state)
        assert (way_up(tree, c), way_up(tree, d)) == ((), ())
        state.undo(mark)
        assert way_up(tree, c) == (c, b, a, ROOT), "as before"

    ledger_moves = ledger.prepared(rename("/a/b", "/d/e"))
    removes = ledger.prepared(remove("/d", recursive=True))
    ledger.database.write(run)
    assert not ledger.read(verify.run).findings
