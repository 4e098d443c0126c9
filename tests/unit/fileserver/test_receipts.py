"""Counting the members that hold a put, and saying so in a receipt."""

from __future__ import annotations

import pytest

from cairnfs.errors import ReceiptInvalid
from cairnfs.fileserver.receipts import Upload, Votes, receipt
from cairnfs.ids import ClusterId, FileserverId, Hash, Incarnation, SessionId, UserId
from cairnfs.wire.receipts import Holder, check

A, B, C, D = (FileserverId(n) for n in (1, 2, 3, 4))


def chunk(number: int) -> Hash:
    return Hash(number.to_bytes(32, "big"))


def holder(fileserver: FileserverId) -> Holder:
    return Holder(fileserver, f"{fileserver:032x}")


@pytest.mark.parametrize(
    ("copies", "durability", "needed"),
    [
        (1, "majority", 1),
        (2, "majority", 2),
        (3, "majority", 2),
        (3, "all", 3),
        (5, "majority", 3),
        (3, "async", 1),
    ],
)
def test_enough_is_of_the_policys_copies(copies: int, durability: str, needed: int) -> None:
    votes = Votes(copies, durability)
    members = [FileserverId(n) for n in range(1, copies + 1)]
    votes.expect(members, chunk(1), 10)
    for number, member in enumerate(members, start=1):
        assert votes.enough() == (number - 1 >= needed)
        votes.hold(holder(member))
    assert votes.enough()


def test_a_group_that_lost_members_does_not_need_fewer_copies() -> None:
    votes = Votes(3, "majority")
    votes.expect([A], chunk(1), 10)
    votes.hold(holder(A))
    assert not votes.enough()
    assert votes.short() == [chunk(1)]


def test_the_same_votes_can_be_held_against_another_durability() -> None:
    votes = Votes(3, "async")
    votes.expect([A, B, C], chunk(1), 10)
    votes.expect([A, B, D], chunk(2), 20)
    votes.hold(holder(A))
    assert votes.enough()
    assert not votes.enough("majority")
    votes.hold(holder(B))
    assert votes.enough("majority")
    assert not votes.enough("all")
    assert votes.size_bytes() == 30


def test_each_chunk_counts_its_own_members_only() -> None:
    votes = Votes(3, "majority")
    votes.expect([A, B, C], chunk(1), 10)
    votes.expect([B, C, D], chunk(2), 20)
    votes.hold(holder(A))
    votes.hold(holder(B))
    assert not votes.enough()
    assert votes.short() == [chunk(2)]
    assert [([h.fileserver for h in one.holders], one.chunks) for one in votes.holdings()] == [
        ([1, 2], [(chunk(1), 10)]),
        ([2], [(chunk(2), 20)]),
    ]
    votes.hold(holder(D))
    assert votes.enough()


def test_a_chunk_that_nobody_holds_is_in_no_receipt() -> None:
    votes = Votes(1, "majority")
    votes.expect([A], chunk(1), 10)
    assert votes.nobody()
    assert votes.holdings() == []


def test_a_receipt_says_who_holds_what_for_whom_and_cannot_be_changed() -> None:
    votes = Votes(3, "majority")
    votes.expect([A, B, C], chunk(1), 10)
    votes.hold(holder(A))
    votes.hold(holder(C))
    upload = Upload(UserId(7), SessionId("s" * 32), 41, "majority")
    signed = receipt(
        upload,
        votes.holdings(),
        cluster=ClusterId("c" * 32),
        incarnation=Incarnation(1),
        fileserver=A,
        key=b"k" * 32,
    )
    body = check(signed, b"k" * 32)
    assert (body.user, body.session, body.begin, body.fileserver) == (7, "s" * 32, 41, 1)
    assert [h.fileserver for h in body.holdings[0].holders] == [1, 3]
    with pytest.raises(ReceiptInvalid):
        check(signed, b"another key")
