"""Detached trees get their names in a commit, all or none, once; or they come to an end."""

from __future__ import annotations

from contextlib import closing

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import detached, detached_handle
from cairnfs.metadata.ops.commit import Commit
from cairnfs.metadata.ops.detached import AbandonTrees
from cairnfs.metadata.ops.sessions import EndSession
from cairnfs.metadata.state import changes
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.ledger import (
    NEVER_LATE,
    Ledger,
    chattr,
    chunk,
    mkdir,
    remove,
    rename,
    symlink,
    write,
)
from cairnfs.wire.commits import CommitReply
from tests.unit.metadata.building import Building

# -- attaching ------------------------------------------------------------------------------------------


def looked(ledger: Ledger, commit: Commit) -> CommitReply:
    """Commit as the control plane does, which looks below what is to be removed beforehand."""
    ledger.read(commit.look)
    reply = ledger.do(commit)
    assert isinstance(reply, CommitReply)
    return reply


def test_several_trees_are_attached_by_one_commit(ledger: Ledger) -> None:
    one, two = Building(ledger, "/one"), Building(ledger, "/one/two")
    one.extend(mkdir("/a"))
    two.extend(mkdir("/b"), write("/b/f", b"x"))
    reply = ledger.commit(one.attaching(), two.attaching("/one/a/two"), write("/one/a/two/b/g", b"y"))
    assert [each.etag is not None for each in reply.results] == [True] * 3
    assert set(ledger.tree()) >= {b"/one/a/two/b/f", b"/one/a/two/b/g"}
    assert b"/one" not in ledger.tree(at=reply.commit - 1)


def test_a_tree_is_attached_once(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"))
    with pytest.raises(e.NoSuchTree):
        ledger.commit(building.attaching(), building.attaching("/u"))
    assert set(ledger.tree()) & {b"/t", b"/u"} == set()
    first, second = ledger.prepared(building.attaching()), ledger.prepared(building.attaching("/u"))
    outcomes = ledger.batch([first, second])
    assert isinstance(outcomes[0], CommitReply)
    assert isinstance(outcomes[1], e.NoSuchTree)


def test_a_commit_that_is_refused_leaves_the_tree_as_it_was(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"))
    refused = ledger.prepared(building.attaching(), remove("/nothing"))
    later, page = ledger.prepared(building.attaching("/u")), building.page(mkdir("/b"))
    outcomes = ledger.batch([refused, page, later])
    assert [type(one).__name__ for one in outcomes] == ["NotFound", "ExtendTreeReply", "CommitReply"]
    assert set(ledger.tree()) >= {b"/u/a", b"/u/b"}


def test_nothing_comes_into_a_tree_that_was_attached_in_the_same_batch(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    page = building.page(mkdir("/a"))
    outcomes = ledger.batch([ledger.prepared(building.attaching()), page])
    assert isinstance(outcomes[1], e.NoSuchTree)
    assert b"/t/a" not in ledger.tree()


def test_expectations_hold_for_what_is_attached(ledger: Ledger) -> None:
    ledger.commit(mkdir("/t"), write("/f", b"x"))
    building = Building(ledger, "/t")
    with pytest.raises(e.Exists):
        building.attach()
    with pytest.raises(e.Exists):
        building.attach(expected="none", replace=True)
    old = ledger.stat("/t").etag
    ledger.commit(chattr("/t", mode=0o700))
    with pytest.raises(e.VersionChanged):
        building.attach(expected=old, replace=True)
    with pytest.raises(e.NotFound):
        building.attach("/no/t")
    with pytest.raises(e.NotADirectory):
        building.attach("/f/t", parents=True)
    reply = building.attach(expected=ledger.stat("/t").etag, replace=True)
    assert reply.results[0].etag == ledger.stat("/t").etag


def test_what_is_replaced_goes_with_the_same_commit(ledger: Ledger) -> None:
    ledger.commit(
        mkdir("/t"), mkdir("/t/old"), write("/t/old/f", b"old"), write("/f", b"x"), symlink("/s", "/t")
    )
    for path in ("/t", "/f", "/s"):
        building = Building(ledger, path)
        building.extend(write("/new", b"new"))
        reply = building.attach(replace=True)
        assert ledger.stat(path).kind == "directory"
        before = ledger.tree(at=reply.commit - 1)
        assert path.encode() + b"/new" not in before
        assert path.encode() in before
    assert b"/t/old" not in ledger.tree()
    ledger.reap()
    ledger.verify()


def test_what_may_not_be_removed_is_not_replaced(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    ledger.commit(
        mkdir("/d", mode=0o777),
        mkdir("/d/t", mode=0o777),
        mkdir("/d/t/closed", mode=0o755),
        write("/d/t/closed/f"),
        mkdir("/sticky", mode=0o1777),
        write("/sticky/t"),
    )
    for path in ("/d/t", "/sticky/t"):
        building = Building(ledger, path, person=ann)
        with pytest.raises(e.Forbidden):
            building.attach(replace=True)
        commit = ledger.prepared(building.attaching(replace=True), person=ann)
        with pytest.raises(e.Forbidden):
            looked(ledger, commit)


def test_trees_are_changed_like_anything_else(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(mkdir("/a"), write("/a/f", b"one"), mkdir("/a/b"))
    reply = ledger.commit(building.attaching(), write("/t/a/f", b"two"), rename("/t/a/b", "/t/b"))
    assert ledger.tree()[b"/t/a/f"] == tuple(ledger.open("/t/a/f").chunks)
    assert ledger.open("/t/a/f").chunks[0].hash == chunk(b"two").hash
    ledger.commit(rename("/t", "/u"))
    ledger.commit(remove("/u", recursive=True))
    ledger.reap()
    assert set(ledger.tree(at=reply.commit)) >= {b"/t/a/f", b"/t/b"}
    removed = Building(ledger, "/v")
    removed.extend(mkdir("/a"), write("/a/f", b"one"))
    ledger.commit(removed.attaching(), remove("/v", recursive=True))
    ledger.reap()
    assert b"/v" not in ledger.tree()


def test_one_change_is_logged_whatever_the_size(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    building.extend(*[write(f"/{n}", b"x") for n in range(100)])
    reply = building.attach()
    row = ledger.read(lambda tx: tx.row("SELECT entries FROM change WHERE commit_number = ?", reply.commit))
    assert row is not None
    [change] = changes.decode(row[0])
    assert (change.what, change.name) == (changes.CREATED, b"t")


# -- the end of trees -----------------------------------------------------------------------------------


def absent(ledger: Ledger) -> None:
    """The administrator has no session any more."""
    ledger.do(EndSession(ledger.session, ledger.admin.user_id, deadline=NEVER_LATE))


def back(ledger: Ledger, building: Building) -> None:
    """The administrator has a session again."""
    ledger.session = building.session = ledger.begin(ledger.admin)


@pytest.mark.parametrize("pages", [0, 2])
def test_what_nobody_works_at_is_ended_an_hour_later(pages: int) -> None:
    clock = ManualClock()
    with closing(SqliteDatabase(MEMORY, clock)) as database:
        ledger = Ledger(database)
        building = Building(ledger, "/t")
        clock.advance(detached.ABANDONED_US / 1e6 - 1)
        for number in range(pages):
            building.extend(mkdir(f"/{number}"), write(f"/{number}/f", b"x"))
        ledger.commit(mkdir("/x"))
        clock.advance(2)
        absent(ledger)
        assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == (0 if pages else 1)
        if pages:
            clock.advance(detached.ABANDONED_US / 1e6)
            back(ledger, building)
            late = building.page(mkdir("/late"))
            session = building.session
            absent(ledger)
            assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == 1
            back(ledger, building)
            assert session != building.session
            with pytest.raises((e.NoSuchTree, e.SessionEnded)):
                ledger.do(late)
        else:
            back(ledger, building)
        with pytest.raises(e.NoSuchTree):
            building.extend(mkdir("/later"))
        with pytest.raises(e.NoSuchTree):
            building.attach()
        ledger.reap()
        assert ledger.verify()["orphans"] == 0


def test_while_its_owner_is_there_a_tree_waits_a_day() -> None:
    clock = ManualClock()
    with closing(SqliteDatabase(MEMORY, clock)) as database:
        ledger = Ledger(database)
        first, second = Building(ledger, "/t"), Building(ledger, "/u")
        ledger.commit(mkdir("/x"))
        clock.advance(detached.ABANDONED_ANYWAY_US / 1e6 - 1)
        assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == 0
        first.extend(mkdir("/a"))
        clock.advance(2)
        assert ledger.do(AbandonTrees(deadline=NEVER_LATE)) == 1
        first.attach()
        with pytest.raises(e.NoSuchTree):
            second.attach()


def test_a_tree_that_is_attached_when_it_would_end_is_not_ended(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    ledger.commit(mkdir("/x"))
    ledger.database.write(lambda tx: tx.run("UPDATE detached SET at_us = 1"))
    assert ledger.read(lambda tx: detached.abandoned(tx, tx.now_us(), 1))
    outcomes = ledger.batch([ledger.prepared(building.attaching()), AbandonTrees(deadline=NEVER_LATE)])
    assert outcomes[1] == 0
    assert ledger.stat("/t").kind == "directory"


def test_a_dropped_tree_takes_nothing_more(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    late = building.page(mkdir("/a"))
    top = ledger.read(lambda tx: detached_handle.open_handle(tx, ledger.admin, building.tree)).top
    assert ledger.database.write(lambda tx: detached.give_up(tx, top))
    assert not ledger.database.write(lambda tx: detached.give_up(tx, top))
    with pytest.raises(e.NoSuchTree):
        ledger.do(late)
    with pytest.raises(e.NoSuchTree):
        building.attach()


def test_another_incarnation_knows_no_trees_of_before(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    page, attaching = building.page(mkdir("/a")), ledger.prepared(building.attaching(), receipts=[])
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET incarnation = incarnation + 1"))
    for asked in (page, attaching):
        with pytest.raises(e.IncarnationChanged):
            ledger.do(asked)
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET incarnation = incarnation - 1"))


def test_text_that_nobody_wrote_opens_nothing(ledger: Ledger) -> None:
    building = Building(ledger, "/t")
    flipped = building.tree[:-2] + ("A" if building.tree[-2] != "A" else "B") + building.tree[-1]
    for text in ("", "nonsense", flipped, building.tree[:-4], "é" * 10, "A" * 9000):
        with pytest.raises(e.BadCursor):
            ledger.read(lambda tx, t=text: detached_handle.open_handle(tx, ledger.admin, t))  # type: ignore[misc]
