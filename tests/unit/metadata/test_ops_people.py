"""Users, user groups and invitations: who changes them, what that ends, and who stays. On every database."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.ids import UserId
from cairnfs.metadata import replies
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import change_user, invitations, sessions, standing, tokens, user_groups, users
from cairnfs.metadata.ops.change_user import ChangeUser
from cairnfs.metadata.ops.invitations import Issue, Revoke
from cairnfs.metadata.ops.user_groups import ChangeGroup, CreateGroup, RemoveGroup
from cairnfs.metadata.ops.users import CreateUser
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state import State
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, rename, write
from cairnfs.wire.commits import Attributes, SetAttributes
from cairnfs.wire.people import (
    ChangeGroupRequest,
    ChangeUserRequest,
    CreateGroupRequest,
    GroupRequest,
    ListInvitationsRequest,
    ListPeopleRequest,
    RemoveGroupRequest,
    UserInfo,
)

FOREVER_US = 2**62
_numbers = itertools.count()


def fresh() -> str:
    """A request id."""
    return f"{next(_numbers):032x}"


def change(person: Person, user: str, **fields: Any) -> ChangeUser:
    request = ChangeUserRequest(request_id=fields.pop("request_id", fresh()), user=user, **fields)
    return ChangeUser(person, request, deadline=NEVER_LATE)


def create(person: Person, name: str, *members: str, request_id: str = "") -> CreateGroup:
    request = CreateGroupRequest(request_id=request_id or fresh(), user_group=name, members=list(members))
    return CreateGroup(person, request, deadline=NEVER_LATE)


def alter(
    person: Person, name: str, add: list[str] | None = None, drop: list[str] | None = None
) -> ChangeGroup:
    request = ChangeGroupRequest(request_id=fresh(), user_group=name, add=add or [], drop=drop or [])
    return ChangeGroup(person, request, deadline=NEVER_LATE)


def remove_group(person: Person, name: str) -> RemoveGroup:
    return RemoveGroup(person, RemoveGroupRequest(request_id=fresh(), user_group=name), deadline=NEVER_LATE)


def issue(person: Person, secret: bytes, *, join: bool = False, **grants: Any) -> Issue:
    purpose = tokens.JOIN if join else tokens.INVITATION
    return Issue(person, purpose, secret.ljust(32), ttl_ms=60_000, deadline=NEVER_LATE, **grants)


def signup(name: str, secret: bytes | None = None, role: Literal["user", "admin"] = "user") -> CreateUser:
    invitation = None if secret is None else secret.ljust(32)
    return CreateUser(name, role, "hash", invitation=invitation, deadline=NEVER_LATE)


def members(ledger: Ledger, name: str) -> list[str]:
    return ledger.read(lambda tx: user_groups.show(tx, GroupRequest(user_group=name))).members


def show(ledger: Ledger, name: str) -> UserInfo:
    return ledger.read(lambda tx: change_user.show(tx, name))


def now(ledger: Ledger, person: Person) -> Person:
    return ledger.read(lambda tx: standing.now(tx, person))


# -- user groups --------------------------------------------------------------------------------------


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


# -- users -------------------------------------------------------------------------------------------


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


# -- who may -----------------------------------------------------------------------------------------

VERBS: dict[str, Callable[[Person], Any]] = {
    "create group": lambda who: create(who, "crew"),
    "change group": lambda who: alter(who, "staff", ["ann"]),
    "remove group": lambda who: remove_group(who, "staff"),
    "role": lambda who: change(who, "ann", role="admin"),
    "own role": lambda who: change(who, who.name, role="admin"),
    "disable": lambda who: change(who, "ann", state="disabled"),
    "remove": lambda who: change(who, "ann", state="removed"),
    "invite": lambda who: issue(who, b"i"),
    "join token": lambda who: issue(who, b"j", join=True),
    "revoke": lambda who: Revoke(who, invitations.identify(b"k".ljust(32)), deadline=NEVER_LATE),
}


@pytest.mark.parametrize("verb", VERBS)
def test_only_administrators_change_people(database: Database, verb: str) -> None:
    ledger = Ledger(database)
    ann, former, shut = ledger.person("ann"), ledger.person("former", "admin"), ledger.person("shut", "admin")
    ledger.do(create(ledger.admin, "staff"))
    ledger.do(issue(ledger.admin, b"k"))
    ledger.do(change(ledger.admin, "former", role="user"))
    ledger.do(change(ledger.admin, "shut", state="disabled"))
    service = Person(UserId(1), "fileserver:1", "fileserver")
    before = ledger.read(clock.read)
    for who, refusal in (
        (ann, e.Forbidden),
        (former, e.Forbidden),
        (shut, e.Unauthenticated),
        (service, e.Forbidden),
    ):
        with pytest.raises(refusal):
            ledger.do(VERBS[verb](who))
    assert ledger.read(clock.read) == before
    if verb != "own role":
        ledger.do(VERBS[verb](ledger.admin))


def test_a_change_sent_twice_is_done_once(database: Database) -> None:
    ledger = Ledger(database)
    first = create(ledger.admin, "staff", request_id="a" * 32)

    def answered(state: State) -> Any:
        key = first.reply_key
        known = state.reply(key.user_id, key.request_id)
        return None if known is None else replies.repeat(known, key.body_hash, first.answer_type)

    def run(tx: Tx) -> Any:
        state = State(tx, clock.lock(tx))
        if (known := answered(state)) is not None:
            return known
        replies.keep_answer(state, first.reply_key, made := first.apply(state))
        state.flush()
        return made

    made = database.write(run)
    assert database.write(run) == made
    other = create(ledger.admin, "crew", request_id="a" * 32)
    assert other.reply_key.request_id == first.reply_key.request_id
    assert other.reply_key.body_hash != first.reply_key.body_hash
    removal = RemoveGroupRequest(request_id="b" * 32, user_group="staff")
    changed = ChangeGroupRequest(request_id="b" * 32, user_group="staff")
    assert (
        RemoveGroup(ledger.admin, removal, deadline=1).reply_key
        != ChangeGroup(ledger.admin, changed, deadline=1).reply_key
    )


# -- invitations -------------------------------------------------------------------------------------


def listed(ledger: Ledger) -> list[Any]:
    return ledger.read(lambda tx: invitations.page(tx, ListInvitationsRequest())).invitations


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


# -- what is remembered ------------------------------------------------------------------------------


def test_names_are_looked_up_once(database: Database) -> None:
    ledger = Ledger(database)
    ledger.person("ann")
    ledger.do(create(ledger.admin, "staff"))
    asked: list[str] = []

    class Counting:
        def __init__(self, tx: Tx) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            if name in ("row", "rows", "rows_given"):
                asked.append(name)
            return getattr(self._tx, name)

    def look(tx: Tx) -> list[object]:
        now = clock.read(tx)
        people = People(Counting(tx), now)
        return [
            people.user("ann"),
            people.user_group("staff"),
            people.user("nobody"),
            people.user_group("ann"),
        ]

    first = ledger.read(look)
    count = len(asked)
    assert ledger.read(look) == first
    assert len(asked) == count
    assert first[2] is None
    assert first[0] == first[3]
    ledger.do(signup("nobody"))
    assert ledger.read(look)[2] is not None


def test_nothing_is_remembered_from_a_tx_that_changed_people(database: Database) -> None:
    ledger = Ledger(database)

    class Broken(Exception):
        pass

    def half(tx: Tx) -> None:
        state = State(tx, clock.lock(tx))
        create(ledger.admin, "staff").apply(state)
        assert state.people.user_group("staff") is not None
        raise Broken

    with pytest.raises(Broken):
        database.write(half)
    assert ledger.read(lambda tx: People(tx, clock.read(tx)).user_group("staff")) is None
    ledger.do(create(ledger.admin, "crew"))
    assert ledger.read(lambda tx: People(tx, clock.read(tx)).user_group("staff")) is None
