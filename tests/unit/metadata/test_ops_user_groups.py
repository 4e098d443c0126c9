"""User groups: made, changed, removed, and what they owned. On every database."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import change_user, user_groups
from cairnfs.testing.ledger import Ledger, mkdir
from cairnfs.wire.commits import Attributes, SetAttributes
from cairnfs.wire.people import (
    GroupRequest,
    ListPeopleRequest,
)
from tests.unit.metadata.governing import alter, create, members, now, remove_group, show, signup


def test_a_user_group_is_made_changed_and_removed(database: Database) -> None:
    ledger = Ledger(database)
    ann, bob = ledger.person("ann"), ledger.person("bob")
    made = ledger.do(create(ledger.admin, "staff", "ann", "ann"))
    assert (made.user_group, made.members) == ("staff", 1)
    assert now(ledger, ann).groups == {made.group_id}
    assert now(ledger, bob).groups == set()
    assert ledger.do(alter(ledger.admin, "staff", ["bob", "ann"], [])).members == 2
    assert members(ledger, "staff") == ["ann", "bob"]
    assert ledger.do(alter(ledger.admin, "staff", ["admin"], ["ann", "ann"])).members == 2
    assert members(ledger, "staff") == ["admin", "bob"]
    assert now(ledger, ann).groups == set()
    assert show(ledger, "bob").user_groups == ["staff"]
    assert ledger.do(remove_group(ledger.admin, "staff")).group_id == made.group_id
    assert now(ledger, bob).groups == set()
    with pytest.raises(e.NoSuchGroup):
        members(ledger, "staff")
    ledger.verify()


def test_what_a_removed_user_group_owned_shows_its_number(database: Database) -> None:
    ledger = Ledger(database)
    made = ledger.do(create(ledger.admin, "staff"))
    ledger.commit(mkdir("/d"), SetAttributes(path="/d", attributes=Attributes(group="staff")))
    assert ledger.stat("/d").group == "staff"
    ledger.do(remove_group(ledger.admin, "staff"))
    assert ledger.stat("/d").group == f"#{made.group_id}"
    again = ledger.do(create(ledger.admin, "staff"))
    assert again.group_id > made.group_id
    assert ledger.stat("/d").group == f"#{made.group_id}"
    with pytest.raises(e.NoSuchGroup):
        ledger.commit(SetAttributes(path="/d", attributes=Attributes(group=f"#{made.group_id}")))


def test_a_name_is_one_users_or_one_user_groups(database: Database) -> None:
    ledger = Ledger(database)
    ledger.person("ann")
    ledger.do(create(ledger.admin, "staff"))
    for taken in ("ann", "staff"):
        with pytest.raises(e.Exists):
            ledger.do(create(ledger.admin, taken))
        with pytest.raises(e.Exists):
            ledger.do(signup(taken))
    outcomes = ledger.batch(
        [create(ledger.admin, "crew"), signup("crew"), signup("zoe"), create(ledger.admin, "zoe")]
    )
    assert [type(one).__name__ for one in outcomes] == ["GroupInfo", "Exists", "User", "Exists"]
    ledger.verify()


@pytest.mark.parametrize("name", ["", "Staff", "-s", "s" * 33, "#7", "fileserver:1", "a\0b"])
def test_names_of_user_groups(database: Database, name: str) -> None:
    ledger = Ledger(database)
    with pytest.raises(e.BadName):
        create(ledger.admin, name)
    for operation in (alter(ledger.admin, name), remove_group(ledger.admin, name)):
        with pytest.raises(e.NoSuchGroup):
            ledger.do(operation)


@pytest.mark.parametrize("name", ["nobody", "#1", "fileserver:1", "staff", "a\0b", ""])
def test_members_are_people(database: Database, name: str) -> None:
    ledger = Ledger(database)
    ledger.person("ann")
    ledger.do(create(ledger.admin, "staff"))
    for operation in (
        create(ledger.admin, "crew", "ann", name),
        alter(ledger.admin, "staff", ["ann", name]),
        alter(ledger.admin, "staff", ["ann"], [name]),
    ):
        with pytest.raises(e.NoSuchUser):
            ledger.do(operation)
    assert members(ledger, "staff") == []


def test_a_user_is_in_so_many_user_groups(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(database)
    ledger.person("ann")
    monkeypatch.setattr(user_groups, "USER_GROUPS_MAX", 2)
    for name in ("one", "two"):
        ledger.do(create(ledger.admin, name, "ann"))
    ledger.do(create(ledger.admin, "three"))
    for operation in (create(ledger.admin, "four", "ann"), alter(ledger.admin, "three", ["ann"])):
        with pytest.raises(e.Limit):
            ledger.do(operation)


def test_lists_come_in_pages(database: Database) -> None:
    ledger = Ledger(database)
    for name in ("c", "a", "b"):
        ledger.person(name)
    ledger.do(create(ledger.admin, "g1", "a", "b", "c"))
    ledger.do(create(ledger.admin, "g2", "b"))
    first = ledger.read(lambda tx: change_user.page(tx, ListPeopleRequest(limit=3)))
    assert [one.user for one in first.users] == ["admin", "c", "a"]
    assert first.next == first.users[-1].user_id
    rest = ledger.read(lambda tx: change_user.page(tx, ListPeopleRequest(after=first.next or 0, limit=3)))
    assert [(one.user, one.user_groups) for one in rest.users] == [("b", ["g1", "g2"])]
    assert rest.next is None
    page = ledger.read(lambda tx: user_groups.page(tx, ListPeopleRequest(limit=1)))
    assert [(one.user_group, one.members) for one in page.user_groups] == [("g1", 3)]
    after = page.next or 0
    page = ledger.read(lambda tx: user_groups.page(tx, ListPeopleRequest(after=after, limit=1)))
    assert ([one.user_group for one in page.user_groups], page.next) == (["g2"], None)
    shown = ledger.read(lambda tx: user_groups.show(tx, GroupRequest(user_group="g1", limit=2)))
    assert (shown.members, shown.next is not None) == (["c", "a"], True)
