"""Who changes people, and that a change is done once. On every database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.ids import UserId
from cairnfs.metadata import replies
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import invitations
from cairnfs.metadata.ops.invitations import Revoke
from cairnfs.metadata.ops.user_groups import ChangeGroup, RemoveGroup
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state import State
from cairnfs.testing.ledger import NEVER_LATE, Ledger
from cairnfs.wire.people import (
    ChangeGroupRequest,
    RemoveGroupRequest,
)
from tests.unit.metadata.governing import alter, change, create, issue, remove_group

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
