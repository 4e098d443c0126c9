"""Sums of what is below a path: of pages added up, of one commit, of what one may read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import du, treewalk
from cairnfs.testing.ledger import Ledger, mkdir, remove, write
from cairnfs.wire.commits import Link, MakeSymlink
from cairnfs.wire.search import Linked, UsageReply, UsageRequest


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    made = Ledger(database)
    yield made
    made.verify()


def pages(ledger: Ledger, path: str, person: Person | None = None, **asked: Any) -> Iterator[UsageReply]:
    cursor = None
    for _ in range(1000):
        request = UsageRequest(path=path, cursor=cursor, **asked)
        reply = ledger.read(lambda tx, r=request: du.usage(tx, person or ledger.admin, r))  # type: ignore[misc]
        yield reply
        cursor = reply.cursor
        if cursor is None:
            return
    raise AssertionError("summing never ends")


def sums(ledger: Ledger, path: str, **asked: Any) -> dict[str, tuple[int, ...]]:
    """By directory: bytes, files, directories, symlinks."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for page in pages(ledger, path, **asked):
        for one in page.sums:
            for at, more in enumerate((one.size, one.files, one.directories, one.symlinks)):
                found[one.path][at] += more
    return {path: tuple(four) for path, four in found.items()}


def test_each_directory_by_itself_or_what_is_deeper_together(ledger: Ledger) -> None:
    ledger.commit(
        mkdir("/d/a/b", parents=True), write("/d/x", b"123"), write("/d/a/x", b"1"), write("/d/a/b/x", b"12"),
        write("/d/z", b"1234"), MakeSymlink(path="/d/a/b/way", target="there"),
    )  # fmt: skip
    assert sums(ledger, "/d") == {"/d": (7, 2, 1, 0), "/d/a": (1, 1, 1, 0), "/d/a/b": (7, 1, 1, 1)}
    assert sums(ledger, "/d", depth=1) == {"/d": (7, 2, 1, 0), "/d/a": (8, 2, 2, 1)}
    assert sums(ledger, "/d", depth=0) == {"/d": (15, 4, 3, 1)}
    assert sums(ledger, "/", depth=0)["/"][:2] == (15, 4)
    assert sums(ledger, "/d/x") == {"/d/x": (3, 1, 0, 0)}
    with pytest.raises(e.NotFound):
        sums(ledger, "/none")


def test_sums_come_in_the_order_of_the_walk(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d/a", parents=True), write("/d/A"), write("/d/a/x"), write("/d/z"))
    [page] = pages(ledger, "/d")
    assert [(one.path, one.files) for one in page.sums] == [("/d", 1), ("/d/a", 1), ("/d", 1)]


def test_files_with_several_names_stand_apart(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/x", b"123"), write("/d/y", b"1"))
    ledger.commit(Link(path="/d/x", target="/d/z"))
    inode = ledger.stat("/d/x").inode
    [page] = pages(ledger, "/d")
    assert [one.linked for one in page.sums] == [[Linked(inode, 3)] * 2]
    assert sums(ledger, "/d") == {"/d": (1, 1, 1, 0)}


def test_pages_add_up_whatever_happens_meanwhile(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.commit(*[mkdir(f"/d/{n}/in", parents=True) for n in range(5)])
    ledger.commit(*[write(f"/d/{n}/in/{m}", b"x" * m) for n in range(5) for m in range(1, 20)])
    whole = sums(ledger, "/d")
    monkeypatch.setattr(du, "PAGE_ROWS", 7)
    monkeypatch.setattr(treewalk, "_STATEMENT", 1)
    monkeypatch.setattr(treewalk, "_PAGE_FIRST", 3)
    found: dict[str, int] = defaultdict(int)
    for number, page in enumerate(pages(ledger, "/d")):
        if number == 1:
            ledger.commit(remove("/d/4", recursive=True), write("/d/3/in/more", b"more"))
            ledger.reap()
        for one in page.sums:
            found[one.path] += one.size
    assert number > 5
    assert found == {path: four[0] for path, four in whole.items()}


def test_directories_that_one_may_not_read_are_counted_and_not_summed(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/d"), mkdir("/d/shut", mode=0o711), write("/d/shut/x", b"1"), write("/d/y", b"12"))
    [page] = pages(ledger, "/d", person=ann)
    assert page.closed == 1
    assert {one.path: one.size for one in page.sums} == {"/d": 2, "/d/shut": 0}
    [page] = pages(ledger, "/d/shut", person=ann)
    assert (page.closed, page.sums[0].directories) == (1, 1)


def test_a_cursor_is_of_its_own_path(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.commit(mkdir("/d/a", parents=True), write("/d/a/x"), mkdir("/e"))
    monkeypatch.setattr(du, "PAGE_ROWS", 1)
    cursor = next(pages(ledger, "/d")).cursor
    for path, text in (("/e", cursor), ("/d/a/x", cursor), ("/d", "x"), ("/d", "")):
        with pytest.raises(e.BadCursor):
            ledger.read(
                lambda tx, p=path, t=text: du.usage(tx, ledger.admin, UsageRequest(path=p, cursor=t))  # type: ignore[misc]
            )
