"""Users, user groups and invitations as operations, for whoever tests what comes of them."""

from __future__ import annotations

import itertools
from typing import Any, Literal

from cairnfs.core.permissions import Person
from cairnfs.metadata.ops import change_user, invitations, tokens, user_groups, whoami
from cairnfs.metadata.ops.change_user import ChangeUser
from cairnfs.metadata.ops.invitations import Issue
from cairnfs.metadata.ops.user_groups import ChangeGroup, CreateGroup, RemoveGroup
from cairnfs.metadata.ops.users import CreateUser
from cairnfs.testing.ledger import NEVER_LATE, Ledger
from cairnfs.wire.people import (
    ChangeGroupRequest,
    ChangeUserRequest,
    CreateGroupRequest,
    GroupRequest,
    ListInvitationsRequest,
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
    return ledger.read(lambda tx: whoami.now(tx, person))


def listed(ledger: Ledger) -> list[Any]:
    return ledger.read(lambda tx: invitations.page(tx, ListInvitationsRequest())).invitations
