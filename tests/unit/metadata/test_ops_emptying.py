"""Removing all below a directory: what is below has to be one's own to take out, however it came there."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.ids import Path
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import emptying
from cairnfs.metadata.ops.commit import Commit
from cairnfs.metadata.ops.emptying import look_below
from cairnfs.testing.ledger import Ledger, chattr, mkdir, remove, rename, write
from cairnfs.wire.commits import Operation


@pytest.fixture
def bob(ledger: Ledger) -> Person:
    """Who may work in /open; something of ann's is in /open/theirs/below, where only she may."""
    ann = ledger.person("ann")
    ledger.commit(mkdir("/open", mode=0o777))
    asked: list[Operation] = [
        mkdir("/open/theirs", mode=0o777),
        mkdir("/open/theirs/below"),
        write("/open/theirs/below/f"),
    ]
    ledger.commit(*asked, person=ann)
    return ledger.person("bob")


def looked(ledger: Ledger, person: Person, *operations: Operation) -> Commit:
    """A commit for which was looked below what it removes."""
    commit = ledger.prepared(*operations, person=person)
    commit.looked = ledger.read(lambda tx: look_below(tx, person, commit.recursive))
    return commit


def test_what_was_moved_there_by_the_same_commit_is_looked_at(ledger: Ledger, bob: Person) -> None:
    ledger.commit(mkdir("/open/mine"), person=bob)
    attempts: list[list[Operation]] = [
        [rename("/open/theirs", "/open/mine/t"), remove("/open/mine", recursive=True)],
        [rename("/open/theirs", "/open/new"), remove("/open/new", recursive=True)],
        [mkdir("/open/x"), rename("/open/theirs", "/open/x/t"), remove("/open/x", recursive=True)],
    ]
    for asked in attempts:
        with pytest.raises(e.Forbidden):
            ledger.do(looked(ledger, bob, *asked))
    assert ledger.stat("/open/theirs/below/f").kind == "file"


def test_what_came_there_after_the_look_is_looked_at(ledger: Ledger, bob: Person) -> None:
    ledger.commit(mkdir("/open/mine"), person=bob)
    late = looked(ledger, bob, remove("/open/mine", recursive=True))
    ledger.commit(rename("/open/mine", "/open/old"), rename("/open/theirs", "/open/mine"), person=bob)
    with pytest.raises(e.Forbidden):
        ledger.do(late)


def test_what_one_may_empty_goes(ledger: Ledger, bob: Person) -> None:
    asked: list[Operation] = [
        mkdir("/open/m/n", parents=True),
        write("/open/m/n/f"),
        rename("/open/m", "/open/o"),
    ]
    ledger.do(looked(ledger, bob, *asked, remove("/open/o", recursive=True)))
    ledger.commit(*asked[:2], person=bob)
    ledger.do(looked(ledger, bob, rename("/open/m", "/open/o"), remove("/open/o", recursive=True)))
    assert [one.name for one in ledger.list("/open")] == ["theirs"]


def test_what_is_looked_at_inside_the_clock_is_bounded(
    ledger: Ledger, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "NAMES_MAX", 3)
    ledger.commit(mkdir("/open/m"), *[write(f"/open/m/{n}") for n in range(4)], person=bob)
    with pytest.raises(e.TooManyOperations):
        ledger.do(looked(ledger, bob, rename("/open/m", "/open/o"), remove("/open/o", recursive=True)))
    with pytest.raises(e.TooManyOperations):
        ledger.do(looked(ledger, bob, chattr("/open/m", mode=0o700), remove("/open/m", recursive=True)))
    ledger.do(looked(ledger, bob, remove("/open/m", recursive=True)))


def test_user_groups_count_and_roles_are_the_databases(database: Database) -> None:
    ledger = Ledger(database)
    ann, bob = ledger.person("ann"), ledger.person("bob")
    ledger.user_group("staff", ann)
    ledger.commit(mkdir("/d", mode=0o777), mkdir("/d/s", mode=0o770), write("/d/s/f"))
    ledger.commit(chattr("/d/s", group="staff"))
    paths = [Path(b"/d")]
    for who in (bob, bob._replace(role="admin")):
        with pytest.raises(e.Forbidden):
            ledger.read(lambda tx, who=who: look_below(tx, who, paths))  # type: ignore[misc]
    ledger.read(lambda tx: look_below(tx, ann, paths))
    ledger.commit(chattr("/d/s", mode=0o707))
    with pytest.raises(e.Forbidden):
        ledger.read(lambda tx: look_below(tx, ann, paths))
    ledger.read(lambda tx: look_below(tx, bob, paths))
