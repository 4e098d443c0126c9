"""How a tree differs between two commits: told by the log, checked by walking both trees."""

from __future__ import annotations

import random

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import diff
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write
from cairnfs.wire.commits import Attributes, Link, MakeSymlink, SetAttributes
from cairnfs.wire.history import Difference, DiffReply, DiffRequest
from tests.unit.metadata.counting import Counting
from tests.unit.metadata.random_trees import Tree, grow


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def chmod(path: str, mode: int) -> SetAttributes:
    return SetAttributes(path=path, attributes=Attributes(mode=mode))


def found(
    ledger: Ledger, a: int, b: int, path: str = "/", person: Person | None = None, limit: int = 1000
) -> list[Difference]:
    cursor = None
    differences: list[Difference] = []
    while True:
        request = DiffRequest(path=path, a=str(a), b=str(b), cursor=cursor, limit=limit)
        reply = ledger.read(lambda tx, r=request: diff.page(tx, person or ledger.admin, r))  # type: ignore[misc]
        assert (reply.a, reply.b) == (a, b)
        differences += reply.differences
        cursor = reply.cursor
        if cursor is None:
            return differences


def told(
    ledger: Ledger, a: int, b: int, path: str = "/", person: Person | None = None, limit: int = 1000
) -> list[str]:
    """Each difference as one line, in the order of the paths."""
    lines = [
        f"{one.what}{' and written' if one.written else ''} {one.path}"
        + (f" from {one.from_path}" if one.from_path else "")
        for one in found(ledger, a, b, path, person, limit)
    ]
    assert len(set(lines)) == len(lines), lines
    return sorted(lines, key=lambda line: (line.split()[1 if "and" not in line else 3], line))


def test_what_was_added_removed_moved_written_and_changed(ledger: Ledger) -> None:
    a = ledger.commit(
        mkdir("/d"), *[write(f"/d/{name}", b"1") for name in ("gone", "old", "text", "mode", "back", "both")]
    ).commit
    ledger.commit(write("/d/new", b"1"), write("/d/brief", b"1"), remove("/d/gone"))
    ledger.commit(rename("/d/old", "/d/t"), write("/d/text", b"2"), chmod("/d/mode", 0o600))
    ledger.commit(rename("/d/t", "/d/moved"), remove("/d/brief"), write("/d/text", b"3"))
    ledger.commit(rename("/d/back", "/d/away"), rename("/d/both", "/other"))
    b = ledger.commit(rename("/d/away", "/d/back"), write("/other", b"2")).commit
    forwards = [
        "removed /d/gone",
        "changed /d/mode",
        "moved /d/moved from /d/old",
        "added /d/new",
        "written /d/text",
        "moved and written /other from /d/both",
    ]
    backwards = [
        "moved and written /d/both from /other",
        "added /d/gone",
        "changed /d/mode",
        "removed /d/new",
        "moved /d/old from /d/moved",
        "written /d/text",
    ]
    for limit in (1000, 3, 1):
        assert told(ledger, a, b, limit=limit) == forwards
        assert told(ledger, b, a, limit=limit) == backwards
    assert told(ledger, a, a) == []
    by_path = {one.path: one for one in found(ledger, a, b)}
    before, after = by_path["/d/text"].before, by_path["/d/text"].after
    assert before == ledger.stat("/d/text", at=a)
    assert after == ledger.stat("/d/text", at=b)
    assert by_path["/d/new"].before is None
    assert by_path["/d/gone"].after is None


def test_directories_stand_for_what_is_in_them(ledger: Ledger) -> None:
    a = ledger.commit(mkdir("/old/in", parents=True), write("/old/in/f"), write("/old/kept")).commit
    ledger.commit(write("/old/in/f", b"2"), rename("/old/kept", "/kept"), mkdir("/new/in", parents=True))
    ledger.commit(write("/new/in/f", b"1"), rename("/kept", "/new/in/kept"), remove("/old/in/f"))
    b = ledger.commit(remove("/old", recursive=True)).commit
    expected = ["added /new", "moved /new/in/kept from /old/kept", "removed /old"]
    assert told(ledger, a, b) == expected
    ledger.reap()
    assert told(ledger, a, b, limit=1) == expected
    assert told(ledger, b, a) == ["removed /new", "added /old", "moved /old/kept from /new/in/kept"]


def test_what_is_below_a_directory_that_moved(ledger: Ledger) -> None:
    a = ledger.commit(mkdir("/a/b", parents=True), write("/a/b/f", b"1"), write("/a/b/g", b"1")).commit
    b = ledger.commit(rename("/a", "/z"), write("/z/b/f", b"2"), remove("/z/b/g")).commit
    assert told(ledger, a, b) == ["removed /a/b/g", "moved /z from /a", "written /z/b/f"]
    assert told(ledger, a, b, "/z/b") == ["removed /a/b/g", "moved /z/b from /a/b", "written /z/b/f"]
    assert told(ledger, a, b, "/a/b") == ["removed /a/b/g", "moved /z/b from /a/b", "written /z/b/f"]
    assert told(ledger, a, b, "/z/b/f") == ["moved and written /z/b/f from /a/b/f"]
    assert told(ledger, a, b, "/a/b/g") == ["removed /a/b/g"]
    assert told(ledger, b, a, "/z/b/f", limit=1) == ["moved and written /a/b/f from /z/b/f"]


def test_what_took_the_place_of_something(ledger: Ledger) -> None:
    a = ledger.commit(write("/f", b"1"), write("/g", b"1"), mkdir("/d"), write("/d/x"), write("/k")).commit
    ledger.commit(write("/t", b"2"), rename("/t", "/f"))
    ledger.commit(remove("/g"), MakeSymlink(path="/g", target="f"))
    ledger.commit(remove("/d", recursive=True), write("/d", b"a file now"))
    b = ledger.commit(rename("/k", "/l"), write("/k", b"2")).commit
    expected = ["added /d", "removed /d", "written /f", "changed /g", "added /k", "moved /l from /k"]
    assert told(ledger, a, b) == expected
    assert told(ledger, a, b, limit=1) == expected
    assert told(ledger, a, b, "/d") == ["added /d", "removed /d"]
    assert told(ledger, a, b, "/f") == ["written /f"]
    assert told(ledger, a, b, "/k") == ["added /k", "moved /l from /k"]


def test_names_of_one_file(ledger: Ledger) -> None:
    a = ledger.commit(mkdir("/a"), mkdir("/b"), write("/a/one", b"1"), Link(path="/a/one", target="/b/two"))
    b = ledger.commit(Link(path="/b/two", target="/b/three"), write("/a/one", b"2"))
    c = ledger.commit(remove("/a/one"), rename("/b/three", "/b/four"))
    assert told(ledger, a.commit, b.commit) == ["written /a/one", "added /b/three", "written /b/two"]
    assert told(ledger, a.commit, b.commit, "/b") == ["added /b/three", "written /b/two"]
    assert len(told(ledger, b.commit, c.commit)) == 2


def test_the_path_itself(ledger: Ledger) -> None:
    a = ledger.commit(mkdir("/a"), write("/a/f", b"1"), write("/b", b"1")).commit
    b = ledger.commit(remove("/a", recursive=True), mkdir("/c"), rename("/b", "/c/b")).commit
    ledger.reap()
    assert told(ledger, a, b, "/a/f") == ["removed /a/f"]
    assert told(ledger, a, b, "/c/b") == ["moved /c/b from /b"]
    assert told(ledger, a, b, "/b") == ["moved /c/b from /b"]
    with pytest.raises(e.NotFound):
        told(ledger, a, b, "/d")
    ledger.commit(MakeSymlink(path="/l", target="c"))
    assert told(ledger, a, ledger.newest(), "/l/b") == ["moved /c/b from /b"]
    assert told(ledger, a, b, "/") == told(ledger, a, b)


def test_nobody_is_told_names_that_they_may_not_see(ledger: Ledger) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    ledger.commit(mkdir("/pub", mode=0o777), chmod("/home/ann", 0o700))
    a = ledger.commit(write("/home/ann/secret", b"1"), write("/pub/p", b"1"), person=ann).commit
    ledger.commit(write("/home/ann/secret", b"2"), write("/home/ann/more", b"2"), person=ann)
    ledger.commit(rename("/home/ann/secret", "/pub/known"), person=ann)
    b = ledger.commit(rename("/pub/p", "/home/ann/private"), person=ann).commit
    assert told(ledger, a, b, person=bob) == ["added /pub/known", "removed /pub/p"]
    assert all("/home/ann" not in f"{one.path}{one.from_path}" for one in found(ledger, a, b, person=bob))
    assert told(ledger, a, b, person=ann) == [
        "added /home/ann/more",
        "moved /home/ann/private from /pub/p",
        "moved and written /pub/known from /home/ann/secret",
    ]
    with pytest.raises(e.Forbidden):
        told(ledger, a, b, "/home/ann/secret", bob)


def test_moments_before_the_horizon_and_cursors_of_others(ledger: Ledger) -> None:
    a = ledger.commit(write("/f", b"1")).commit
    b = ledger.commit(write("/f", b"2")).commit
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET horizon = ?", b))
    with pytest.raises(e.BeforeHorizon):
        told(ledger, a, b)
    with pytest.raises(e.NoSuchCommit):
        told(ledger, b, b + 1)
    named = "INSERT INTO snapshot (name, commit_number, user_id, created_us) VALUES ('kept', ?, 1, 0)"
    ledger.database.write(lambda tx: tx.run(named, a))
    assert told(ledger, a, b) == ["written /f"]
    request = DiffRequest(a="kept", b=str(b))
    assert ledger.read(lambda tx: diff.page(tx, ledger.admin, request)).a == a
    wrong = DiffRequest(a=str(b), b=str(b), cursor="x")
    with pytest.raises(e.BadCursor):
        ledger.read(lambda tx: diff.page(tx, ledger.admin, wrong))


@pytest.mark.parametrize("seed", range(3))
def test_random_histories_against_walking_both_trees(ledger: Ledger, seed: int) -> None:
    rng = random.Random(seed)
    trees = grow(ledger, rng, 24)
    for _ in range(40):
        a, b = rng.sample(sorted(trees), 2)
        one, other = trees[a], trees[b]
        told_of = found(ledger, a, b, limit=rng.choice([1, 3, 1000]))
        explained = apply(one, other, told_of)
        assert explained == other, (seed, a, b, [(d.what, d.path, d.from_path) for d in told_of])
    print(f"seed {seed}: {len(trees)} commits")


def apply(before: Tree, after: Tree, told_of: list[Difference]) -> Tree:
    """The later tree, made of the earlier one and what was told: moves by inodes, contents from the end."""
    moved = {one.from_path: one.path for one in told_of if one.what == "moved"}
    gone = {one.path for one in told_of if one.what == "removed"}
    made: Tree = {}

    def place(path: str) -> str | None:
        """Where what was at a path is now, as told: by the nearest move above it."""
        if path in moved:
            return moved[path]
        if path in gone:
            return None
        up, _, name = path.rpartition("/")
        if not up:
            return path
        above = place(up)
        return None if above is None else f"{above}/{name}"

    for path, what in before.items():
        now = place(path)
        if now is not None:
            made[now] = what
    for one in told_of:
        if one.what == "moved" and not one.written and one.from_path in before:
            assert before[one.from_path][3] == after[one.path][3], one
        if one.what in ("added", "written", "changed", "moved"):
            made[one.path] = after[one.path]
        if one.what == "added" and after[one.path][0] == "directory":
            made.update((path, what) for path, what in after.items() if path.startswith(f"{one.path}/"))
    return made


def test_a_page_takes_a_bounded_number_of_statements(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/a/b/c", parents=True), chmod("/a/b/c", 0o777), mkdir("/x"), chmod("/x", 0o777))
    a = ledger.commit(*[write(f"/a/b/c/{n}", b"1") for n in range(200)]).commit
    for n in range(100):
        ledger.commit(write(f"/a/b/c/{n}", b"2"), rename(f"/a/b/c/{n + 100}", f"/x/{n}"))
    b = ledger.newest()
    counts = []

    def count(tx: Tx) -> DiffReply:
        counting = Counting(tx)
        reply = diff.page(counting, ann, DiffRequest(a=str(a), b=str(b)))
        counts.append(len(counting.statements))
        return reply

    assert len(ledger.read(count).differences) == 200
    assert counts[-1] <= 60
