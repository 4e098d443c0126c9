"""Fileservers: joining, starting again, heartbeats, the map, and what becomes of groups; everywhere."""

from __future__ import annotations

from collections import Counter

import pytest

from cairnfs import errors as e
from cairnfs.core import placement
from cairnfs.core.placement import group_of
from cairnfs.ids import GROUPS, BootId, FileserverId, GroupId, UserId
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import cluster, fileservers, groups, leader, tokens
from cairnfs.metadata.ops.fileservers import Join, Register, SetState
from cairnfs.testing.ledger import NEVER_LATE, Ledger, chunk, mkdir, write
from cairnfs.wire.cluster import HeartbeatRequest, JoinRequest, RegisterRequest, StatusReply

ONE = chunk(b"one")
GROUP = group_of(ONE.hash)


def status(ledger: Ledger) -> StatusReply:
    return ledger.read(lambda tx: cluster.status(tx, database="test", version="0"))


def dirty(ledger: Ledger) -> list[int]:
    return [one.id for one in ledger.read(groups.every) if one.dirty]


def test_members_come_with_the_fileservers(database: Database) -> None:
    ledger = Ledger(database, fileservers=1)
    assert all(one == [1] for one in ledger.map().groups)
    assert not status(ledger).ready
    first = ledger.map()
    ledger.join()
    assert status(ledger).ready  # a majority of three copies
    ledger.join()
    ledger.join()
    now = ledger.map()
    assert now.version == first.version + 3
    weights = {FileserverId(one): 1.0 for one in range(1, 5)}
    assert now.groups == [list(placement.members(GroupId(one), weights, 3)) for one in range(GROUPS)]
    assert min(Counter(one[0] for one in now.groups).values()) > GROUPS / 4 * 0.75
    assert [one.epoch for one in ledger.read(groups.every)] == now.epochs
    assert dirty(ledger) == []
    ledger.verify()


def test_groups_that_hold_chunks_keep_their_members(database: Database) -> None:
    ledger = Ledger(database, fileservers=2)
    ledger.commit(write("/f", ONE))
    before = ledger.map()
    ledger.join()
    after = ledger.map()
    assert after.groups[GROUP] == [*before.groups[GROUP], 3]
    assert after.epochs[GROUP] == before.epochs[GROUP] + 1
    assert dirty(ledger) == [GROUP]
    ledger.join()  # it has enough members now
    assert ledger.map().groups[GROUP] == after.groups[GROUP]
    assert ledger.map().epochs[GROUP] == after.epochs[GROUP]
    ledger.verify()


def test_chunks_of_the_same_batch_count(database: Database) -> None:
    ledger = Ledger(database, fileservers=2)
    database.write(lambda tx: tokens.issue_one_time(tx, b"t", tokens.JOIN, 2**62))
    request = JoinRequest(join_token="", address="http://127.0.0.1:1", boot="b")
    join = Join(request, b"t", receipt_key=b"k", refresh_hash=b"r", refresh_expires_us=1, deadline=NEVER_LATE)
    before = ledger.map()
    committed, joined, based = ledger.batch(
        [ledger.prepared(write("/f", ONE)), join, ledger.prepared(write("/f", ONE, ONE), receipts=[])]
    )
    assert committed.commit
    assert joined.fileserver == 3
    assert ledger.map().groups[GROUP] == [*before.groups[GROUP], 3]
    assert isinstance(based, e.NotDurable)  # the group just became dirty


def test_a_join_token_works_once(database: Database) -> None:
    ledger = Ledger(database)
    request = JoinRequest(join_token="", address="http://127.0.0.1:1", boot="b")

    def join(token: bytes) -> Join:
        return Join(
            request, token, receipt_key=b"k", refresh_hash=token, refresh_expires_us=1, deadline=NEVER_LATE
        )

    database.write(lambda tx: tokens.issue_one_time(tx, b"new", tokens.JOIN, 2**62))
    database.write(lambda tx: tokens.issue_one_time(tx, b"old", tokens.JOIN, 1))
    outcomes = ledger.batch([join(b"new"), join(b"new"), join(b"old"), join(b"unknown")])
    assert [type(one).__name__ for one in outcomes] == ["Joined", *["JoinRefused"] * 3]
    assert outcomes[0].name == "fileserver:4"
    [server] = [one for one in ledger.read(fileservers.every) if one.id == 4]
    assert (server.receipt_key, "key" in repr(server), server.state) == (b"k", False, "up")
    assert "join_token" not in repr(join(b"new"))


def test_a_new_start_makes_its_groups_dirty(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(write("/f", ONE))
    [server, *_] = ledger.read(fileservers.every)
    same = RegisterRequest(address="http://127.0.0.1:9", boot=server.boot)
    version = ledger.map().version
    reply = ledger.do(Register(server.id, server.user_id, same, deadline=NEVER_LATE))
    assert (reply.map_version, ledger.map().version, dirty(ledger)) == (version + 1, version + 1, [])
    again = RegisterRequest(address="http://127.0.0.1:9", boot="again", capacity_bytes=77)
    ledger.do(Register(server.id, server.user_id, again, deadline=NEVER_LATE))
    assert dirty(ledger) == [GROUP]
    assert ledger.map().fileservers[0].boot == "again"
    assert ledger.read(fileservers.every)[0].free_bytes == 77
    with pytest.raises(e.NotFound):
        ledger.do(Register(FileserverId(9), server.user_id, again, deadline=NEVER_LATE))
    with pytest.raises(e.Forbidden):
        ledger.do(Register(server.id, ledger.admin.user_id, again, deadline=NEVER_LATE))


def test_heartbeats_are_of_the_present_start(database: Database) -> None:
    ledger = Ledger(database)
    [server, *_] = ledger.read(fileservers.every)

    def beat(
        counter: int, *, boot: str = server.boot, user: UserId = server.user_id, which: int = server.id
    ) -> object:
        request = HeartbeatRequest(boot=boot, counter=counter, used_bytes=10, free_bytes=20, chunks=3)
        return database.write(lambda tx: fileservers.heartbeat(tx, FileserverId(which), user, request))

    reply = beat(2)
    assert (reply.map_version, reply.commit) == (ledger.map().version, ledger.newest())  # type: ignore[attr-defined]
    beat(1)
    known = ledger.read(fileservers.every)[0]
    assert (known.counter, known.used_bytes, known.free_bytes, known.chunks) == (2, 10, 20, 3)
    with pytest.raises(e.Conflict):
        beat(3, boot="old")
    with pytest.raises(e.Forbidden):
        beat(3, user=UserId(99))
    with pytest.raises(e.NotFound):
        beat(3, which=9)


def test_states_are_changed_by_the_detector(database: Database) -> None:
    ledger = Ledger(database)
    version = ledger.map().version
    down = SetState(FileserverId(1), "down", deadline=NEVER_LATE, seen_counter=0)
    assert ledger.batch([down, down]) == [True, False]
    assert ledger.read(lambda tx: fileservers.state(tx, FileserverId(1))) == "down"
    assert ledger.map().version == version + 1
    assert status(ledger).ready
    assert not ledger.do(SetState(FileserverId(2), "down", deadline=NEVER_LATE, seen_counter=7))
    assert ledger.do(SetState(FileserverId(2), "suspect", deadline=NEVER_LATE))
    assert not status(ledger).ready
    with pytest.raises(e.Aborted):
        ledger.do(SetState(FileserverId(2), "up", deadline=NEVER_LATE, term=7))
    taken = database.read(leader.read)
    term = database.write(lambda tx: leader.take(tx, "me", taken))
    assert ledger.do(SetState(FileserverId(2), "up", deadline=NEVER_LATE, term=term))
    with pytest.raises(e.NotFound):
        ledger.read(lambda tx: fileservers.state(tx, FileserverId(9)))


def test_a_group_becomes_clean_only_if_nothing_was_missed_meanwhile(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(write("/f", ONE))
    ledger.do(groups.MarkDirty([GROUP], deadline=NEVER_LATE))
    boots = {one.id: BootId(one.boot) for one in ledger.read(fileservers.every)}

    def compared() -> list[groups.Group]:
        ledger.do(groups.BeginComparison([GROUP], deadline=NEVER_LATE))
        return [one for one in ledger.read(groups.every) if one.id == GROUP]

    def became_clean(seen: list[groups.Group], starts: dict[FileserverId, BootId] = boots) -> bool:
        return bool(ledger.do(groups.MarkClean(seen, starts, deadline=NEVER_LATE)))

    seen = compared()
    ledger.do(ledger.prepared(write("/g", ONE), receipts=[ledger.receipt([ONE], holders=2)]))
    assert not became_clean(seen)
    assert not became_clean(compared(), boots | {FileserverId(1): BootId("again")})
    seen = compared()
    ledger.commit(write("/h", ONE))  # all members have it
    assert became_clean(seen)
    assert dirty(ledger) == []
    assert status(ledger).groups_clean == GROUPS
    assert ledger.read(lambda tx: groups.listed(tx, b"", None, 10)) == [(ONE.hash, ONE.size, 3)]


def test_the_status_counts(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(mkdir("/d"))
    shown = status(ledger)
    assert (shown.commit, shown.copies, shown.sessions, len(shown.fileservers)) == (ledger.newest(), 3, 1, 3)
    assert (shown.groups_clean, shown.groups_dirty, shown.ready) == (GROUPS, 0, True)
