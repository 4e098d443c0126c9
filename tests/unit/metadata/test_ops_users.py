"""People, their homes, their secrets, and the answers kept for them. On every database."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.ids import RequestId, UserId
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import leader, secrets, tokens, users
from cairnfs.metadata.ops.settle import Settle
from cairnfs.metadata.ops.users import CreateUser
from cairnfs.metadata.replies import keep_answer, keep_refusal
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, write

FOREVER_US = 2**62


def create(name: str, role: str = "user", **rest: object) -> CreateUser:
    return CreateUser(name, role, "argon2id", deadline=NEVER_LATE, **rest)  # type: ignore[arg-type]


def test_the_first_admin_owns_the_root_and_everybody_a_home(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.do(create("ann"))
    entries = {path: ledger.stat(path) for path in ("/", "/home", "/home/admin", "/home/ann")}
    assert {path: (one.owner, one.mode) for path, one in entries.items()} == {
        "/": ("admin", 0o755),
        "/home": ("admin", 0o755),
        "/home/admin": ("admin", 0o700),
        "/home/ann": ("ann", 0o700),
    }
    assert (ann.home, ann.role, repr(ann)) == (
        "/home/ann",
        "user",
        f"User(id={ann.id}, name='ann', role='user')",
    )
    assert ledger.stat("/home/ann").commit == ledger.newest()
    with pytest.raises(e.NotFound):
        ledger.stat("/home", at=0)
    assert ledger.stat("/", at=0).owner == "-"
    assert (
        ledger.read(lambda tx: users.find(tx, "ann")) == ledger.read(lambda tx: users.get(tx, ann.id)) == ann
    )
    assert ledger.read(lambda tx: users.find(tx, "bob")) is None
    assert ledger.read(users.has_admin)
    ledger.verify()


def test_a_second_admin_takes_nothing(database: Database) -> None:
    ledger = Ledger(database)
    ledger.person("other", "admin")
    assert (ledger.stat("/").owner, ledger.stat("/home").owner) == ("admin", "admin")


def test_a_name_is_taken_once_in_the_same_batch_too(database: Database) -> None:
    ledger = Ledger(database)
    outcomes = ledger.batch([create("ann"), create("ann"), create("bob")])
    assert [type(one).__name__ for one in outcomes] == ["User", "Exists", "User"]
    with pytest.raises(e.Exists):
        ledger.do(create("bob"))
    ledger.commit(mkdir("/home/eve"))
    with pytest.raises(e.Exists):
        ledger.do(create("eve"))


@pytest.mark.parametrize(
    "name", ["", "Ann", "-ann", ".ann", "_a", "a" * 33, "a b", "a/b", "ü", "a\n", "fileserver:1"]
)
def test_names_of_users(name: str) -> None:
    with pytest.raises(e.BadName):
        create(name)


@pytest.mark.parametrize("name", ["a", "0", "ann-b.c_d", "a" * 32])
def test_good_names_of_users(name: str) -> None:
    create(name)


def test_where_home_is_a_file(database: Database) -> None:
    ledger = Ledger(database)
    from cairnfs.testing.ledger import remove

    ledger.commit(remove("/home", recursive=True), write("/home", b"x"))
    with pytest.raises(e.NotADirectory):
        ledger.do(create("ann"))
    assert ledger.read(lambda tx: users.find(tx, "ann")) is None


def test_an_invitation_and_a_nonce_count_once(database: Database) -> None:
    ledger = Ledger(database)
    database.write(lambda tx: tokens.issue_one_time(tx, b"secret", tokens.INVITATION, FOREVER_US))
    database.write(lambda tx: tokens.issue_one_time(tx, b"join", tokens.JOIN, FOREVER_US))
    database.write(lambda tx: tokens.issue_one_time(tx, b"old", tokens.INVITATION, 1))
    for wrong in (b"unknown", b"join", b"old"):
        with pytest.raises(e.InvitationRequired):
            ledger.do(create("ann", invitation=wrong))
    with pytest.raises(e.JoinRefused):
        ledger.read(lambda tx: tokens.check_one_time(tx, b"secret", tokens.JOIN))
    ledger.do(create("ann", invitation=b"secret", nonce=("n1", FOREVER_US)))
    with pytest.raises(e.InvitationRequired):
        ledger.do(create("bob", invitation=b"secret", nonce=("n2", FOREVER_US)))
    with pytest.raises(e.SealInvalid):
        ledger.do(create("bob", nonce=("n1", FOREVER_US)))
    with pytest.raises(e.SealInvalid):
        database.write(lambda tx: tokens.spend_nonce(tx, "n1", FOREVER_US))
    database.write(lambda tx: tokens.spend_nonce(tx, "n2", FOREVER_US))


def test_refresh_tokens_end(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")
    for secret, expires_us in ((b"one", FOREVER_US), (b"two", FOREVER_US), (b"old", 1)):
        database.write(lambda tx, s=secret, x=expires_us: tokens.issue_refresh(tx, s, ann.user_id, x))  # type: ignore[misc]
    assert ledger.read(lambda tx: tokens.refresh(tx, b"one")).name == "ann"
    with pytest.raises(e.TokenExpired):
        ledger.read(lambda tx: tokens.refresh(tx, b"old"))
    database.write(lambda tx: tokens.revoke(tx, b"one"))
    database.write(lambda tx: tokens.revoke(tx, b"one"))
    with pytest.raises(e.TokenInvalid):
        ledger.read(lambda tx: tokens.refresh(tx, b"one"))
    database.write(lambda tx: users.set_password(tx, ann.user_id, "new"))
    with pytest.raises(e.TokenInvalid):
        ledger.read(lambda tx: tokens.refresh(tx, b"two"))
    assert ledger.read(lambda tx: users.get(tx, ann.user_id)).password_hash == "new"
    with pytest.raises(e.NotFound):
        database.write(lambda tx: users.set_password(tx, UserId(99), "new"))


def test_what_is_too_old_is_forgotten(database: Database) -> None:
    ledger = Ledger(database)
    database.write(lambda tx: tokens.spend_nonce(tx, "old", 1))
    database.write(lambda tx: tokens.spend_nonce(tx, "new", FOREVER_US))
    database.write(lambda tx: tokens.issue_refresh(tx, b"old", ledger.admin.user_id, 1))
    database.write(lambda tx: tokens.issue_one_time(tx, b"old", tokens.JOIN, 1))
    for request in ("1", "2"):
        ledger.do(Settle(ledger.admin.user_id, RequestId(request), deadline=NEVER_LATE))
    database.write(lambda tx: tx.run("UPDATE reply SET at_us = 1 WHERE request_id = ?", "1"))
    assert database.write(tokens.forget) == 4
    assert database.write(tokens.forget) == 0
    assert ledger.read(lambda tx: tx.rows("SELECT request_id FROM reply")) == [("2",)]
    with pytest.raises(e.SealInvalid):
        database.write(lambda tx: tokens.spend_nonce(tx, "new", FOREVER_US))


# settle


def test_settling_tells_the_outcome_or_makes_it_aborted(database: Database) -> None:
    ledger = Ledger(database)
    user = ledger.admin.user_id
    commit = ledger.prepared(mkdir("/d"))
    key = commit.reply_key

    class Recorded:
        reply_key = key
        answer_type = None
        deadline = NEVER_LATE

        def wants(self) -> list[object]:
            return []

        def apply(self, state: State) -> None:
            keep_answer(state, key, commit.apply(state))
            keep_refusal(state, ReplyKey(user, RequestId("refused"), bytes(32)), e.NotFound("not there"))

    ledger.do(Recorded())
    done = ledger.do(Settle(user, key.request_id, deadline=NEVER_LATE))
    assert (done.outcome, done.reply.commit, done.error) == ("committed", ledger.newest(), None)
    refused = ledger.do(Settle(user, RequestId("refused"), deadline=NEVER_LATE))
    assert (refused.outcome, refused.error.code, refused.reply) == ("refused", "not_found", None)
    first, again = ledger.batch([Settle(user, RequestId("lost"), deadline=NEVER_LATE) for _ in range(2)])
    assert first == again == ledger.do(Settle(user, RequestId("lost"), deadline=NEVER_LATE))
    assert first.outcome == "aborted"
    other = ledger.do(Settle(UserId(99), key.request_id, deadline=NEVER_LATE))
    assert other.outcome == "aborted"


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a\0b", "a b"])
def test_what_no_request_id_can_be(request_id: str) -> None:
    with pytest.raises(e.BadRequest):
        Settle(UserId(1), RequestId(request_id), deadline=NEVER_LATE)


def test_nobody_has_a_name_that_no_database_can_hold(database: Database) -> None:
    assert database.read(lambda tx: users.find(tx, "a\0b")) is None


# secrets and the leader


def test_the_clusters_keys_are_made_once(database: Database) -> None:
    first = database.write(lambda tx: secrets.keep(tx, {"signing": b"1", "sealing": b"2"}))
    again = database.write(lambda tx: secrets.keep(tx, {"signing": b"3", "other": b"4"}))
    assert first == {"signing": b"1", "sealing": b"2"}
    assert again == {"signing": b"1", "other": b"4"}


def test_one_leads_at_a_time(database: Database) -> None:
    seen = database.read(leader.read)
    assert seen is not None
    assert seen.holder == ""
    assert database.write(lambda tx: leader.take(tx, "one", seen)) == 1
    assert database.write(lambda tx: leader.take(tx, "two", seen)) is None  # it is not what was seen any more
    assert database.write(lambda tx: leader.renew(tx, "one", 1))
    assert not database.write(lambda tx: leader.renew(tx, "two", 1))
    assert not database.write(lambda tx: leader.renew(tx, "one", 2))
    database.write(lambda tx: leader.require(tx, 1))
    stalled = database.read(leader.read)
    assert database.write(lambda tx: leader.take(tx, "two", stalled)) == 2
    with pytest.raises(e.Aborted):
        database.write(lambda tx: leader.require(tx, 1))
    database.write(lambda tx: leader.resign(tx, "one", 1))
    assert database.read(leader.read) == (2, "two", 0)
    database.write(lambda tx: leader.resign(tx, "two", 2))
    assert database.read(leader.read) == (3, "", 0)
    database.write(lambda tx: leader.require(tx, None))


def test_what_a_password_proved_counts_only_while_it_is_the_password(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")
    seen = ledger.read(lambda tx: users.get(tx, ann.user_id))
    database.write(lambda tx: users.check_unchanged(tx, seen))
    database.write(lambda tx: users.set_password(tx, seen.id, "new"))
    with pytest.raises(e.BadCredentials):
        database.write(lambda tx: users.check_unchanged(tx, seen))
