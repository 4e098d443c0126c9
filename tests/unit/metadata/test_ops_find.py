"""Finding: what is found, by whom, by which way, a page at a time, all of one commit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.patterns import parse
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import find as finding
from cairnfs.metadata.ops import name_index, treewalk
from cairnfs.metadata.ops.find import find
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write
from cairnfs.wire import names
from cairnfs.wire.commits import MakeSymlink
from cairnfs.wire.search import FindReply, FindRequest


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    made = Ledger(database)
    yield made
    made.verify()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that a test can fill."""
    monkeypatch.setattr(finding, "FEW", 3)
    monkeypatch.setattr(finding, "WALK_ROWS", 20)
    monkeypatch.setattr(treewalk, "_STATEMENT", 1)
    monkeypatch.setattr(treewalk, "_PAGE_FIRST", 2)
    monkeypatch.setattr(name_index, "_BATCH", 4)
    monkeypatch.setattr(name_index, "PAGE_ROWS", 8)


def pages(
    ledger: Ledger, path: str | bytes, name: bytes | None = None, person: Person | None = None, **asked: Any
) -> Iterator[FindReply]:
    text, base64 = names.to_text(path.encode() if isinstance(path, str) else path)
    pattern, pattern_b64 = (None, None) if name is None else names.to_text(name)
    cursor = None
    for _ in range(1000):
        request = FindRequest(
            path=text, path_b64=base64, name=pattern, name_b64=pattern_b64, cursor=cursor, **asked
        )
        reply = ledger.read(lambda tx, r=request: find(tx, person or ledger.admin, r))  # type: ignore[misc]
        yield reply
        cursor = reply.cursor
        if cursor is None:
            return
    raise AssertionError("finding never ends")


def paths(ledger: Ledger, path: str | bytes, *args: Any, **asked: Any) -> list[bytes]:
    return [one.raw_path() for page in pages(ledger, path, *args, **asked) for one in page.found]


def test_everything_below_parents_first_in_the_order_of_bytes(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d/a/b", parents=True), write("/d/a!"), write("/d/a/x"), write("/d/z"))
    assert paths(ledger, "/d") == [b"/d", b"/d/a", b"/d/a/b", b"/d/a/x", b"/d/a!", b"/d/z"]
    assert paths(ledger, "/d/z") == [b"/d/z"]
    assert paths(ledger, "/", b"*!") == [b"/d/a!"]
    assert paths(ledger, "/d", b"z") == [b"/d/z"]
    assert paths(ledger, "/d", b"d") == [b"/d"]
    with pytest.raises(e.NotFound):
        paths(ledger, "/nothing")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"kinds": ["directory"]}, {b"/d", b"/d/sub"}),
        ({"kinds": ["file"], "size_min": 3}, {b"/d/three"}),
        ({"kinds": ["file"], "size_max": 2}, {b"/d/empty", b"/d/sub/one"}),
        ({"newer_us": 5_000_000, "kinds": ["file"]}, {b"/d/sub/one"}),
        ({"newer_us": 5_000_000, "newer_sub_ns": 1, "kinds": ["file"]}, {b"/d/sub/one"}),
        ({"newer_us": 6_000_000, "kinds": ["file"]}, set()),
        ({"owner": "ann"}, {b"/d/sub/one"}),
        ({"owner": "#0"}, set()),
        ({"group": "ann"}, {b"/d/sub/one"}),
        ({"name": b"?hree"}, {b"/d/three"}),
        ({"name": b"THREE"}, set()),
        ({"name": b"THREE", "ignore_case": True}, {b"/d/three"}),
    ],
)
def test_each_condition(ledger: Ledger, asked: dict[str, Any], found: set[bytes]) -> None:
    ann = ledger.person("ann")
    ledger.commit(
        mkdir("/d"), mkdir("/d/sub", mode=0o777), write("/d/empty", mtime_us=1),
        write("/d/three", b"123", mtime_us=5_000_000),
    )  # fmt: skip
    ledger.commit(write("/d/sub/one", b"1", mtime_us=6_000_000), person=ann)
    assert set(paths(ledger, "/d", **asked)) == found


def test_newer_than_a_commit_or_a_time(ledger: Ledger) -> None:
    first = ledger.commit(mkdir("/d"), mkdir("/d/old"), write("/d/a"))
    ledger.commit(write("/d/b"), mkdir("/d/old/x"))
    assert set(paths(ledger, "/d", newer_than=str(first.commit))) == {b"/d", b"/d/b", b"/d/old", b"/d/old/x"}
    assert set(paths(ledger, "/d", newer_than="1d")) == set(paths(ledger, "/d"))
    assert not paths(ledger, "/d", newer_than="2200-01-01T00:00Z")
    with pytest.raises(e.NoSuchCommit):
        paths(ledger, "/d", newer_than="99")
    with pytest.raises(e.BadRequest):
        paths(ledger, "/d", newer_than="1", newer_us=1)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"name": b"a" * 10_000}, e.BadPattern),
        ({"name": b"[a"}, e.BadPattern),
        ({"owner": "nobody"}, e.NoSuchUser),
        ({"owner": "No Name"}, e.NoSuchUser),
        ({"group": "nobody"}, e.NoSuchGroup),
        ({"limit": 0}, e.BadRequest),
    ],
)
def test_what_is_refused(ledger: Ledger, asked: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        paths(ledger, "/", **asked)


def test_a_cursor_is_of_its_own_search(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), mkdir("/e"), write("/d/a"), write("/d/b"), write("/e/f"))
    cursor = next(pages(ledger, "/d", limit=1)).cursor

    def ask(**other: Any) -> FindReply:
        request = FindRequest(**{"path": "/d", "cursor": cursor, **other})
        return ledger.read(lambda tx: find(tx, ledger.admin, request))

    assert [one.path for one in ask().found] == ["/d/b"]
    for other in ({"path": "/e"}, {"path": "/d/a"}, {"cursor": "x"}, {"cursor": "A" * 9000}):
        with pytest.raises(e.BadCursor):
            ask(**other)


def test_directories_that_one_may_not_read_are_counted_and_tell_nothing(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(
        mkdir("/d"), mkdir("/d/closed", mode=0o700), mkdir("/d/closed/in"), write("/d/closed/in/name"),
        mkdir("/d/listed", mode=0o744), write("/d/listed/name"),
        mkdir("/d/walked", mode=0o711), write("/d/walked/name"),
        mkdir("/d/walked/open"), write("/d/walked/open/name"), write("/d/name"),
    )  # fmt: skip
    [page] = pages(ledger, "/d", person=ann)
    assert page.way == "walk"
    assert page.closed == 3
    assert [one.path for one in page.found] == ["/d", "/d/closed", "/d/listed", "/d/name", "/d/walked"]
    [page] = pages(ledger, "/d", b"name", person=ann)
    assert page.way == "index"
    # No more than by walking: who may not list /d/walked is not told that "open" is in it.
    assert [one.path for one in page.found] == ["/d/name"]
    [page] = pages(ledger, "/d/walked/open", b"name", person=ann)
    assert [one.path for one in page.found] == ["/d/walked/open/name"]
    [page] = pages(ledger, "/d/closed", person=ann)
    assert [one.path for one in page.found] == ["/d/closed"]
    assert page.closed == 1
    [page] = pages(ledger, "/d/closed", b"name", person=ann)
    assert not page.found
    with pytest.raises(e.Forbidden):
        paths(ledger, "/d/closed/in", person=ann)


@pytest.mark.usefixtures("small")
def test_a_closed_directory_is_counted_once_wherever_a_page_ends(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/d"), *[mkdir(f"/d/{n}", mode=0o700 if n % 2 else 0o755) for n in range(8)])
    ledger.commit(*[mkdir(f"/d/{n}/in") for n in range(8)])
    for rows in range(1, 20):
        for limit in (1, 2, 3, 1000):
            finding.WALK_ROWS = rows
            found = list(pages(ledger, "/d", person=ann, limit=limit))
            assert sum(page.closed for page in found) == 4
            assert sum(len(page.found) for page in found) == 13


def test_what_is_too_deep_for_a_path_is_passed_by(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.commit(mkdir("/d"), write("/d/123456"), write("/d/abc"), write("/d/abcdef"), write("/d/b"))
    monkeypatch.setattr(treewalk, "PATH_MAX_BYTES", 6)
    monkeypatch.setattr(finding, "WALK_ROWS", 1)
    monkeypatch.setattr(treewalk, "_PAGE_FIRST", 1)
    found = list(pages(ledger, "/d"))
    assert [one.path for page in found for one in page.found] == ["/d", "/d/abc", "/d/b"]
    assert len(found) > 4


def test_both_ways_follow_a_symlink_to_where_it_leads(ledger: Ledger) -> None:
    ledger.commit(mkdir("/real/in", parents=True), write("/real/in/f"))
    ledger.commit(MakeSymlink(path="/way", target="/real"))
    assert paths(ledger, "/way") == [b"/way", b"/way/in", b"/way/in/f"]
    assert paths(ledger, "/way", b"f") == [b"/way/in/f"]
    assert paths(ledger, "/way/in", b"f*") == [b"/way/in/f"]


def test_where_it_can_be_read_is_told_of_what_may_be_read(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/d"), write("/d/a", b"x"), write("/d/b", b"x", mode=0o600), write("/d/empty"))
    near = {one.path: one.replicas for page in pages(ledger, "/d", person=ann) for one in page.found}
    assert len(set(near["/d/a"])) == 3
    assert all(address.startswith("http://127.0.0.1:71") for address in near["/d/a"])
    assert near["/d/b"] == near["/d/empty"] == near["/d"] == []
    ledger.database.write(
        lambda tx: tx.run("UPDATE fileserver SET state = 'down' WHERE address = ?", near["/d/a"][0])
    )
    then = next(pages(ledger, "/d/a")).found[0].replicas
    assert then == [*near["/d/a"][1:], near["/d/a"][0]]


def test_what_was_removed_or_is_not_there_yet_is_left_out(ledger: Ledger) -> None:
    before = ledger.commit(mkdir("/d/e", parents=True), write("/d/e/name"), write("/name")).commit
    ledger.commit(remove("/d", recursive=True))
    # Not reaped yet: the name is alive, and no way leads up from it.
    assert paths(ledger, "/", b"name") == [b"/name"]
    assert paths(ledger, "/", b"na*") == [b"/name"]
    assert paths(ledger, "/", b"name", at=str(before)) == [b"/d/e/name", b"/name"]
    ledger.reap()
    assert paths(ledger, "/", b"name") == [b"/name"]
    assert paths(ledger, "/", b"name", at=str(before)) == [b"/d/e/name", b"/name"]


@pytest.mark.usefixtures("small")
def test_a_large_tree_is_searched_by_the_index_and_a_small_one_is_walked(ledger: Ledger) -> None:
    ledger.commit(mkdir("/big"), mkdir("/tiny"), *[write(f"/big/f{n:03}") for n in range(150)])
    ledger.commit(mkdir("/wide"), *[write(f"/wide/g{n:03}") for n in range(150)])
    ledger.commit(*[write(f"/tiny/f{n}") for n in range(5)], *[write(f"/wide/h{n}") for n in range(9)])
    walked = list(pages(ledger, "/tiny", b"f*"))
    assert {one.way for one in walked} == {"walk"}
    assert sum(len(one.found) for one in walked) == 5
    raced = list(pages(ledger, "/wide", b"h*"))
    assert [one.way for one in raced][-1] == "index"
    assert [one.path for page in raced for one in page.found] == [f"/wide/h{n}" for n in range(9)]
    assert len(raced) < 5
    few = list(pages(ledger, "/", b"f149"))
    assert [one.way for one in few] == ["index"]


@pytest.mark.usefixtures("small")
def test_all_pages_are_of_one_commit_whatever_happens_meanwhile(ledger: Ledger, seed: int) -> None:
    """Against a plain look at the tree, with commits between the pages, by either way and from one to the
    other."""
    rng = random.Random(seed)
    ledger.commit(*[mkdir(f"/d{n}") for n in range(4)])
    for _ in range(4):
        ledger.commit(
            *[write(f"/d{rng.randrange(4)}/{rng.choice('fgh')}{rng.randrange(60)}") for _ in range(25)]
        )
    ways = set()
    for round_number in range(8):
        pattern = rng.choice([b"f*", b"g?", b"h1*", b"f", b"*5", b"f7"])
        wanted = parse(pattern)
        expected = {path for path in ledger.tree() if wanted.matches(path.rpartition(b"/")[2])}
        found = []
        for page in pages(ledger, "/", pattern, limit=rng.choice([2, 5, 1000])):
            ways.add(page.way)
            found += [one.raw_path() for one in page.found]
            _disturb(ledger, rng, round_number)
        assert len(found) == len(set(found))
        assert set(found) == expected, pattern
    assert ways == {"walk", "index"}


def _disturb(ledger: Ledger, rng: random.Random, round_number: int) -> None:
    kind = rng.randrange(5)
    one = f"/d{rng.randrange(4)}"
    now = [f"{one}/".encode() + entry.raw_name() for entry in ledger.list(one)]
    if kind == 0:
        ledger.commit(write(f"/d{rng.randrange(4)}/f{rng.randrange(1000)}"))
    elif kind == 1 and now:
        ledger.commit(remove(rng.choice(now)))
    elif kind == 2 and now:
        old = rng.choice(now)
        ledger.commit(rename(old, old + b"-%d" % round_number))
    elif kind == 3:
        ledger.commit(rename(one, "/moved"), rename("/moved", one + "x"), rename(one + "x", one))
    elif kind == 4 and rng.random() < 0.2:
        ledger.commit(remove(one, recursive=True))
        ledger.reap()
        ledger.commit(mkdir(one), *[write(f"{one}/g{rng.randrange(100)}") for _ in range(15)])


@pytest.mark.parametrize("kind", ["remove", "rename", "remove all", "replace", "write"])
def test_what_ends_between_two_pages_is_found_all_the_same(ledger: Ledger, kind: str) -> None:
    ledger.commit(mkdir("/d"), *[write(f"/d/f{n}") for n in range(6)])
    following = pages(ledger, "/", b"f*", limit=2)
    first = next(following)
    assert first.way == "index"
    if kind == "remove":
        ledger.commit(remove("/d/f4"))
    elif kind == "rename":
        ledger.commit(rename("/d/f4", "/d/z"))
    elif kind == "remove all":
        ledger.commit(remove("/d", recursive=True))
        ledger.reap()
    elif kind == "replace":
        ledger.commit(rename("/d/f4", "/d/f5"))
    else:
        ledger.commit(write("/d/f4", b"new"), write("/d/f6"))
    rest = list(following)
    found = [one.path for page in (first, *rest) for one in page.found]
    assert found == [f"/d/f{n}" for n in range(6)]
    assert {page.way for page in rest} == {"index" if kind == "write" else "walk"}
    assert {page.commit for page in rest} == {first.commit}
