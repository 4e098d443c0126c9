"""Views: loaded a level at a time, never asked twice, and told what people want to know."""

from __future__ import annotations

from cairnfs.ids import ROOT, CommitNumber, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import entries, moment
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.view import View
from cairnfs.testing.ledger import Ledger, mkdir, rename, write
from tests.unit.metadata.counting import Counting

PATHS = [
    Path(b"/a/b/f"),
    Path(b"/a/b/g"),
    Path(b"/a/c/f"),
    Path(b"/a/f/x"),
    Path(b"/missing/f"),
    Path(b"/top"),
    Path(b"/"),
]


def looked(ledger: Ledger, at: CommitNumber | None, paths: list[Path]) -> tuple[View, list[str]]:
    """A view with these paths loaded, and the statements that it took."""

    def look(tx: Tx) -> tuple[View, list[str]]:
        counting = Counting(tx)
        view = View(counting, at)
        view.prefetch(paths)
        statements = list(counting.statements)
        view.prefetch(paths)
        assert counting.statements == statements, "asked twice"
        return view, statements

    return ledger.read(look)


def filled(ledger: Ledger) -> None:
    ledger.commit(
        mkdir("/a/b", parents=True),
        mkdir("/a/c"),
        *[write(f"/a/{n}", b"x") for n in ("b/f", "b/g", "f")],
        write("/top"),
    )


def test_a_level_costs_one_statement(ledger: Ledger) -> None:
    filled(ledger)
    view, statements = looked(ledger, None, PATHS)
    assert len(statements) == 4  # the root, and three levels
    found = {path: view.known(path) is not None for path in PATHS}
    assert [path for path, there in found.items() if there] == [b"/a/b/f", b"/a/b/g", b"/top"]
    assert view.misses == 0
    assert looked(ledger, None, [Path(b"/")])[1] == []


def test_what_was_not_foreseen_is_loaded_singly(ledger: Ledger) -> None:
    filled(ledger)

    def look(tx: Tx) -> int:
        view = View(tx)
        inside = view.lookup(ROOT, Name(b"a"))
        assert inside is not None
        assert view.lookup(inside.inode, Name(b"nothing")) is None
        assert view.lookup(inside.inode, Name(b"nothing")) is None
        return view.misses

    assert ledger.read(look) == 2


def test_a_view_is_of_one_commit(ledger: Ledger) -> None:
    filled(ledger)
    before = ledger.newest()
    ledger.commit(rename("/a/b", "/b"), write("/top", b"more"))
    then, _ = looked(ledger, before, [Path(b"/a/b/f"), Path(b"/top"), Path(b"/b/f")])
    now, _ = looked(ledger, None, [Path(b"/a/b/f"), Path(b"/top"), Path(b"/b/f")])
    assert [then.known(path) is not None for path in (Path(b"/a/b/f"), Path(b"/b/f"))] == [True, False]
    assert [now.known(path) is not None for path in (Path(b"/a/b/f"), Path(b"/b/f"))] == [False, True]
    top = then.known(Path(b"/top"))
    assert top is not None
    assert (then.version(top.inode).size, now.version(top.inode).size) == (0, 4)


def test_people_are_told_owners_and_times_by_one_statement_more(ledger: Ledger) -> None:
    filled(ledger)

    def look(tx: Tx) -> tuple[int, int, set[str]]:
        counting = Counting(tx)
        sight = moment.look(counting, None)
        sight.view.prefetch(PATHS)
        assert sight.view.told is not None
        loaded = len(counting.statements)
        found = [
            Found(b"", "file", sight.view.version(inode), told) for inode, told in sight.view.told.items()
        ]
        owners = {entry.owner for entry in entries.build(sight, found)}
        return loaded, len(counting.statements) - loaded, owners

    loaded, more, owners = ledger.read(look)
    # Names of owners; and, since these say that they are traced, their names and the ways up from them.
    assert (loaded, owners) == (4, {"admin"})
    assert more <= 3
