"""Users: what a role or state ends, and who stays. On every database."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import change_user, sessions, tokens, users
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, rename, write
from cairnfs.wire.commits import Attributes, SetAttributes
from cairnfs.wire.people import (
    ListPeopleRequest,
)
from tests.unit.metadata.governing import (
    FOREVER_US,
    alter,
    change,
    create,
    members,
    now,
    remove_group,
    show,
    signup,
)


def test_a_role_counts_at_once(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")
    with pytest.raises(e.Forbidden):
        ledger.commit(mkdir("/mine"), person=ann)
    assert ledger.do(change(ledger.admin, "ann", role="admin")).role == "admin"
    ledger.commit(mkdir("/mine"), person=ann)  # the token still says "user"
    ledger.do(change(ann, "admin", role="user"))
    outcomes = ledger.batch([change(ann, "ann", state="active"), change(ledger.admin, "ann", role="user")])
    assert isinstance(outcomes[1], e.Forbidden)
    with pytest.raises(e.Forbidden):
        ledger.commit(mkdir("/home/ann/hers"), person=ledger.admin)  # the token still says "admin"


@pytest.mark.parametrize("fields", [{"role": "user"}, {"state": "disabled"}, {"state": "removed"}])
def test_the_last_active_administrator_stays(database: Database, fields: dict[str, str]) -> None:
    ledger = Ledger(database)
    ledger.person("ann", "admin")
    ledger.do(change(ledger.admin, "ann", state="disabled"))
    with pytest.raises(e.LastAdministrator):
        ledger.do(change(ledger.admin, "admin", **fields))
    ledger.do(change(ledger.admin, "ann", **fields))  # who is none is not the last
    ledger.person("bob", "admin")
    ledger.do(change(ledger.admin, "admin", **fields))
    ledger.verify()


def test_of_two_who_demote_each_other_one_stays(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann", "admin")
    outcomes = ledger.batch([change(ledger.admin, "ann", role="user"), change(ann, "admin", role="user")])
    assert [type(one).__name__ for one in outcomes] == ["UserInfo", "Forbidden"]
    assert (show(ledger, "ann").role, show(ledger, "admin").role) == ("user", "admin")
    bob = ledger.person("bob", "admin")
    outcomes = ledger.batch([change(ledger.admin, "admin", state="removed"), change(bob, "bob", role="user")])
    assert [type(one).__name__ for one in outcomes] == ["UserInfo", "LastAdministrator"]


@pytest.mark.parametrize("state", ["disabled", "removed"])
def test_who_is_shut_out_is_so_at_once(database: Database, state: str) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")
    session = ledger.begin(ann)
    ledger.commit(write("/home/ann/a", b"1"), person=ann)
    database.write(lambda tx: tokens.issue_refresh(tx, b"refresh", ann.user_id, FOREVER_US))
    seen = ledger.read(lambda tx: users.get(tx, ann.user_id))
    late = ledger.prepared(write("/home/ann/b", b"2"), person=ann, session=session)
    begin = sessions.BeginSession(session, ann.user_id, "again", deadline=NEVER_LATE)
    outcomes = ledger.batch([change(ledger.admin, "ann", state=state), late, begin])
    assert [type(one).__name__ for one in outcomes] == ["UserInfo", "Unauthenticated", "Unauthenticated"]
    with pytest.raises(e.TokenInvalid):
        ledger.read(lambda tx: tokens.refresh(tx, b"refresh"))
    with pytest.raises(e.SessionEnded):
        database.write(lambda tx: sessions.renew(tx, session, ann.user_id, 1, 0))
    with pytest.raises((e.Forbidden, e.BadCredentials)):
        database.write(lambda tx: users.check_unchanged(tx, seen))
    for ask in (lambda: ledger.stat("/", person=ann), lambda: ledger.list("/home/ann", person=ann)):
        with pytest.raises(e.Unauthenticated):
            ask()
    assert ledger.stat("/home/ann/a").owner == ("ann" if state == "disabled" else f"#{ann.user_id}")
    ledger.verify()


def test_who_was_disabled_can_come_back(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")
    ledger.do(create(ledger.admin, "staff", "ann"))
    ledger.do(change(ledger.admin, "ann", state="disabled"))
    assert (show(ledger, "ann").state, members(ledger, "staff")) == ("disabled", ["ann"])
    ledger.do(alter(ledger.admin, "staff", drop=["ann"]))
    ledger.do(alter(ledger.admin, "staff", add=["ann"]))
    ledger.do(change(ledger.admin, "ann", state="active"))
    assert len(now(ledger, ann).groups) == 1
    ledger.commit(write("/home/ann/a", b"1"), person=ann)


def test_a_removed_users_name_is_free_and_their_files_stay_theirs(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")
    ledger.do(create(ledger.admin, "staff", "ann"))
    gone = ledger.do(change(ledger.admin, "ann", state="removed"))
    assert (gone.user, gone.state, gone.user_groups, gone.home) == (f"#{ann.user_id}", "removed", [], None)
    assert members(ledger, "staff") == []
    assert [one.user for one in ledger.read(lambda tx: change_user.page(tx, ListPeopleRequest())).users] == [
        "admin"
    ]
    for name in ("ann", f"#{ann.user_id}"):
        with pytest.raises(e.NoSuchUser):
            show(ledger, name)
        with pytest.raises(e.NoSuchUser):
            ledger.do(change(ledger.admin, name, state="active"))
        with pytest.raises(e.NoSuchUser):
            ledger.commit(SetAttributes(path="/home", attributes=Attributes(owner=name)))
    with pytest.raises(e.Exists) as refusal:  # the old home is in the way
        ledger.do(signup("ann"))
    assert (refusal.value.path, "cairn mv" in refusal.value.hint) == ("/home/ann", True)
    ledger.do(create(ledger.admin, "ann"))
    ledger.do(remove_group(ledger.admin, "ann"))
    ledger.commit(rename("/home/ann", "/home/old"))
    ledger.do(signup("ann"))
    assert (ledger.stat("/home/old").owner, ledger.stat("/home/ann").owner) == (f"#{ann.user_id}", "ann")
    ledger.verify()


def test_a_new_user_is_known_at_once(database: Database) -> None:
    ledger = Ledger(database)
    number = ledger.read(clock.read).next_user

    def names(tx: Tx) -> dict[int, str]:
        return People(tx, clock.read(tx)).names([number])

    assert ledger.read(names) == {number: f"#{number}"}  # remembered
    own = SetAttributes(path="/home", attributes=Attributes(owner="ann"))
    with pytest.raises(e.NoSuchUser):
        ledger.commit(own)
    assert ledger.do(signup("ann")).id == number
    assert ledger.read(names) == {number: "ann"}
    ledger.commit(own)
    assert ledger.stat("/home").owner == "ann"


def test_a_token_of_nobody_is_no_token(database: Database) -> None:
    ledger = Ledger(database)
    with pytest.raises(e.Unauthenticated):
        now(ledger, Person(UserId(4711), "ghost", "admin"))
    service = Person(UserId(-1), "control", "fileserver")
    assert now(ledger, service) == service
