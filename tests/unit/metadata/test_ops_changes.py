"""What commits did, in paths: for whom, for which path, in which pages; and that the log is true."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.ids import CommitNumber, Incarnation, Path
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops.changes import OTHER_NAMES_MAX, Page, Position, page
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write
from cairnfs.wire.commits import Attributes, Link, SetAttributes
from cairnfs.wire.history import EVENT_CHANGES_MAX, PathChange
from tests.unit.metadata.counting import Counting
from tests.unit.metadata.random_trees import Tree, grow


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def look(ledger: Ledger, after: Position, path: str = "/", person: Person | None = None) -> Page:
    who = person or ledger.admin
    return ledger.read(lambda tx: page(tx, who, Path(path.encode()), after, Incarnation(1)))


def words(change: PathChange) -> str:
    origin = f" from {change.from_path}" if change.from_path is not None else ""
    return f"{change.what} {change.path}{origin}"


def told(ledger: Ledger, since: int, path: str = "/", person: Person | None = None) -> list[list[str]]:
    """Everything after a commit, by events."""
    position = Position(CommitNumber(since))
    events: list[list[str]] = []
    while True:
        found = look(ledger, position, path, person)
        events += [[words(one) for one in event.changes] for _, event in found.events]
        if found.position == position:
            return events
        position = found.position


def chmod(path: str, mode: int) -> SetAttributes:
    return SetAttributes(path=path, attributes=Attributes(mode=mode))


def link(path: str, target: str) -> Link:
    return Link(path=path, target=target)


def test_each_commit_in_the_paths_that_it_saw(ledger: Ledger) -> None:
    since = ledger.commit(mkdir("/a/b", parents=True), write("/a/b/f", b"1")).commit
    ledger.commit(write("/a/b/f", b"2"), chmod("/a", 0o711))
    ledger.commit(rename("/a", "/z"), write("/z/b/g", b"3"))
    ledger.commit(rename("/z/b/g", "/z/b/f"))
    ledger.commit(remove("/z", recursive=True))
    assert told(ledger, since) == [
        ["written /a/b/f", "changed /a"],
        ["moved /z from /a", "created /z/b/g"],
        ["removed /z/b/f", "moved /z/b/f from /z/b/g"],
        ["removed /z"],
    ]
    ledger.reap()
    assert len(told(ledger, since)) == 4
    assert told(ledger, since - 1)[0] == ["created /a", "created /a/b", "created /a/b/f"]


def test_what_concerns_a_path(ledger: Ledger) -> None:
    since = ledger.commit(mkdir("/a/b", parents=True), mkdir("/ab"), write("/a/x", b"1")).commit
    for operation in (
        write("/ab/f", b"beside"),
        write("/a/f", b"beside"),
        rename("/a/x", "/a/b/x"),
        rename("/a/b/x", "/a/y"),
        chmod("/a", 0o750),
        chmod("/", 0o755),
        rename("/a", "/c"),
        write("/c/b/f", b"elsewhere now"),
        rename("/c", "/a"),
        remove("/a", recursive=True),
        mkdir("/a/b", parents=True),
    ):
        ledger.commit(operation)
    assert told(ledger, since, "/a/b") == [
        ["moved /a/b/x from /a/x"],
        ["moved /a/y from /a/b/x"],
        ["changed /a"],
        ["moved /c from /a"],
        ["moved /a from /c"],
        ["removed /a"],
        ["created /a", "created /a/b"],
    ]


def test_nobody_is_told_names_that_they_may_not_see(ledger: Ledger) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    ledger.commit(chmod("/home/ann", 0o700), mkdir("/pub", mode=0o777), person=ledger.admin)
    since = ledger.commit(write("/home/ann/secret", b"1"), person=ann).commit
    ledger.commit(write("/home/ann/secret", b"2"), person=ann)
    ledger.commit(rename("/home/ann/secret", "/pub/known"), person=ann)
    ledger.commit(rename("/pub/known", "/home/ann/hidden"), person=ann)
    ledger.commit(mkdir("/home/ann/d"), person=ann)
    ledger.commit(remove("/home/ann/hidden"), person=ann)
    assert told(ledger, since, person=bob) == [["created /pub/known"], ["removed /pub/known"]]
    assert told(ledger, since, "/home/ann", person=bob) == []
    everything = [
        ["written /home/ann/secret"],
        ["moved /pub/known from /home/ann/secret"],
        ["moved /home/ann/hidden from /pub/known"],
        ["created /home/ann/d"],
        ["removed /home/ann/hidden"],
    ]
    assert told(ledger, since, person=ann) == everything == told(ledger, since)


def test_who_may_walk_hears_of_the_path_that_they_name(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    since = ledger.commit(mkdir("/d", mode=0o711), write("/d/f", b"1"), write("/d/g", b"1")).commit
    ledger.commit(write("/d/f", b"2"), write("/d/g", b"2"))
    assert told(ledger, since, person=ann) == []
    assert told(ledger, since, "/d/f", person=ann) == [["written /d/f"]]


def test_a_file_with_several_names(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    since = ledger.commit(mkdir("/a"), mkdir("/b", mode=0o700), write("/b/one", b"1")).commit
    ledger.commit(link("/b/one", "/a/two"))
    ledger.commit(write("/b/one", b"2"))
    ledger.commit(rename("/b/one", "/b/three"), remove("/a/two"))
    ledger.commit(link("/b/three", "/a/four"))
    ledger.commit(write("/a/four", b"5"), remove("/b/three"))
    ledger.commit(link("/a/four", "/a/five"), write("/a/four", b"7"))
    assert told(ledger, since) == [
        ["created /a/two"],
        ["written /b/one"],
        ["removed /a/two", "moved /b/three from /b/one"],
        ["created /a/four"],
        ["removed /b/three", "written /a/four"],
        ["created /a/five", "written /a/four"],
    ]
    assert told(ledger, since, "/a", person=ann) == [
        ["created /a/two"],
        ["written /a/two"],
        ["removed /a/two"],
        ["created /a/four"],
        ["written /a/four"],
        ["created /a/five", "written /a/four"],
    ]


def test_of_a_file_with_very_many_names_none_is_looked_for_that_may_be_told(ledger: Ledger) -> None:
    """A page of changes to one with 65,000 names would take seconds for everybody who follows."""
    ann = ledger.person("ann")
    names = [f"/b/{n}" for n in range(OTHER_NAMES_MAX - 1)]
    since = ledger.commit(mkdir("/a"), mkdir("/b", mode=0o700), write(names[0], b"1")).commit
    ledger.commit(link(names[0], "/a/seen"), *[link(names[0], name) for name in names[1:]])
    ledger.commit(write(names[0], b"2"))
    assert told(ledger, since, person=ann) == [["created /a/seen"], ["written /a/seen"]]
    since = ledger.commit(link(names[0], "/b/more")).commit
    ledger.commit(write(names[0], b"3"))
    ledger.commit(write("/a/seen", b"4"))
    assert told(ledger, since, person=ann) == [["written /a/seen"]]


def test_what_is_made_changed_and_gone_in_one_commit_leaves_nothing(ledger: Ledger) -> None:
    since = ledger.commit(mkdir("/d"), write("/d/f", b"1")).commit
    ledger.commit(write("/n", b"1"), write("/n", b"2"), remove("/n"), mkdir("/kept"))
    ledger.commit(write("/d/f", b"2"), remove("/d/f"))
    ledger.commit(rename("/d", "/e"), rename("/e", "/d"))
    assert told(ledger, since) == [["created /kept"], ["removed /d/f"]]


def test_names_that_are_no_text(ledger: Ledger) -> None:
    since = ledger.newest()
    ledger.commit(write(b"/\xff\n", b"1"))
    (found,) = look(ledger, Position(CommitNumber(since))).events[0][1].changes
    assert found.raw_path() == b"/\xff\n"
    assert found.path_b64 is not None


def test_a_large_commit_comes_in_pages(ledger: Ledger) -> None:
    since = ledger.commit(mkdir("/d"), *[write(f"/d/{n:04}") for n in range(999)]).commit
    big = ledger.commit(*[rename(f"/d/{n:04}", f"/d/to-{n:04}") for n in range(999)], mkdir("/e")).commit
    ledger.commit(mkdir("/f/" + "/".join("x" * 10), parents=True), *[mkdir(f"/f/{n}") for n in range(995)])
    last = ledger.commit(mkdir("/last")).commit
    sizes = []
    position = Position(CommitNumber(since))
    while position.commit < last:
        found = look(ledger, position)
        sizes += [(event.commit - big, len(event.changes), event.more) for _, event in found.events]
        assert found.position > position or found.position.told == 0
        position = found.position
    assert sizes == [(0, 1000, False), (1, 1000, True), (1, 6, False), (2, 1, False)]
    events = look(ledger, Position(CommitNumber(big + 1), EVENT_CHANGES_MAX)).events
    assert [(at, len(event.changes)) for at, event in events] == [
        (Position(CommitNumber(big + 1)), 6),
        (Position(CommitNumber(last)), 1),
    ]


def test_long_names_come_in_more_events_each_taken_up_again(ledger: Ledger) -> None:
    deep = "/" + "/".join(["\x01" * 250] * 14)
    since = ledger.commit(mkdir(deep, parents=True)).commit
    ledger.commit(*[mkdir(f"{deep}/{n}") for n in range(100)])
    found = look(ledger, Position(CommitNumber(since))).events
    assert len(found) > 5
    assert [event.more for _, event in found] == [True] * (len(found) - 1) + [False]
    for (at, _), (_, following) in pairwise(found):
        assert look(ledger, at).events[0][1] == following


def test_the_position_goes_on_where_nothing_is_seen(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    since = ledger.commit(mkdir("/closed", mode=0o700)).commit
    newest = [ledger.commit(write(f"/closed/{n}")).commit for n in range(300)][-1]
    first = look(ledger, Position(CommitNumber(since)), person=ann)
    assert not first.events
    assert since < first.position.commit < newest
    second = look(ledger, first.position, person=ann)
    assert (second.events, second.position) == ([], Position(CommitNumber(newest)))
    assert look(ledger, second.position, person=ann) == second


def test_before_the_horizon_beyond_the_newest_and_of_another_incarnation(ledger: Ledger) -> None:
    newest = ledger.commit(mkdir("/d")).commit
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET horizon = ?", newest))
    assert look(ledger, Position(CommitNumber(newest))).events == []
    with pytest.raises(e.BeforeHorizon):
        look(ledger, Position(CommitNumber(newest - 1)))
    with pytest.raises(e.BeforeHorizon):
        look(ledger, Position(CommitNumber(newest), 5))
    with pytest.raises(e.NoSuchCommit):
        look(ledger, Position(CommitNumber(newest + 1)))
    with pytest.raises(e.IncarnationChanged):
        ledger.read(
            lambda tx: page(tx, ledger.admin, Path(b"/"), Position(CommitNumber(newest)), Incarnation(2))
        )


def test_a_page_takes_a_bounded_number_of_statements(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(mkdir("/a/b/c/d", parents=True))
    since = ledger.commit(*[write(f"/a/b/c/d/{n}") for n in range(100)]).commit
    for n in range(100):
        ledger.commit(write(f"/a/b/c/d/{n}", b"x"), rename(f"/a/b/c/d/{n}", f"/a/b/c/{n}"))
    counts = []

    def count(tx: Tx) -> Page:
        counting = Counting(tx)
        found = page(counting, ann, Path(b"/a"), Position(CommitNumber(since)), Incarnation(1))
        counts.append(len(counting.statements))
        return found

    assert len(ledger.read(count).events) == 100
    assert counts[-1] <= 16


@pytest.mark.parametrize("seed", range(3))
def test_who_follows_knows_every_tree(ledger: Ledger, seed: int) -> None:
    """A copy that is kept up by the changes alone is the tree itself, after every commit."""
    trees = grow(ledger, random.Random(seed), 25)
    numbers = sorted(trees)
    copy = trees[numbers[0]]
    position = Position(CommitNumber(numbers[0]))
    events = []
    while position.commit < numbers[-1]:
        found = look(ledger, position)
        events += [event for _, event in found.events]
        position = found.position
    changed = {event.commit: event.changes for event in events}
    for number in numbers[1:]:
        copy = after(copy, changed.pop(number, []), trees[number])
        assert copy == trees[number], (seed, number)
    assert not changed
    print(f"seed {seed}: {len(numbers)} commits")


def after(before: Tree, changes: list[PathChange], now: Tree) -> Tree:
    """A tree after one commit. What is new, or was written, is looked up where the change says it is."""
    kept = dict(before)
    leaving = [one for one in changes if one.what in ("moved", "removed")]
    leaving.sort(key=lambda one: (one.from_path or one.path).count("/"), reverse=True)
    moving = [
        (one.path if one.what == "moved" else "", cut(kept, one.from_path or one.path)) for one in leaving
    ]
    for path, below in sorted(moving, key=lambda one: one[0].count("/")):
        kept.update({path + rest: what for rest, what in below.items() if path})
    for one in changes:
        if one.what == "created":
            kept.update({path: what for path, what in now.items() if f"{path}/".startswith(f"{one.path}/")})
    written = {
        one.inode: now[one.path] for one in changes if one.what in ("written", "changed") and one.path != "/"
    }
    return {path: written.get(what[1], what) for path, what in kept.items()}  # type: ignore[call-overload]


def cut(tree: Tree, top: str) -> Tree:
    """Take a path and all below it out of a tree: what is left of their paths after it, and what they are."""
    found = {path[len(top) :]: what for path, what in tree.items() if f"{path}/".startswith(f"{top}/")}
    for rest in found:
        del tree[top + rest]
    return found
