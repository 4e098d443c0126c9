"""The frame of a commit: what a request may hold, numbers and times, receipts and sessions."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.manifest import CHUNK_MAX_BYTES, HOLE, HOLE_MAX_BYTES, Chunk
from cairnfs.core.moment import EARLIEST_US, LATEST_US
from cairnfs.core.placement import group_of
from cairnfs.ids import SessionId
from cairnfs.metadata.ops import groups, sessions
from cairnfs.metadata.ops.commit import prepare
from cairnfs.metadata.ops.fileservers import Register
from cairnfs.metadata.rows import commits, fileservers
from cairnfs.testing.ledger import NEVER_LATE, Ledger, chunk, mkdir, remove, rename, write
from cairnfs.wire.cluster import RegisterRequest
from cairnfs.wire.commits import CommitRequest, Operation, Write
from cairnfs.wire.directory import ChunkRef

ONE = chunk(b"one")


def asked(ledger: Ledger, *operations: Operation, **rest: Any) -> Any:
    given = {
        "request_id": secrets.token_hex(16),
        "session": ledger.session,
        "operations": list(operations),
    } | rest
    return prepare(ledger.admin, CommitRequest(**given), [], body_hash=bytes(32), deadline=NEVER_LATE)


def of_size(size: int, *chunks: ChunkRef, **rest: Any) -> Write:
    return Write(path="/f", chunks=list(chunks), size=size, **rest)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (of_size(4, ChunkRef(ONE.hash, 3)), e.LengthMismatch),
        (of_size(2, ChunkRef(ONE.hash, 3)), e.LengthMismatch),
        (of_size(1), e.LengthMismatch),
        (of_size(0, ChunkRef(ONE.hash, 0)), e.BadRequest),
        (of_size(-1, ChunkRef(ONE.hash, -1)), e.BadRequest),
        (of_size(CHUNK_MAX_BYTES + 1, ChunkRef(ONE.hash, CHUNK_MAX_BYTES + 1)), e.BadRequest),
        (of_size(HOLE_MAX_BYTES + 1, ChunkRef(HOLE, HOLE_MAX_BYTES + 1)), e.BadRequest),
        (of_size(0, ChunkRef(HOLE, 0)), e.BadRequest),
        (of_size(-1, ChunkRef(HOLE, -1)), e.BadRequest),
        (of_size(4, ChunkRef(HOLE, 5)), e.LengthMismatch),
        (of_size(3, ChunkRef(b"short", 3)), e.BadRequest),
        (of_size(0, mode=0o10000), e.BadRequest),
        (of_size(0, mode=-1), e.BadRequest),
        (of_size(0, mtime_us=EARLIEST_US - 1), e.BadRequest),
        (of_size(0, mtime_us=LATEST_US + 1), e.BadRequest),
        (of_size(0, expected="x"), e.BadRequest),
        (write("//f"), e.BadName),
        (write(b"/" + b"x" * 256), e.BadName),
        (write(b"/x" * 2049), e.PathTooLong),
        (mkdir("/d", mode=0o10000), e.BadRequest),
        (mkdir("relative"), e.BadName),
        (rename("/a", "/b/../c"), e.BadName),
        (remove("/a", expected="none"), e.BadRequest),
        (rename("/a", "/b", expected="none"), e.BadRequest),
    ],
)
def test_bad_operations_stop_at_the_border(
    ledger: Ledger, operation: Operation, error: type[e.CairnError]
) -> None:
    with pytest.raises(error):
        asked(ledger, operation)


@pytest.mark.parametrize("request_id", ["", "x" * 32, "0" * 31, "0" * 33, "A" * 32])
def test_a_request_id_is_128_bits_in_hex(ledger: Ledger, request_id: str) -> None:
    with pytest.raises(e.BadRequest):
        asked(ledger, mkdir("/d"), request_id=request_id)


def test_a_commit_has_1_to_1000_operations_and_a_short_message(ledger: Ledger) -> None:
    with pytest.raises(e.BadRequest):
        asked(ledger)
    with pytest.raises(e.TooManyOperations):
        asked(ledger, *[mkdir("/d")] * 1001)
    with pytest.raises(e.BadRequest):
        asked(ledger, mkdir("/d"), message="x" * 5000)
    ledger.commit(*[mkdir(f"/d{n}") for n in range(1000)], message="thousand")
    assert ledger.read(
        lambda tx: tx.rows("SELECT operations, message FROM commits ORDER BY number DESC LIMIT 1")
    ) == [(1000, "thousand")]


def test_a_commit_makes_at_most_10000_files_and_directories(ledger: Ledger) -> None:
    before = ledger.verify()
    deep = "/d" * 1000
    with pytest.raises(e.TooManyOperations):
        ledger.commit(*[mkdir(f"/{n}{deep}", parents=True) for n in range(10)])
    assert ledger.verify() == before
    ledger.commit(*[mkdir(f"/{n}{deep}", parents=True) for n in range(9)])


def test_numbers_follow_each_other_and_times_grow(ledger: Ledger) -> None:
    first = ledger.newest()
    outcomes = ledger.batch(
        [
            ledger.prepared(mkdir("/a")),
            ledger.prepared(mkdir("/a")),
            ledger.prepared(mkdir("/b")),
            ledger.prepared(rename("/b", "/b")),
        ]
    )
    assert [one.commit - first for one in outcomes if not isinstance(one, e.CairnError)] == [1, 2, 3]
    assert isinstance(outcomes[1], e.Exists)
    times = [one.at_us for one in outcomes if not isinstance(one, e.CairnError)]
    assert times == sorted(set(times))
    assert ledger.read(lambda tx: commits.times(tx, [first + 1, first + 3])) == {
        first + 1: times[0],
        first + 3: times[2],
    }


# receipts


def test_enough_holders_are_a_majority_of_the_policys_copies(ledger: Ledger) -> None:
    for holders, durability, enough in (
        (1, "majority", False),
        (2, "majority", True),
        (2, "all", False),
        (3, "all", True),
    ):
        name = f"/{holders}-{durability}"
        operation = write(name, ONE, durability=durability)  # type: ignore[arg-type]
        commit = ledger.prepared(operation, receipts=[ledger.receipt([ONE], holders=holders)])
        if enough:
            ledger.do(commit)
        else:
            with pytest.raises(e.NotDurable, match=ONE.hash.hex()):
                ledger.do(commit)


def test_a_member_that_was_missed_makes_the_group_dirty(ledger: Ledger) -> None:
    def dirty() -> list[int]:
        return [one.id for one in ledger.read(groups.every) if one.dirty]

    ledger.do(ledger.prepared(write("/f", ONE), receipts=[ledger.receipt([ONE], holders=3)]))
    assert dirty() == []
    with pytest.raises(e.NotFound):  # a refused commit dirties nothing
        ledger.do(ledger.prepared(write("/no/f", ONE), receipts=[ledger.receipt([ONE], holders=2)]))
    assert dirty() == []
    ledger.do(ledger.prepared(write("/g", ONE), receipts=[ledger.receipt([ONE], holders=2)]))
    assert dirty() == [group_of(ONE.hash)]


def test_receipts_of_two_fileservers_add_up(ledger: Ledger) -> None:
    receipt = ledger.receipt([ONE])
    parts = [
        type(receipt)(
            **{name: getattr(receipt, name) for name in receipt.__struct_fields__ if name != "holdings"},
            holdings=[type(one)([one.holders[at]], one.chunks) for one in receipt.holdings],
        )
        for at in (0, 1)
    ]
    with pytest.raises(e.NotDurable):
        ledger.do(ledger.prepared(write("/f", ONE), receipts=parts[:1]))
    ledger.do(ledger.prepared(write("/f", ONE), receipts=parts))


def test_who_left_or_started_again_does_not_count(ledger: Ledger) -> None:
    receipt = ledger.receipt([ONE])
    servers = ledger.read(fileservers.every)
    for server in servers[:2]:
        request = RegisterRequest(address=server.address, boot=f"again{server.id}")
        ledger.do(Register(server.id, server.user_id, request, deadline=NEVER_LATE))
    with pytest.raises(e.NotDurable):
        ledger.do(ledger.prepared(write("/f", ONE), receipts=[receipt]))
    stranger = ledger.receipt([ONE])
    for holding in stranger.holdings:
        holding.holders[:] = [type(one)(one.fileserver + 100, one.boot) for one in holding.holders]
    with pytest.raises(e.NotDurable):
        ledger.do(ledger.prepared(write("/f", ONE), receipts=[stranger]))
    ledger.commit(write("/f", ONE))


def test_a_receipt_is_for_one_user_and_session(ledger: Ledger) -> None:
    ann = ledger.person("ann")
    theirs, other = ledger.begin(ann), ledger.begin(ledger.admin)
    for receipt in (ledger.receipt([ONE], ann, theirs), ledger.receipt([ONE], ledger.admin, other)):
        with pytest.raises(e.ReceiptInvalid):
            ledger.prepared(write("/f", ONE), receipts=[receipt])
    with pytest.raises(e.SessionEnded):  # another user's session
        ledger.do(ledger.prepared(write("/f"), session=theirs, receipts=[]))
    with pytest.raises(e.SessionEnded):
        ledger.do(ledger.prepared(write("/f"), session=SessionId("0" * 32), receipts=[]))
    with pytest.raises(e.SessionEnded):
        ledger.prepared(write("/f"), session=SessionId("a\0b"), receipts=[])


def test_receipts_die_with_their_session(ledger: Ledger) -> None:
    session = ledger.begin(ledger.admin)
    commit = ledger.prepared(write("/f", ONE), session=session)
    ended, refused = ledger.batch(
        [sessions.EndSession(session, ledger.admin.user_id, deadline=NEVER_LATE), commit]
    )
    assert ended is None
    assert isinstance(refused, e.SessionEnded)


def test_a_receipt_begun_before_the_session_needs_it_proves_nothing(ledger: Ledger) -> None:
    session, begin = ledger.begin(ledger.admin), ledger.newest()
    ledger.commit(mkdir("/d"))
    old = ledger.receipt([ONE], session=session, begin=begin)
    commit = ledger.prepared(write("/f", ONE), session=session, receipts=[old])
    user, needs = ledger.admin.user_id, ledger.newest()
    ledger.database.write(lambda tx: sessions.renew(tx, session, user, 1, needs))
    with pytest.raises(e.NotDurable):
        ledger.do(commit)
    fresh = ledger.receipt([ONE], session=session)
    ledger.do(ledger.prepared(write("/f", ONE), session=session, receipts=[old, fresh]))


def test_receipts_of_another_incarnation_are_refused(ledger: Ledger) -> None:
    with pytest.raises(e.IncarnationChanged):
        ledger.do(ledger.prepared(write("/f", ONE), receipts=[ledger.receipt([ONE], incarnation=7)]))


def test_a_size_that_the_receipt_does_not_confirm(ledger: Ledger) -> None:
    lying = Chunk(ONE.hash, ONE.size + 1)
    with pytest.raises(e.LengthMismatch):
        ledger.prepared(write("/f", lying), receipts=[ledger.receipt([ONE])])
    ledger.commit(write("/f", ONE))
    with pytest.raises(e.LengthMismatch):  # even if a fileserver should say so
        ledger.do(ledger.prepared(write("/g", lying), receipts=[ledger.receipt([lying])]))


# chunks without a receipt


def test_what_is_in_the_present_version_needs_no_receipt(ledger: Ledger) -> None:
    ledger.commit(write("/f", b"1", b"2", b"3"))
    ledger.do(ledger.prepared(write("/f", b"1", b"new", b"3"), receipts=[ledger.receipt([chunk(b"new")])]))
    ledger.do(ledger.prepared(write("/f", b"3", b"3"), receipts=[]))
    with pytest.raises(e.NotDurable):  # it was, but is not any more
        ledger.do(ledger.prepared(write("/f", b"2"), receipts=[]))
    with pytest.raises(e.NotDurable):  # it is in another file
        ledger.do(ledger.prepared(write("/g", b"3"), receipts=[]))
    with pytest.raises(e.NotDurable):  # its size is told wrong
        ledger.do(ledger.prepared(write("/f", Chunk(chunk(b"3").hash, 2)), receipts=[]))


def test_only_whom_may_read_it_may_use_it(ledger: Ledger) -> None:
    bob = ledger.person("bob")
    ledger.commit(mkdir("/d", mode=0o777), write("/d/f", b"secret", mode=0o622))
    with pytest.raises(e.NotDurable):
        ledger.do(ledger.prepared(write("/d/f", b"secret"), person=bob, receipts=[]))


def test_a_dirty_group_vouches_for_nothing(ledger: Ledger) -> None:
    ledger.commit(write("/f", ONE))
    ledger.do(groups.MarkDirty([group_of(ONE.hash)], deadline=NEVER_LATE))
    with pytest.raises(e.NotDurable):
        ledger.do(ledger.prepared(write("/f", ONE, ONE), receipts=[]))


def test_the_base_may_be_made_in_the_same_batch(ledger: Ledger) -> None:
    first, second, third = ledger.batch(
        [
            ledger.prepared(write("/f", ONE)),
            ledger.prepared(write("/f", ONE, ONE), receipts=[]),
            ledger.prepared(rename("/f", "/g"), write("/g", ONE), receipts=[]),
        ]
    )
    assert [ledger.stat("/f", at=one.commit).size for one in (first, second)] == [3, 6]
    assert ledger.stat("/g", at=third.commit).size == 3


def test_references_are_counted_by_leaves(ledger: Ledger) -> None:
    def refs() -> tuple[list[Any], list[Any]]:
        return ledger.read(
            lambda tx: (tx.rows("SELECT refs FROM leaf ORDER BY refs"), tx.rows("SELECT refs FROM chunk"))
        )

    ledger.commit(write("/f", ONE, ONE), write("/g", ONE, ONE), write("/h", *[ONE] * 512))
    assert refs() == ([(2,), (2,)], [(2 + 256,)])
    ledger.commit(write("/f", ONE, ONE), remove("/g"))
    assert refs() == ([(2,), (3,)], [(258,)])
    with pytest.raises(e.NotFound):
        ledger.commit(write("/i", ONE), remove("/missing"))
    assert refs() == ([(2,), (3,)], [(258,)])


def test_a_hole_needs_nobodys_word_and_no_row(ledger: Ledger) -> None:
    """Nor does a receipt that names one count for anything, whatever size it says."""
    hole = Chunk(HOLE, HOLE_MAX_BYTES)
    ledger.do(ledger.prepared(write("/hole", hole, hole, Chunk(HOLE, 1)), receipts=[]))
    assert ledger.stat("/hole").size == 2 * HOLE_MAX_BYTES + 1
    ledger.do(ledger.prepared(write("/sparse", hole, ONE, hole), receipts=[ledger.receipt([ONE])]))
    strange = ledger.receipt([Chunk(HOLE, 7), ONE], holders=2)
    ledger.do(ledger.prepared(write("/strange", hole, ONE), receipts=[strange]))
    assert [one.size for one in ledger.open("/strange").chunks] == [HOLE_MAX_BYTES, 3]
    lonely = ledger.receipt([Chunk(HOLE, 7)], holders=1)
    ledger.do(ledger.prepared(write("/lonely", Chunk(HOLE, 7)), receipts=[lonely]))
    assert ledger.verify()["chunks"] == 1
    assert ledger.read(lambda tx: tx.rows("SELECT refs FROM chunk WHERE hash = ?", HOLE)) == []


def test_chunks_beside_holes_need_their_receipts(ledger: Ledger) -> None:
    with pytest.raises(e.NotDurable):
        ledger.do(
            ledger.prepared(write("/f", Chunk(HOLE, 5), ONE), receipts=[ledger.receipt([Chunk(HOLE, 5)])])
        )
    ledger.commit(write("/f", Chunk(HOLE, 5), ONE, Chunk(HOLE, 9)))
    # What is in the present version may be taken from it, wherever its holes are now.
    ledger.do(ledger.prepared(write("/f", ONE, Chunk(HOLE, 70)), receipts=[]))
    assert [one.size for one in ledger.open("/f").chunks] == [3, 70]
    ledger.verify()


def test_parts_of_a_file_of_many_holes_are_found(ledger: Ledger) -> None:
    content = [part for n in range(300) for part in (Chunk(HOLE, 2**32 - 1), b"%d" % n)]
    ledger.commit(write("/f", *content))
    size = ledger.stat("/f").size
    at = 0
    for n in range(300):
        reply = ledger.open("/f", start=at + 2**31, limit=2)
        assert reply.offset == at
        assert [one.size for one in reply.chunks] == [2**32 - 1, len(b"%d" % n)]
        at += 2**32 - 1 + len(b"%d" % n)
        assert reply.next_start == (at if at < size else None)
    ledger.verify()
