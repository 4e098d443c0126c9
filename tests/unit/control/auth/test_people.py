"""People through the control plane: tokens of whoever was shut out, roles that changed, invitations."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cairnfs.control.people import _LOOK_THEMSELVES
from cairnfs.errors import (
    BadCredentials,
    BadRequest,
    CairnError,
    Exists,
    Forbidden,
    InvitationRequired,
    JoinRefused,
    RequestReused,
    TokenInvalid,
    Unauthenticated,
)
from cairnfs.wire import endpoints
from cairnfs.wire.auth import OneTimeRequest, RefreshRequest, TokenReply
from cairnfs.wire.codec import Empty
from cairnfs.wire.commits import CommitRequest, SettleRequest
from cairnfs.wire.detached import BeginTreeRequest, DropTreeRequest, ExtendTreeRequest
from cairnfs.wire.directory import ListRequest, OpenRequest, PathText, StatRequest
from cairnfs.wire.endpoint import Endpoint
from cairnfs.wire.locks import (
    AcquireRequest,
    BreakRequest,
    ListLocksRequest,
    LockPath,
    LockToken,
    ReleaseRequest,
    TokenRequest,
    WaitRequest,
)
from cairnfs.wire.people import (
    ChangeGroupRequest,
    ChangeUserRequest,
    CreateGroupRequest,
    GroupInfo,
    GroupRequest,
    InvitationRequest,
    ListInvitationsRequest,
    ListPeopleRequest,
    RevokeInvitationRequest,
    UserInfo,
    UserRequest,
)
from cairnfs.wire.sessions import RenewRequest, SessionRequest
from tests.unit.control.plane import Plane, directory, empty_file, plane

ADMINS: tuple[Endpoint[Any, Any], ...] = (
    endpoints.VERIFY_DATABASE,
    endpoints.LIST_INVITATIONS,
    endpoints.JOIN_TOKEN,
    endpoints.CHANGE_USER,
)
MINE: tuple[tuple[Endpoint[Any, Any], object], ...] = (
    (endpoints.STAT, StatRequest(paths=[PathText.of(b"/")])),
    (endpoints.LIST, ListRequest(path="/")),
    (endpoints.OPEN, OpenRequest(path="/home/ann/a")),
    (endpoints.BEGIN_SESSION, SessionRequest()),
    (endpoints.SETTLE, SettleRequest(request_id="a" * 32)),
    (endpoints.BEGIN_TREE, BeginTreeRequest(request_id="b" * 32, path="/home/ann/t")),
    (endpoints.EXTEND_TREE, ExtendTreeRequest(request_id="c" * 32, tree="t", operations=[directory("/d")])),
    (endpoints.DROP_TREE, DropTreeRequest(tree="t")),
    (
        endpoints.ACQUIRE_LOCK,
        AcquireRequest(
            request_id="d" * 32, session="e" * 32, owner="f" * 32, token="0" * 32, paths=[LockPath(path="/a")]
        ),
    ),
    (endpoints.RELEASE_LOCKS, ReleaseRequest(locks=[LockToken(lock=1, token="0" * 32)])),
    (endpoints.LIST_LOCKS, ListLocksRequest()),
)
#: And of one lock.
OF_A_LOCK: tuple[tuple[Endpoint[Any, Any], object], ...] = (
    (endpoints.WAIT_LOCK, WaitRequest(token="0" * 32)),
    (endpoints.RENEW_LOCK, TokenRequest(token="0" * 32)),
    (endpoints.UPGRADE_LOCK, TokenRequest(token="0" * 32)),
    (endpoints.BREAK_LOCK, BreakRequest()),
)


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


async def change(cluster: Plane, who: TokenReply, user: str, **fields: Any) -> UserInfo:
    request = ChangeUserRequest(request_id=secrets.token_hex(16), user=user, **fields)
    return await cluster.ask(endpoints.CHANGE_USER, request, who.token)


async def group(cluster: Plane, who: TokenReply, name: str, *members: str) -> GroupInfo:
    request = CreateGroupRequest(request_id=secrets.token_hex(16), user_group=name, members=list(members))
    return await cluster.ask(endpoints.CREATE_USER_GROUP, request, who.token)


@pytest.mark.parametrize("state", ["disabled", "removed"])
async def test_a_live_token_of_whoever_was_shut_out_opens_nothing(cluster: Plane, state: str) -> None:
    admin, ann = await cluster.admin(), await cluster.signup("ann")
    await cluster.commit(ann.token, empty_file("/home/ann/a"))
    session = (await cluster.ask(endpoints.BEGIN_SESSION, SessionRequest(), ann.token)).session
    await change(cluster, admin, "ann", state=state)
    tried = set()
    for endpoint, request in MINE:
        with pytest.raises(Unauthenticated, match=state):
            await cluster.ask(endpoint, request, ann.token)
        tried.add(endpoint.name)
    for endpoint, request in OF_A_LOCK:
        with pytest.raises(Unauthenticated, match=state):
            await cluster.ask(endpoint, request, ann.token, lock="1")
        tried.add(endpoint.name)
    with pytest.raises(Unauthenticated, match=state):
        await cluster.commit(ann.token, directory("/home/ann/d"))
    with pytest.raises(CairnError) as refusal:
        await cluster.ask(
            endpoints.RENEW_SESSION, RenewRequest(counter=1, needs=0), ann.token, session=session
        )
    assert refusal.value.code == "session_ended"
    assert tried | {"commit", "renew_session"} >= _LOOK_THEMSELVES
    for one in endpoints.CONTROL:
        if one.access in ("user", "admin") and one.frames == "" and one.name not in _LOOK_THEMSELVES:
            params = {name: "x" for name in ("session",) if f"{{{name}}}" in one.path}
            with pytest.raises(Unauthenticated, match=state):
                await cluster.ask(one, Empty() if one.method == "POST" else None, ann.token, **params)
    with pytest.raises(TokenInvalid):
        await cluster.ask(endpoints.REFRESH, RefreshRequest(refresh_token=ann.refresh_token))
    await cluster.ask(endpoints.LOGOUT, RefreshRequest(refresh_token=ann.refresh_token))


async def test_the_right_password_tells_that_one_is_disabled_and_a_wrong_one_does_not(cluster: Plane) -> None:
    admin = await cluster.admin()
    await cluster.signup("ann")
    await change(cluster, admin, "ann", state="disabled")
    with pytest.raises(BadCredentials):
        await cluster.login("ann", "a wrong password")
    with pytest.raises(Forbidden, match="disabled"):
        await cluster.login("ann")
    await change(cluster, admin, "ann", state="active")
    assert (await cluster.login("ann")).user == "ann"
    await change(cluster, admin, "ann", state="removed")
    with pytest.raises(BadCredentials):
        await cluster.login("ann")


async def test_a_login_on_its_way_while_its_user_is_shut_out_ends_in_nothing(cluster: Plane) -> None:
    admin = await cluster.admin()
    await cluster.signup("ann")
    answers = await asyncio.gather(
        change(cluster, admin, "ann", state="disabled"),
        *(cluster.login("ann") for _ in range(10)),
        return_exceptions=True,
    )
    for answer in answers[1:]:
        if isinstance(answer, TokenReply):
            with pytest.raises(TokenInvalid):
                await cluster.ask(endpoints.REFRESH, RefreshRequest(refresh_token=answer.refresh_token))
        else:
            assert isinstance(answer, Forbidden), answer


async def test_a_role_counts_at_once_whatever_the_token_says(cluster: Plane) -> None:
    admin, ann = await cluster.admin(), await cluster.signup("ann")
    with pytest.raises(Forbidden):
        await cluster.ask(endpoints.VERIFY_DATABASE, None, ann.token)
    await change(cluster, admin, "ann", role="admin")
    assert (await cluster.ask(endpoints.VERIFY_DATABASE, None, ann.token)).findings == []
    assert (await cluster.ask(endpoints.WHOAMI, None, ann.token)).role == "admin"
    await change(cluster, ann, "root", role="user")
    for endpoint in ADMINS:
        with pytest.raises(Forbidden):
            await cluster.ask(endpoint, Empty(), admin.token)
    assert (await cluster.ask(endpoints.WHOAMI, None, admin.token)).role == "user"


async def test_a_fileserver_is_no_administrator(cluster: Plane) -> None:
    joined = await cluster.join(await cluster.admin())
    for endpoint in ADMINS:
        with pytest.raises(Forbidden):
            await cluster.ask(endpoint, Empty(), joined.reply.token)
    await cluster.ask(endpoints.CLUSTER_MAP, None, joined.reply.token)


async def test_of_administrators_who_shut_each_other_out_one_stays(cluster: Plane) -> None:
    who = {"root": await cluster.admin()}
    for name in ("ann", "bob", "carl"):
        who[name] = await cluster.signup(name)
        await change(cluster, who["root"], name, role="admin")
    pairs = [(one, other) for one in who for other in who if one != other]
    answers = await asyncio.gather(
        *(change(cluster, who[one], other, state="disabled") for one, other in pairs), return_exceptions=True
    )
    assert {type(answer).__name__ for answer in answers} <= {
        "UserInfo",
        "Unauthenticated",
        "LastAdministrator",
    }
    states = []
    for reply in who.values():
        try:
            found = await cluster.ask(endpoints.LIST_USERS, ListPeopleRequest(), reply.token)
        except Unauthenticated:
            continue
        states = [one.state for one in found.users]
    assert states.count("active") == 1


async def test_everybody_looks_and_administrators_change(cluster: Plane) -> None:
    admin, ann = await cluster.admin(), await cluster.signup("ann")
    await group(cluster, admin, "staff", "ann")
    assert (await cluster.ask(endpoints.WHOAMI, None, ann.token)).user_groups == ["staff"]
    user = await cluster.ask(endpoints.SHOW_USER, UserRequest(user="root"), ann.token)
    assert (user.role, user.state, user.home) == ("admin", "active", f"/home/{user.user}")
    shown = await cluster.ask(endpoints.SHOW_USER_GROUP, GroupRequest(user_group="staff"), ann.token)
    assert shown.members == ["ann"]
    groups = await cluster.ask(endpoints.LIST_USER_GROUPS, ListPeopleRequest(), ann.token)
    assert [one.user_group for one in groups.user_groups] == ["staff"]
    for refused in (
        change(cluster, ann, "ann", role="admin"),
        group(cluster, ann, "crew"),
        cluster.ask(endpoints.LIST_INVITATIONS, ListInvitationsRequest(), ann.token),
        cluster.ask(endpoints.REVOKE_INVITATION, RevokeInvitationRequest(id="0" * 8), ann.token),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_a_change_sent_again_is_answered_again(cluster: Plane) -> None:
    admin = await cluster.admin()
    request = CreateGroupRequest(request_id="a" * 32, user_group="staff")
    first = await cluster.ask(endpoints.CREATE_USER_GROUP, request, admin.token)
    assert await cluster.ask(endpoints.CREATE_USER_GROUP, request, admin.token) == first
    with pytest.raises(Exists):
        await group(cluster, admin, "staff")
    other = ChangeGroupRequest(request_id="a" * 32, user_group="staff", add=["root"])
    with pytest.raises(RequestReused):
        await cluster.ask(endpoints.CHANGE_USER_GROUP, other, admin.token)
    with pytest.raises(BadRequest):
        await cluster.ask(
            endpoints.CREATE_USER_GROUP, CreateGroupRequest(request_id="x", user_group="crew"), admin.token
        )
    settled = CommitRequest(request_id="a" * 32, operations=[directory("/d")])  # another world of ids
    await cluster.ask(endpoints.COMMIT, settled, admin.token)


async def test_who_signs_up_by_invitation_gets_what_it_grants(cluster: Plane) -> None:
    admin = await cluster.admin()
    await group(cluster, admin, "staff")
    request = InvitationRequest(role="admin", user_groups=["staff"], note="for Ann")
    made = await cluster.ask(endpoints.INVITATION, request, admin.token)
    listed = await cluster.ask(endpoints.LIST_INVITATIONS, ListInvitationsRequest(), admin.token)
    assert [(one.id, one.note, one.issuer, one.user_groups) for one in listed.invitations] == [
        (made.id, "for Ann", "root", ["staff"])
    ]
    assert made.secret not in repr(made)
    ann = await cluster.signup("ann", invitation=made.secret)
    who = await cluster.ask(endpoints.WHOAMI, None, ann.token)
    assert (ann.role, who.role, who.user_groups) == ("admin", "admin", ["staff"])


async def test_secrets_end_with_the_rights_of_who_asked_for_them(cluster: Plane) -> None:
    admin, eve = await cluster.admin(), await cluster.signup("eve")
    await change(cluster, admin, "eve", role="admin")
    invitation = await cluster.ask(endpoints.INVITATION, InvitationRequest(role="admin"), eve.token)
    token = await cluster.ask(endpoints.JOIN_TOKEN, OneTimeRequest(), eve.token)
    _, answer = await asyncio.gather(
        change(cluster, admin, "eve", state="removed"),
        cluster.signup("mallory", invitation=invitation.secret),
        return_exceptions=True,
    )
    assert isinstance(answer, TokenReply | InvitationRequired)  # just before, or too late
    with pytest.raises(InvitationRequired):
        await cluster.signup("trudy", invitation=invitation.secret)
    with pytest.raises(JoinRefused):
        await cluster.ask(
            endpoints.JOIN,
            endpoints.JOIN.request(
                join_token=token.secret, address="http://x:1", boot="b" * 8, capacity_bytes=1
            ),
        )


@pytest.mark.parametrize("note", ["x" * 201, "a\nb", "a\0b"])
async def test_a_note_is_one_short_line(cluster: Plane, note: str) -> None:
    admin = await cluster.admin()
    with pytest.raises(BadRequest):
        await cluster.ask(endpoints.INVITATION, InvitationRequest(note=note), admin.token)


async def test_an_invitation_can_be_revoked(cluster: Plane) -> None:
    admin = await cluster.admin()
    made = await cluster.ask(endpoints.INVITATION, InvitationRequest(), admin.token)
    await cluster.ask(endpoints.REVOKE_INVITATION, RevokeInvitationRequest(id=made.id), admin.token)
    with pytest.raises(InvitationRequired):
        await cluster.signup("ann", invitation=made.secret)
