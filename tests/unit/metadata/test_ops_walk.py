"""walk: the same tree as by list and open, in one order, in pages of one commit, all of it or nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.manifest import LEAF_ENTRIES
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.opening import begin_incarnation
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import contents, treewalk, walk
from cairnfs.metadata.ops.user_groups import ChangeGroup
from cairnfs.testing.ledger import (
    NEVER_LATE,
    Ledger,
    chattr,
    link,
    mkdir,
    remove,
    rename,
    symlink,
    write,
)
from cairnfs.wire.commits import Operation
from cairnfs.wire.directory import Entry, WalkItem, WalkReply, WalkRequest
from cairnfs.wire.people import ChangeGroupRequest
from tests.unit.metadata.counting import Counting
from tests.unit.metadata.random_trees import grow


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    made = Ledger(database)
    yield made
    made.verify()


def page(ledger: Ledger, path: str = "/", person: Person | None = None, **asked: Any) -> WalkReply:
    request = WalkRequest(path=path, **asked)
    return ledger.read(lambda tx: walk.page(tx, person or ledger.admin, request))


def step_by_step(ledger: Ledger, up: bytes, at: int | None = None) -> dict[bytes, tuple[Entry, Any]]:
    """The tree below a directory by list and open, in the order of a walk."""
    found: dict[bytes, tuple[Entry, Any]] = {}
    for entry in ledger.list(up, at=at):
        path = up.rstrip(b"/") + b"/" + entry.raw_name()
        found[path] = (entry, ledger.open(path, at=at).chunks if entry.kind == "file" else None)
        if entry.kind == "directory":
            found |= step_by_step(ledger, path, at)
    return found


def by_path(items: list[WalkItem], up: bytes = b"/") -> dict[bytes, tuple[Entry, Any]]:
    paths = [up.rstrip(b"/") + b"/" + one.raw_path() for one in items]
    assert len(set(paths)) == len(paths)
    return {path: (one.entry, one.chunks) for path, one in zip(paths, items, strict=True)}


def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treewalk, "_PAGE_FIRST", 2)
    monkeypatch.setattr(treewalk, "_PAGE_GROWS", 2)


def test_each_directory_comes_before_what_is_in_it_and_names_by_their_bytes(ledger: Ledger) -> None:
    ledger.commit(
        mkdir("/d"), mkdir("/d/b"), mkdir("/d/b/empty"), write("/d/b/x", b"12"), write("/d/b.txt"),
        write("/d/b0"), write(b"/d/\xff"), write("/d/é"), write("/d/B"), symlink("/d/z", "way"), mkdir("/e"),
    )  # fmt: skip
    whole = [b"B", b"b", b"b/empty", b"b/x", b"b.txt", b"b0", b"z", "é".encode(), b"\xff"]
    for limit in (1, 2, 5, 1000):
        assert [one.raw_path() for one in ledger.walk("/d", limit=limit)] == whole
    assert [one.entry.name for one in ledger.walk("/d/b")] == ["empty", "x"]
    assert ledger.walk("/e") == []


@pytest.mark.parametrize("content", [False, True])
def test_it_tells_what_list_and_open_tell(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, seed: int, content: bool
) -> None:
    small_pages(monkeypatch)
    rng = random.Random(seed)
    trees = grow(ledger, rng, 25)
    for at in (*rng.sample(sorted(trees), 5), None):
        told = step_by_step(ledger, b"/", at)
        if not content:
            told = {path: (entry, None) for path, (entry, _) in told.items()}
        for limit in (1, 7, 1000):
            walked = by_path(ledger.walk("/", at=at, contents=content, limit=limit))
            assert walked == told
            assert list(walked) == list(told)
        for below in [path for path, (entry, _) in told.items() if entry.kind == "directory"][:2]:
            inside = {path: one for path, one in told.items() if path.startswith(below + b"/")}
            assert by_path(ledger.walk(below, at=at, contents=content), below) == inside


def test_all_pages_read_the_same_commit_whatever_happens_meanwhile(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    ledger.commit(*[mkdir(f"/d/{n}", parents=True) for n in range(4)])
    ledger.commit(*[write(f"/d/{n}/{m}", b"x") for n in range(4) for m in range(5)], symlink("/d/s", "x"))
    whole = step_by_step(ledger, b"/d")
    reply = page(ledger, "/d", limit=3, contents=True)
    first, items = reply.commit, reply.items
    changes: list[Operation] = [
        remove("/d/0/4"),
        rename("/d/1", "/d/9"),
        remove("/d/3", recursive=True),
        write("/d/2/0", b"new"),
    ]
    while reply.cursor is not None:
        if changes:
            ledger.commit(changes.pop())
            ledger.reap()
        reply = page(ledger, "/d", limit=3, contents=True, cursor=reply.cursor)
        assert reply.commit == first
        assert 0 < len(reply.items) <= 3
        items = items + reply.items
    assert not changes
    assert by_path(items, b"/d") == whole


def test_a_page_looks_at_so_much_and_no_more(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.commit(*[mkdir(f"/d/{n}/{m}", parents=True) for n in range(5) for m in range(5)])
    whole = ledger.walk("/d")
    monkeypatch.setattr(walk, "PAGE_ROWS", 60)
    assert len(page(ledger, "/d").items) < 10
    assert ledger.walk("/d") == whole


def test_a_page_with_contents_ends_where_a_reply_holds_no_more_chunks(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def file(name: str, chunks: int) -> Any:
        return write(f"/d/{name}", *[b"%d" % n for n in range(chunks)])

    many = LEAF_ENTRIES
    ledger.commit(
        mkdir("/d"), file("a", 3), file("b", many), file("c", many + 1), file("d", 0), file("e", 4),
        file("f", 3), mkdir("/d/g"),
    )  # fmt: skip
    told = [(one.path, one.chunks and len(one.chunks)) for one in ledger.walk("/d", contents=True)]
    assert told == [("a", 3), ("b", many), ("c", None), ("d", []), ("e", 4), ("f", 3), ("g", None)]
    whole = ledger.walk("/d", contents=True)
    for room, pages in ((5, ["a", "bcd", "e", "fg"]), (7, ["a", "bcd", "efg"]), (1, ["a", "bcd", "e", "fg"])):
        monkeypatch.setattr(contents, "CONTENTS_CHUNKS_MAX", room)
        cursor, met = None, []
        for _ in pages:
            reply = page(ledger, "/d", contents=True, cursor=cursor)
            met.append("".join(one.path for one in reply.items))
            cursor = reply.cursor
        assert (met, cursor) == (pages, None)
        assert ledger.walk("/d", contents=True) == whole
        assert [one.path for one in page(ledger, "/d").items] == list("abcdefg")


def test_contents_take_two_statements_a_page(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), *[write(f"/d/{n:03}", b"%d" % n) for n in range(300)])

    def statements(*, contents: bool) -> list[str]:
        def counted(tx: Tx) -> list[str]:
            counting = Counting(tx)
            walk.page(counting, ledger.admin, WalkRequest(path="/d", contents=contents))
            return counting.statements

        return ledger.read(counted)

    statements(contents=False)  # what everybody is called is remembered from here on
    assert len(statements(contents=True)) == len(statements(contents=False)) + 2


def test_many_small_directories_take_few_statements(ledger: Ledger) -> None:
    paths = [f"/d/{n:02}/{m}" for n in range(20) for m in range(4)]
    ledger.commit(*[mkdir(path, parents=True) for path in paths], mkdir("/d/05/0/shut", mode=0))
    ledger.commit(*[write(f"{path}/{n}") for path in paths for n in range(3)])

    def count(**asked: Any) -> int:
        def counted(tx: Tx) -> int:
            counting = Counting(tx)
            reply = walk.page(counting, ledger.admin, WalkRequest(path="/d", **asked))
            assert len(reply.items) == asked.get("limit", 341)
            return len(counting.statements)

        return ledger.read(counted)

    count()
    assert count() < 60  # for 102 directories
    assert count(limit=40) < 20
    assert count(at=str(ledger.newest() - 1), limit=100) < 60


def test_files_that_one_may_not_read_are_told_without_chunks(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/d"), write("/d/open", b"1"), write("/d/shut", b"2", mode=0o600))
    told = {one.path: one.chunks for one in ledger.walk("/d", person=ann, contents=True)}
    assert (len(told["open"] or ()), told["shut"]) == (1, None)
    assert ledger.walk("/d", contents=True)[1].chunks


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o744])
def test_a_directory_that_may_not_be_read_refuses_the_walk_by_its_path(ledger: Ledger, mode: int) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/d"), write("/d/a", b"1"), mkdir("/d/b", mode=mode), write("/d/b/x"), write("/d/c"))
    with pytest.raises(e.Forbidden) as refusal:
        ledger.walk("/d", person=ann)
    assert refusal.value.path == "/d/b"
    first = page(ledger, "/d", limit=1)
    with pytest.raises(e.Forbidden) as refusal:
        ledger.walk("/d/b", person=ann)
    assert refusal.value.path == "/d/b"
    assert [one.path for one in first.items] == ["a"]
    second = page(ledger, "/d", limit=1, cursor=first.cursor)
    assert [one.path for one in second.items] == ["b"]
    # One person's cursor is no door for another.
    with pytest.raises(e.Forbidden) as refusal:
        page(ledger, "/d", ann, cursor=second.cursor)
    assert refusal.value.path == "/d/b"


def test_rights_that_are_lost_between_two_pages_end_the_walk(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.user_group("crew", ann)
    ledger.commit(mkdir("/d"), mkdir("/d/b", mode=0o750), write("/d/b/x"), write("/d/b/y"))
    ledger.commit(chattr("/d/b", group="crew"))
    first = page(ledger, "/d", ann, limit=2)
    assert [one.path for one in first.items] == ["b", "b/x"]
    request = ChangeGroupRequest(request_id="0" * 32, user_group="crew", drop=["ann"])
    ledger.do(ChangeGroup(ledger.admin, request, deadline=NEVER_LATE))
    with pytest.raises(e.Forbidden) as refusal:
        page(ledger, "/d", ann, cursor=first.cursor)
    assert refusal.value.path == "/d/b"


def test_the_past_is_walked_by_the_rights_of_the_past(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/d"), mkdir("/d/b"), write("/d/b/x", b"old"))
    before = ledger.newest()
    ledger.commit(remove("/d/b", recursive=True), mkdir("/d/b", mode=0o700))
    assert [one.path for one in ledger.walk("/d", person=ann, at=before)] == ["b", "b/x"]
    with pytest.raises(e.Forbidden):
        ledger.walk("/d", person=ann)


def test_hard_links_and_symlinks_are_told_as_they_are(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), mkdir("/d/in"), write("/d/a", b"1"))
    ledger.commit(link("/d/a", "/d/in/b"), symlink("/d/way", "in"))
    told = {one.path: one for one in ledger.walk("/d", contents=True)}
    assert list(told) == ["a", "in", "in/b", "way"]
    assert (told["a"].entry.links, told["in/b"].entry.links) == (2, 2)
    assert told["a"].entry.inode == told["in/b"].entry.inode
    assert told["a"].chunks == told["in/b"].chunks
    assert (told["way"].entry.target, told["way"].chunks) == ("in", None)
    assert [one.path for one in ledger.walk("/d/way")] == ["b"]


def test_a_path_that_nobody_could_ask_for_refuses_the_walk(ledger: Ledger) -> None:
    long = "x" * 250
    deep = "/" + "/".join(["d", *[long] * 15])
    ledger.commit(mkdir(deep, parents=True), mkdir("/e/" + long, parents=True), write(f"/e/{long}/{long}"))
    assert len(ledger.walk("/d")) == 15
    ledger.commit(rename("/e", f"{deep}/e"))
    with pytest.raises(e.PathTooLong) as refusal:
        ledger.walk("/d")
    assert refusal.value.path == f"{deep}/e/{long}/{long}"


def test_a_cursor_is_of_one_directory_verb_and_incarnation(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d/a", parents=True), write("/d/a/x"), mkdir("/e"), write("/f"))
    cursor = page(ledger, "/d", limit=1).cursor
    assert cursor is not None
    for path, text in (("/e", cursor), ("/d", "x"), ("/d", ""), ("/", cursor)):
        with pytest.raises(e.BadCursor):
            page(ledger, path, cursor=text)
    with pytest.raises(e.NotADirectory):
        page(ledger, "/f", cursor=cursor)
    ledger.database.write(lambda tx: begin_incarnation(tx, "test"))
    with pytest.raises(e.BadCursor):
        page(ledger, "/d", cursor=cursor)


def test_what_cannot_be_walked(ledger: Ledger) -> None:
    ledger.commit(write("/f"))
    for path, kind in (("/f", e.NotADirectory), ("/none", e.NotFound), ("f", e.BadName)):
        with pytest.raises(kind):
            page(ledger, path)
    for limit in (0, -1, 1001):
        with pytest.raises(e.BadRequest):
            page(ledger, limit=limit)
    with pytest.raises(e.BadCursor):
        page(ledger, tree="x")
    with pytest.raises(e.NoSuchCommit):
        page(ledger, at="99")
