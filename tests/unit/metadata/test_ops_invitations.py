"""Invitations: what they grant, and as long as whose rights. On every database."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import invitations
from cairnfs.metadata.ops.invitations import Revoke
from cairnfs.testing.ledger import NEVER_LATE, Ledger
from cairnfs.wire.people import (
    ListInvitationsRequest,
)
from tests.unit.metadata.governing import change, create, issue, listed, remove_group, show, signup


def test_an_invitation_grants_what_it_says(database: Database) -> None:
    ledger = Ledger(database)
    for name in ("staff", "crew", "gone"):
        ledger.do(create(ledger.admin, name))
    ledger.do(issue(ledger.admin, b"1", user_groups=["staff", "crew", "staff", "gone"], note="for Ann"))
    ledger.do(issue(ledger.admin, b"2", role="admin"))
    ledger.do(issue(ledger.admin, b"3", join=True))
    gone = ledger.do(remove_group(ledger.admin, "gone"))
    told = {one.id: one for one in listed(ledger)}
    one = told[invitations.identify(b"1".ljust(32))]
    assert (one.purpose, one.role, one.note, one.issuer) == ("person", "user", "for Ann", "admin")
    assert one.user_groups == ["staff", "crew", f"#{gone.group_id}"]
    assert sorted((each.purpose, each.role) for each in told.values()) == [
        ("fileserver", "user"),
        ("person", "admin"),
        ("person", "user"),
    ]
    ann, bob = ledger.do(signup("ann", b"1")), ledger.do(signup("bob", b"2"))
    assert (ann.role, show(ledger, "ann").user_groups) == ("user", ["crew", "staff"])
    assert (bob.role, show(ledger, "bob").user_groups) == ("admin", [])
    assert len(listed(ledger)) == 1
    for secret in (b"1", b"2", b"3"):
        with pytest.raises(e.InvitationRequired):
            ledger.do(signup("carl", secret))
    with pytest.raises(e.NoSuchGroup):
        ledger.do(issue(ledger.admin, b"4", user_groups=["bob"]))
    ledger.verify()


@pytest.mark.parametrize("fields", [{"role": "user"}, {"state": "disabled"}, {"state": "removed"}])
def test_an_invitation_is_worth_what_its_issuer_is(database: Database, fields: dict[str, str]) -> None:
    ledger = Ledger(database)
    eve = ledger.person("eve", "admin")
    ledger.do(issue(eve, b"1", role="admin"))
    ledger.do(issue(eve, b"2"))
    ledger.do(issue(ledger.admin, b"3"))
    outcomes = ledger.batch(
        [change(ledger.admin, "eve", **fields), signup("a", b"1"), signup("b", b"2"), signup("c", b"3")]
    )
    assert [type(one).__name__ for one in outcomes] == [
        "UserInfo",
        "InvitationRequired",
        "InvitationRequired",
        "User",
    ]
    assert listed(ledger) == []


def test_a_secret_whose_issuer_is_no_administrator_counts_for_nothing(database: Database) -> None:
    ledger = Ledger(database)
    ledger.person("eve")
    ledger.do(issue(ledger.admin, b"1", role="admin"))
    database.write(
        lambda tx: tx.run("UPDATE one_time SET issuer = (SELECT id FROM users WHERE name = 'eve')")
    )
    with pytest.raises(e.InvitationRequired):
        ledger.do(signup("ann", b"1"))


def test_an_invitation_can_be_revoked(database: Database) -> None:
    ledger = Ledger(database)
    for secret in (b"1", b"2"):
        ledger.do(issue(ledger.admin, secret))
    revoked = invitations.identify(b"1".ljust(32))
    ledger.do(Revoke(ledger.admin, revoked, deadline=NEVER_LATE))
    assert [one.id for one in listed(ledger)] == [invitations.identify(b"2".ljust(32))]
    for unknown in (revoked, "0" * 8, "xyz", "", "0" * 64, "A" * 8):
        with pytest.raises(e.NotFound):
            ledger.do(Revoke(ledger.admin, unknown, deadline=NEVER_LATE))
    with pytest.raises(e.InvitationRequired):
        ledger.do(signup("ann", b"1"))
    ledger.do(signup("ann", b"2"))


def test_invitations_come_in_pages_and_old_ones_not_at_all(database: Database) -> None:
    ledger = Ledger(database)
    for number in range(5):
        ledger.do(issue(ledger.admin, b"%d%d%d%d" % ((number,) * 4)))
    database.write(lambda tx: tx.run("UPDATE one_time SET expires_us = 1 WHERE hash = ?", b"2222".ljust(32)))
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        request = ListInvitationsRequest(after=after, limit=2)
        page = ledger.read(lambda tx, r=request: invitations.page(tx, r))  # type: ignore[misc]
        found += [one.id for one in page.invitations]
        after = page.next
    assert found == [(b"%d" % number * 4).hex() for number in (0, 1, 3, 4)]
    with pytest.raises(e.BadCursor):
        ledger.read(lambda tx: invitations.page(tx, ListInvitationsRequest(after="nonsense")))
    with pytest.raises(e.Busy):  # two secrets of one id: the caller draws another
        ledger.do(issue(ledger.admin, b"0000 and more"))
