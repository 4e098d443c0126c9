"""Expecting that nothing was changed at a place: whatever changes there, however it is called, refuses."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from typing import Literal

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import unchanged
from cairnfs.metadata.ops.commit import Commit, prepare
from cairnfs.testing import planted_metadata
from cairnfs.testing.ledger import (
    NEVER_LATE,
    Ledger,
    chattr,
    copy,
    link,
    mkdir,
    remove,
    rename,
    symlink,
    write,
)
from cairnfs.wire.commits import CommitRequest, Operation, Unchanged
from tests.unit.metadata.building import Building

Scope = Literal["tree", "names"]


def expecting(
    ledger: Ledger, *operations: Operation, person: Person | None = None, looked: bool = True
) -> Commit:
    """A commit, looked at as the route does it."""
    request = CommitRequest(request_id=secrets.token_hex(16), operations=list(operations))
    made = prepare(person or ledger.admin, request, [], body_hash=bytes(32), deadline=NEVER_LATE)
    if looked:
        ledger.read(made.look)
        while not made.looked_enough:
            ledger.read(made.look)
    return made


def same(path: str, since: int, scope: Scope = "tree", **bounds: bytes) -> Unchanged:
    encoded = {name: b64encode(value).decode() for name, value in bounds.items()}
    return Unchanged(path=path, since=since, scope=scope, **encoded)


def holds(ledger: Ledger, *asked: Unchanged, person: Person | None = None) -> bool:
    """Whether it holds, found out before the clock and inside it alike."""
    outcomes = set()
    for looked in (True, False):
        try:
            ledger.do(expecting(ledger, *asked, person=person, looked=looked))
            outcomes.add(True)
        except e.VersionChanged:
            outcomes.add(False)
    assert len(outcomes) == 1
    return outcomes.pop()


@pytest.fixture
def then(ledger: Ledger) -> int:
    """A commit after which there is a small tree."""
    return ledger.commit(
        mkdir("/d/sub/deep", parents=True),
        mkdir("/other/place", parents=True),
        write("/d/f", b"1"),
        write("/d/sub/g", b"2"),
        write("/other/h", b"3"),
        symlink("/link", "d"),
        symlink("/d/s", "sub"),
    ).commit


INSIDE: list[Operation] = [
    write("/d/f", b"new"),
    write("/d/sub/deep/f", b"new"),
    chattr("/d/f", mode=0o600),
    chattr("/d/sub/deep", mode=0o700),
    chattr("/d", mode=0o700),
    mkdir("/d/sub/deep/new"),
    remove("/d/f"),
    remove("/d/sub", recursive=True),
    remove("/d", recursive=True),
    rename("/d/f", "/d/sub/f"),
    rename("/d/f", "/other/f"),
    rename("/other/h", "/d/sub/h"),
    rename("/other/place", "/d/sub/deep"),
    rename("/d", "/e"),
    link("/d/f", "/d/again"),
    copy("/other/h", "/d/sub/deep/h"),
    write("/link/sub/g", b"by another way"),
]
OUTSIDE: list[Operation] = [
    write("/other/h", b"new"),
    mkdir("/d2"),
    remove("/other", recursive=True),
    chattr("/", mode=0o777),
    link("/d/f", "/other/f"),
    copy("/d/f", "/other/f"),
    rename("/link", "/lonk"),
    write("/f", b"1"),
]


@pytest.mark.parametrize("change", INSIDE, ids=lambda one: f"{type(one).__name__}-{one.path}")
def test_what_changes_below_refuses(ledger: Ledger, then: int, change: Operation) -> None:
    assert holds(ledger, same("/d", then))
    now = ledger.commit(change).commit
    assert not holds(ledger, same("/d", then))
    assert not holds(ledger, same("/", then))
    if b"/d" in ledger.tree():
        assert holds(ledger, same("/d", now))


@pytest.mark.parametrize("change", OUTSIDE, ids=lambda one: f"{type(one).__name__}-{one.path}")
def test_what_changes_elsewhere_does_not(ledger: Ledger, then: int, change: Operation) -> None:
    ledger.commit(change)
    assert holds(ledger, same("/d", then), same("/d/sub", then, "names"))
    assert not holds(ledger, same("/", then))


@pytest.mark.parametrize("change", [*INSIDE, *OUTSIDE], ids=lambda one: f"{type(one).__name__}-{one.path}")
def test_earlier_commits_of_the_same_batch_count(ledger: Ledger, then: int, change: Operation) -> None:
    before = expecting(ledger, same("/d", then))
    _, refused = ledger.batch([ledger.prepared(change), before])
    assert isinstance(refused, e.VersionChanged) is (change in INSIDE)


def batch_of_a_write(ledger: Ledger, then: int) -> None:
    test_earlier_commits_of_the_same_batch_count(ledger, then, INSIDE[1])


def batch_of_a_link(ledger: Ledger, then: int) -> None:
    asked = expecting(ledger, same("/d", then))
    outcomes = ledger.batch(
        [ledger.prepared(link("/d/f", "/other/f")), ledger.prepared(write("/other/f", b"4")), asked]
    )
    assert isinstance(outcomes[2], e.VersionChanged)


def test_a_file_linked_and_written_by_its_new_name_in_the_batch(ledger: Ledger, then: int) -> None:
    batch_of_a_link(ledger, then)


@pytest.mark.parametrize("story", [batch_of_a_write, batch_of_a_link])
def test_a_check_that_ignores_the_batch_is_found(story: Callable[[Ledger, int], None]) -> None:
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        ledger = Ledger(database)
        made = then.__wrapped__(ledger)  # type: ignore[attr-defined]
        with planted_metadata.expecting_without_the_batch(), pytest.raises(AssertionError):
            story(ledger, made)


def test_ones_own_operations_never_count(ledger: Ledger, then: int) -> None:
    ledger.do(
        expecting(
            ledger, remove("/d/f"), same("/d", then), mkdir("/d/x"), same("/none", then), mkdir("/none")
        )
    )
    # But what the same client did before does.
    assert not holds(ledger, same("/d", then))


def test_it_answers_with_the_directory(ledger: Ledger, then: int) -> None:
    reply = ledger.do(
        expecting(ledger, same("/d", then), same("/none/x", then), same("/", then), mkdir("/y"))
    )
    assert [one.inode for one in reply.results[:3]] == [ledger.stat("/d").inode, 0, 1]
    assert reply.results[0].etag is None


def test_names_and_their_bounds(ledger: Ledger, then: int) -> None:
    ledger.commit(write("/d/f", b"new"), mkdir("/d/sub/deep/x"), chattr("/d", mode=0o700))
    assert holds(ledger, same("/d", then, "names"))
    ledger.commit(write("/d/m", b"x"))
    assert not holds(ledger, same("/d", then, "names"))
    assert not holds(ledger, same("/d", then, "names", first=b"m"))
    assert not holds(ledger, same("/d", then, "names", last=b"m"))
    assert not holds(ledger, same("/d", then, "names", first=b"l", last=b"n"))
    assert holds(ledger, same("/d", then, "names", first=b"m\0"))
    assert holds(ledger, same("/d", then, "names", last=b"l\xff"))
    now = ledger.commit(rename("/other/h", "/d/f")).commit  # the same name, another file
    assert not holds(ledger, same("/d", now - 1, "names", last=b"f"))
    with pytest.raises(e.BadRequest):
        expecting(ledger, same("/d", then, first=b"x"))


def test_a_written_file_counts_at_each_of_its_names(ledger: Ledger, then: int) -> None:
    then = ledger.commit(link("/d/sub/g", "/other/g"), link("/d/sub/g", "/g")).commit
    ledger.commit(write("/g", b"new"))
    for path in ("/d", "/d/sub", "/other"):
        assert not holds(ledger, same(path, then)), path
    assert holds(ledger, same("/d/sub/deep", then), same("/d/sub", then, "names"))


def test_a_name_that_is_gone_was_still_there(ledger: Ledger, then: int) -> None:
    then = ledger.commit(link("/d/f", "/other/f")).commit
    now = ledger.commit(write("/other/f", b"new")).commit
    ledger.commit(remove("/d/f"))
    assert not holds(ledger, same("/d", then))
    assert not holds(ledger, same("/d", now))
    assert not holds(ledger, same("/other", then))
    assert holds(ledger, same("/other", now))


def test_there_and_back_again_is_a_change(ledger: Ledger, then: int) -> None:
    ledger.commit(rename("/d", "/e"))
    ledger.commit(rename("/e", "/d"))
    assert not holds(ledger, same("/d", then))
    assert not holds(ledger, same("/d/sub", then, "names"))
    now = ledger.newest()
    ledger.commit(mkdir("/none"))
    ledger.commit(remove("/none"))
    assert not holds(ledger, same("/none", now))
    assert holds(ledger, same("/nothing", now))


def test_a_tree_that_was_attached_is_a_change(ledger: Ledger, then: int) -> None:
    """Though all below it was born before."""
    small = Building(ledger, "/d/tree")
    small.extend(mkdir("/a"), write("/a/f"))
    asked = expecting(ledger, same("/d", then))
    assert holds(ledger, same("/d", then), same("/d/tree/a", then))
    _, refused = ledger.batch([ledger.prepared(small.attaching()), asked])
    assert isinstance(refused, e.VersionChanged)
    for path in ("/d", "/d/tree", "/d/tree/a"):
        assert not holds(ledger, same(path, then))
    assert holds(ledger, same("/d/sub", then), same("/d/tree/a", ledger.newest()))
    ledger.commit(mkdir("/d/tree/a/b"))
    assert not holds(ledger, same("/d/tree", then))
    large = Building(ledger, "/d")
    large.extend(mkdir("/sub"))
    now = ledger.newest()
    swap = expecting(ledger, large.attaching(replace=True))
    ledger.do(swap)
    assert not holds(ledger, same("/d", now))
    assert not holds(ledger, same("/d/sub", now, "names"))


def test_what_is_below_a_directory_that_moved_away(ledger: Ledger, then: int) -> None:
    """Written at its old place, moved since; and the other way round."""
    ledger.commit(write("/d/sub/g", b"new"))
    now = ledger.commit(rename("/d/sub", "/other/sub")).commit
    ledger.commit(write("/other/sub/g", b"newer"))
    assert not holds(ledger, same("/d", then))
    assert holds(ledger, same("/d", now))
    assert not holds(ledger, same("/other", now))


def test_where_there_was_nothing(ledger: Ledger, then: int) -> None:
    assert holds(ledger, same("/new", then), same("/d/new/below", then, "names"))
    ledger.commit(write("/d/new"))
    assert holds(ledger, same("/new", then))
    with pytest.raises(e.NotADirectory):
        holds(ledger, same("/d/new/below", then))
    assert not holds(ledger, same("/d/new", then))
    before = expecting(ledger, same("/new", ledger.newest()))
    made, gone, refused = ledger.batch(
        [ledger.prepared(mkdir("/new")), ledger.prepared(remove("/new")), before]
    )
    assert not isinstance(made, e.CairnError)
    assert not isinstance(gone, e.CairnError)
    assert isinstance(refused, e.VersionChanged)


def test_symlinks_on_the_way(ledger: Ledger, then: int) -> None:
    assert holds(ledger, same("/link/s", then), same("/link", then))
    ledger.commit(write("/d/sub/g", b"new"))
    assert not holds(ledger, same("/link/s", then))
    now = ledger.commit(mkdir("/d3")).commit
    ledger.commit(remove("/link"), symlink("/link", "other"))
    assert not holds(ledger, same("/link", now))
    assert holds(ledger, same("/other", now))
    looked = expecting(ledger, same("/link", ledger.newest()))
    _, refused = ledger.batch([ledger.prepared(symlink("/link", "d", replace=True)), looked])
    assert isinstance(refused, e.VersionChanged)


def test_a_file_has_no_changes_to_tell(ledger: Ledger, then: int) -> None:
    with pytest.raises(e.NotADirectory):
        expecting(ledger, same("/d/f", then))


def test_who_may_ask(ledger: Ledger, then: int) -> None:
    ledger.commit(mkdir("/shut/in", parents=True), chattr("/shut", mode=0o700))
    ledger.commit(mkdir("/half", mode=0o711), mkdir("/half/open"))
    bob, now = ledger.person("bob"), ledger.newest()
    for path in ("/shut", "/shut/in", "/shut/none", "/half"):
        with pytest.raises(e.Forbidden):
            holds(ledger, same(path, now), person=bob)
        with pytest.raises(e.Forbidden):
            ledger.do(expecting(ledger, same(path, now), person=bob, looked=False))
    assert holds(ledger, same("/half/open", now), same("/", now), person=bob)


def test_commits_that_cannot_be_asked_about(ledger: Ledger, then: int) -> None:
    with pytest.raises(e.NoSuchCommit):
        expecting(ledger, same("/d", ledger.newest() + 1))
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET horizon = ?", then))
    assert holds(ledger, same("/d", then))
    with pytest.raises(e.BeforeHorizon):
        expecting(ledger, same("/d", then - 1))
    for _ in range(20):
        ledger.commit(chattr("/d", mode=0o700))
    with pytest.raises(e.TooManyOperations):
        expecting(ledger, *[same("/other", then + number) for number in range(17)])
    asked = expecting(ledger, same("/other", then))
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET incarnation = incarnation + 1"))
    with pytest.raises(e.IncarnationChanged):
        ledger.do(asked)


def test_a_long_log_is_gone_through_in_pieces(
    ledger: Ledger, then: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "_COMMITS_MAX", 4)
    monkeypatch.setattr(unchanged, "_COMMITS_INSIDE", 6)
    for number in range(11):
        ledger.commit(mkdir(f"/other/{number}"))
    asked = expecting(ledger, same("/d", then), looked=False)
    looks = 0
    while not looks or not asked.looked_enough:
        ledger.read(asked.look)
        looks += 1
    assert looks == 3
    for number in range(7):
        ledger.commit(mkdir(f"/other/more-{number}"))
    with pytest.raises(unchanged.FarBehind):
        ledger.do(asked)
    ledger.read(asked.look)
    ledger.read(asked.look)
    ledger.do(asked)
    asked = expecting(ledger, same("/d", then))
    ledger.commit(write("/d/sub/late"))
    with pytest.raises(e.VersionChanged):
        ledger.do(asked)
