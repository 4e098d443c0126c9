"""People as a client sees and changes them: users, user groups, invitations.

Each verb is one request, or one for each page. Everybody looks; administrators change (Forbidden). A change
is sent under an id of its own, so that asking again after a lost answer does it once. Any number of calls
may run at once on one event loop.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from cairnfs.client.connection import Connection
from cairnfs.wire import endpoints
from cairnfs.wire.auth import OneTimeReply, OneTimeRequest
from cairnfs.wire.people import (
    ChangeGroupRequest,
    ChangeUserRequest,
    CreateGroupRequest,
    GroupInfo,
    GroupReply,
    GroupRequest,
    InvitationInfo,
    InvitationRequest,
    ListInvitationsRequest,
    ListPeopleRequest,
    PersonRole,
    RemoveGroupRequest,
    RevokeInvitationRequest,
    UserInfo,
    UserRequest,
)

_DAY_MS = 24 * 3600 * 1000


class People:
    """Users, user groups and invitations of a cluster."""

    def __init__(self, connection: Connection) -> None:
        """`connection` stays its owner's."""
        self._control = connection.control

    async def users(self) -> list[UserInfo]:
        """Everybody, by name; nobody who was removed."""
        found: list[UserInfo] = []
        after: int | None = 0
        while after is not None:
            page = await self._control.ask(endpoints.LIST_USERS, ListPeopleRequest(after=after))
            found += page.users
            after = page.next
        return sorted(found, key=lambda one: one.user)

    async def user(self, name: str) -> UserInfo:
        """One user. Raises NoSuchUser."""
        return await self._control.ask(endpoints.SHOW_USER, UserRequest(user=name))

    async def set_role(self, name: str, role: PersonRole) -> UserInfo:
        """Make somebody an administrator, or no more. Raises NoSuchUser, LastAdministrator."""
        return await self._control.ask(
            endpoints.CHANGE_USER, ChangeUserRequest(request_id=_id(), user=name, role=role)
        )

    async def disable(self, name: str) -> UserInfo:
        """Shut somebody out: their logins and sessions end. Raises NoSuchUser, LastAdministrator."""
        return await self._control.ask(
            endpoints.CHANGE_USER, ChangeUserRequest(request_id=_id(), user=name, state="disabled")
        )

    async def enable(self, name: str) -> UserInfo:
        """Let somebody log in again. Raises NoSuchUser."""
        return await self._control.ask(
            endpoints.CHANGE_USER, ChangeUserRequest(request_id=_id(), user=name, state="active")
        )

    async def remove_user(self, name: str) -> UserInfo:
        """Remove somebody for good; what is theirs stays. Raises NoSuchUser, LastAdministrator."""
        return await self._control.ask(
            endpoints.CHANGE_USER, ChangeUserRequest(request_id=_id(), user=name, state="removed")
        )

    async def user_groups(self) -> list[GroupInfo]:
        """All user groups, by name."""
        found: list[GroupInfo] = []
        after: int | None = 0
        while after is not None:
            page = await self._control.ask(endpoints.LIST_USER_GROUPS, ListPeopleRequest(after=after))
            found += page.user_groups
            after = page.next
        return sorted(found, key=lambda one: one.user_group)

    async def user_group(self, name: str) -> GroupReply:
        """One user group with all its members, by name. Raises NoSuchGroup."""
        members: list[str] = []
        after: int | None = 0
        while after is not None:
            page = await self._control.ask(
                endpoints.SHOW_USER_GROUP, GroupRequest(user_group=name, after=after)
            )
            members += page.members
            after = page.next
        return GroupReply(
            user_group=page.user_group,
            group_id=page.group_id,
            members=sorted(members),
            created_at_us=page.created_at_us,
        )

    async def create_user_group(self, name: str, members: Sequence[str] = ()) -> GroupInfo:
        """Make a user group. Raises BadName, Exists (a user has that name, too), NoSuchUser."""
        return await self._control.ask(
            endpoints.CREATE_USER_GROUP,
            CreateGroupRequest(request_id=_id(), user_group=name, members=list(members)),
        )

    async def change_user_group(
        self, name: str, *, add: Sequence[str] = (), drop: Sequence[str] = ()
    ) -> GroupInfo:
        """Take users in and out of a user group, all or nobody. Raises NoSuchGroup, NoSuchUser."""
        return await self._control.ask(
            endpoints.CHANGE_USER_GROUP,
            ChangeGroupRequest(request_id=_id(), user_group=name, add=list(add), drop=list(drop)),
        )

    async def remove_user_group(self, name: str) -> GroupInfo:
        """Remove a user group; what belongs to it stays. Raises NoSuchGroup."""
        return await self._control.ask(
            endpoints.REMOVE_USER_GROUP, RemoveGroupRequest(request_id=_id(), user_group=name)
        )

    async def invite(
        self,
        *,
        role: PersonRole = "user",
        user_groups: Sequence[str] = (),
        note: str = "",
        ttl_ms: int = 7 * _DAY_MS,
    ) -> OneTimeReply:
        """A secret by which one person signs up, with this role and these user groups. Raises NoSuchGroup."""
        request = InvitationRequest(role=role, user_groups=list(user_groups), note=note, ttl_ms=ttl_ms)
        return await self._control.ask(endpoints.INVITATION, request)

    async def join_token(self, *, ttl_ms: int = 600_000) -> OneTimeReply:
        """A secret by which one fileserver joins."""
        return await self._control.ask(endpoints.JOIN_TOKEN, OneTimeRequest(ttl_ms=ttl_ms))

    async def invitations(self) -> list[InvitationInfo]:
        """What still works, invitations and join tokens, soonest to end first; not the secrets."""
        found: list[InvitationInfo] = []
        after: str | None = ""
        while after is not None:
            page = await self._control.ask(endpoints.LIST_INVITATIONS, ListInvitationsRequest(after=after))
            found += page.invitations
            after = page.next
        return sorted(found, key=lambda one: (one.expires_at_us, one.id))

    async def revoke(self, invitation: str) -> None:
        """Let the invitation or join token of this id work no more. Raises NotFound."""
        await self._control.ask(endpoints.REVOKE_INVITATION, RevokeInvitationRequest(id=invitation))


def _id() -> str:
    return secrets.token_hex(16)
