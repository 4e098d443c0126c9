"""Bases: files whose chunks a commit may use without sending them, and all that makes them count no more."""

from __future__ import annotations

from contextlib import closing

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.core.manifest import LEAF_ENTRIES, Chunk
from cairnfs.core.placement import group_of
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import groups, sessions
from cairnfs.metadata.ops.commit import prepare
from cairnfs.metadata.ops.detached import give_up
from cairnfs.metadata.ops.detached_handle import open_handle
from cairnfs.testing.ledger import NEVER_LATE, Ledger, chunk, mkdir, remove, rename, symlink, write
from cairnfs.testing.planted_metadata import reading_bases_of_others
from cairnfs.wire import problems
from cairnfs.wire.commits import Base, CommitRequest
from tests.unit.metadata.building import Building
from tests.unit.metadata.leaning import Leaning

OLD, NEW = b"was there", b"is new"


@pytest.fixture
def leaning(ledger: Ledger) -> Leaning:
    return Leaning(ledger)


def test_what_is_in_a_base_needs_no_receipt(ledger: Ledger, leaning: Leaning) -> None:
    ledger.commit(write("/old", OLD, b"2"), mkdir("/d"))
    leaning.commit(write("/d/a", b"2", NEW, OLD), write("/d/b", OLD), bases=[Base(path="/old")], sent=(NEW,))
    assert [one.hash for one in ledger.open("/d/a").chunks] == [chunk(one).hash for one in (b"2", NEW, OLD)]
    ledger.verify()


def test_a_base_may_be_of_an_earlier_commit(ledger: Ledger, leaning: Leaning) -> None:
    leaning.session = ledger.begin(ledger.admin)  # needs what is newest now
    then = ledger.commit(write("/old", OLD)).commit
    ledger.commit(remove("/old"))
    assert leaning.refused(write("/f", OLD), bases=[Base(path="/old")]) == [chunk(OLD).hash]
    leaning.commit(write("/f", OLD), bases=[Base(path="/old", at=then)])
    ledger.verify()


def test_what_the_session_does_not_need_any_more_vouches_for_nothing(ledger: Ledger) -> None:
    then = ledger.commit(write("/old", OLD)).commit
    ledger.commit(remove("/old"))
    leaning = Leaning(ledger)
    for at in (then, then + 100, 2**62):
        assert leaning.refused(write("/f", OLD), bases=[Base(path="/old", at=at)]) == [chunk(OLD).hash]


def test_a_session_that_stops_needing_it_between_look_and_clock(ledger: Ledger, leaning: Leaning) -> None:
    then = ledger.commit(write("/old", OLD)).commit
    now = ledger.commit(remove("/old")).commit
    commit = leaning.looked(write("/f", OLD), bases=[Base(path="/old", at=then)])
    user = ledger.admin.user_id
    ledger.database.write(lambda tx: sessions.renew(tx, leaning.session, user, 1, now))
    with pytest.raises(e.NotDurable) as refusal:
        ledger.do(commit)
    assert refusal.value.chunks == (chunk(OLD).hash,)


def test_a_session_that_is_over_or_anothers(ledger: Ledger, leaning: Leaning) -> None:
    ledger.commit(write("/old", OLD))
    commit = leaning.looked(write("/f", OLD), bases=[Base(path="/old")])
    ledger.do(sessions.EndSession(leaning.session, ledger.admin.user_id, deadline=NEVER_LATE))
    with pytest.raises(e.SessionEnded):
        ledger.do(commit)
    leaning.session = ledger.begin(ledger.person("ann"))
    with pytest.raises(e.SessionEnded):
        leaning.looked(write("/f", OLD), bases=[Base(path="/old")])


def test_bases_without_a_session_are_a_mistake(ledger: Ledger) -> None:
    request = CommitRequest(request_id="0" * 32, operations=[write("/f", OLD)], bases=[Base(path="/old")])
    with pytest.raises(e.BadRequest):
        prepare(ledger.admin, request, [], body_hash=bytes(32), deadline=NEVER_LATE)


def test_only_files_that_one_may_read_vouch(ledger: Ledger) -> None:
    bob = Leaning(ledger, ledger.person("bob"))
    ledger.commit(
        mkdir("/closed", mode=0o700), write("/closed/f", OLD), write("/unread", OLD, mode=0o622), mkdir("/d")
    )
    there = [Base(path=path) for path in ("/closed/f", "/unread", "/d", "/none")]
    for base in there:
        assert bob.refused(write("/home/bob/f", OLD), bases=[base]) == [chunk(OLD).hash]
    # Nobody learns whether a guess was right.
    with pytest.raises(e.NotDurable) as right:
        bob.commit(write("/home/bob/f", OLD), bases=there)
    with pytest.raises(e.NotDurable) as wrong:
        bob.commit(write("/home/bob/f", NEW), bases=there)
    said = [str(one.value).replace(chunk(data).hash.hex(), "") for one, data in ((right, OLD), (wrong, NEW))]
    assert said[0] == said[1]


def test_a_base_read_without_the_right_to_is_found() -> None:
    """The bug is planted: the test above has to find it."""
    with (
        closing(SqliteDatabase(MEMORY, SystemClock())) as database,
        reading_bases_of_others(),
        pytest.raises(pytest.fail.Exception),
    ):
        test_only_files_that_one_may_read_vouch(Ledger(database))


def test_rights_that_change_between_look_and_clock(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    leaning = Leaning(ledger, ann)
    ledger.commit(write("/home/ann/old", OLD), person=ann)
    commit = leaning.looked(write("/home/ann/f", OLD), bases=[Base(path="/home/ann/old")])
    ledger.user_group("crew", ann)
    with pytest.raises(e.Busy):
        ledger.do(commit)
    ledger.read(commit.look)
    ledger.do(commit)


def test_a_dirty_group_or_one_with_few_members_vouches_for_nothing(ledger: Ledger, leaning: Leaning) -> None:
    ledger.commit(write("/old", OLD), write("/other", b"2"))
    given = {"bases": [Base(path="/old"), Base(path="/other")]}
    commit = leaning.looked(write("/f", OLD, b"2"), **given)
    ledger.do(groups.MarkDirty([group_of(chunk(OLD).hash)], deadline=NEVER_LATE))
    with pytest.raises(e.NotDurable) as inside:
        ledger.do(commit)
    assert inside.value.chunks == (chunk(OLD).hash,)
    # The next one learns it before the clock.
    with pytest.raises(e.NotDurable) as before:
        leaning.looked(write("/f", OLD, b"2"), **given)
    assert before.value.chunks == (chunk(OLD).hash,)
    leaning.commit(write("/f", OLD, b"2"), sent=(OLD,), **given)


def test_more_copies_are_asked_for_than_there_are_members(ledger: Ledger, leaning: Leaning) -> None:
    ledger.commit(write("/old", OLD))
    ledger.database.write(lambda tx: tx.run("DELETE FROM group_member WHERE position = 2"))
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET map_version = map_version + 1"))
    base = {"bases": [Base(path="/old")]}
    assert leaning.refused(write("/f", OLD, durability="all"), **base) == [chunk(OLD).hash]
    leaning.commit(write("/f", OLD), **base)


def test_the_refusal_names_all_that_is_to_be_sent(ledger: Ledger, leaning: Leaning) -> None:
    ledger.commit(write("/old", OLD))
    asked = [write(f"/{number}", OLD, b"new %d" % number) for number in range(20)]
    missing = [chunk(b"new %d" % number).hash for number in range(1, 20)]
    given = {"bases": [Base(path="/old")], "sent": (b"new 0",)}
    assert leaning.refused(*asked, **given) == missing
    # Where a rename might have brought them along, it is known only inside.
    ledger.commit(mkdir("/x"))
    assert leaning.refused(rename("/x", "/y"), *asked, **given) == missing


def test_hashes_travel_with_the_problem() -> None:
    many = [bytes([number % 256, number // 256]) * 16 for number in range(5000)]
    problem = problems.from_error(e.NotDurable("why", chunks=[*many, *many]))
    assert problem.chunks == many[: problems.CHUNKS_MAX]
    back = problems.to_error(problem)
    assert isinstance(back, e.NotDurable)
    assert back.chunks == tuple(many[:4096])
    assert problems.from_error(e.NotDurable("why")).chunks is None


def test_the_present_version_counts_beside_bases(ledger: Ledger, leaning: Leaning) -> None:
    ledger.commit(write("/f", OLD), write("/other", b"2"), symlink("/link", "f"))
    leaning.commit(write("/link", OLD, b"2"), bases=[Base(path="/other")])
    leaning.commit(rename("/f", "/g"), write("/g", b"2"), bases=[Base(path="/none")])
    assert ledger.stat("/g").size == 1


def test_large_files_are_looked_through(ledger: Ledger, leaning: Leaning) -> None:
    content = [b"%d" % number for number in range(3 * LEAF_ENTRIES)]
    ledger.commit(write("/large", *content))
    leaning.commit(write("/f", *content[5:-5:7]), bases=[Base(path="/large")])
    wrong = Chunk(chunk(content[7]).hash, 77)
    assert leaning.refused(write("/f", wrong), bases=[Base(path="/large")]) == [wrong.hash]


def test_bases_have_their_limits(ledger: Ledger, leaning: Leaning) -> None:
    with pytest.raises(e.TooManyOperations):
        leaning.prepared(write("/f", OLD), bases=[Base(path="/x")] * 1001)
    with pytest.raises(e.TooManyOperations):
        leaning.prepared(write("/f", OLD), bases=[Base(path="/x", at=at) for at in range(65)])
    with pytest.raises(e.BadRequest):
        leaning.prepared(write("/f", OLD), bases=[Base(path="/x", at=1, tree="t")])
    with pytest.raises(e.BadName):
        leaning.prepared(write("/f", OLD), bases=[Base(path="x")])
    with pytest.raises(e.BadCursor):
        leaning.commit(write("/f", OLD), bases=[Base(path="/x", tree="t")])


def test_another_incarnation(ledger: Ledger, leaning: Leaning) -> None:
    ledger.commit(write("/old", OLD))
    commit = leaning.looked(write("/f", OLD), bases=[Base(path="/old")])
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET incarnation = incarnation + 1"))
    with pytest.raises(e.IncarnationChanged):
        ledger.do(commit)


# -- detached trees ------------------------------------------------------------------------------------


def test_files_in_ones_own_detached_tree_vouch(ledger: Ledger, leaning: Leaning) -> None:
    stash = Building(ledger, "/stash")
    stash.extend(mkdir("/a"), write("/a/f", OLD), write("/top", b"2"))
    inside = [Base(path="/a/f", tree=stash.tree), Base(path="/top", tree=stash.tree)]
    leaning.commit(write("/f", OLD, b"2"), bases=inside)
    for path in ("/a", "/", "/none", "/a/f/x"):
        other = write("/g", OLD)
        assert leaning.refused(other, bases=[Base(path=path, tree=stash.tree)]) == [chunk(OLD).hash]
    ledger.verify()


def test_a_detached_tree_that_is_gone_by_then_vouches_for_nothing(ledger: Ledger, leaning: Leaning) -> None:
    for end in ("given up", "attached"):
        stash = Building(ledger, f"/{end}")
        stash.extend(write("/f", OLD))
        given = {"bases": [Base(path="/f", tree=stash.tree)]}
        commit = leaning.looked(write("/f", OLD), **given)
        if end == "attached":
            stash.attach()
        else:
            top = ledger.read(lambda tx, s=stash: open_handle(tx, ledger.admin, s.tree)).top  # type: ignore[misc]
            ledger.database.write(lambda tx, t=top: give_up(tx, t))  # type: ignore[misc]
        with pytest.raises(e.NotDurable):
            ledger.do(commit)
        assert leaning.refused(write("/f", OLD), **given) == [chunk(OLD).hash]


def test_nobody_elses_detached_tree(ledger: Ledger) -> None:
    stash = Building(ledger, "/stash")
    stash.extend(write("/f", OLD, mode=0o666))
    bob = Leaning(ledger, ledger.person("bob"))
    with pytest.raises(e.Forbidden):
        bob.commit(write("/home/bob/f", OLD), bases=[Base(path="/f", tree=stash.tree)])
