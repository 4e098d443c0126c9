"""Routes about people: users, user groups, invitations, join tokens.

Thin: messages to operations, and back. Administrators alone change anything, which the operations see to,
under the clock. One event loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.control.auth.tokens import new_secret
from cairnfs.control.people import person
from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import BadRequest
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import change_user, invitations, tokens, user_groups
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.auth import OneTimeReply, OneTimeRequest
from cairnfs.wire.codec import Empty
from cairnfs.wire.people import (
    NOTE_MAX_CHARS,
    ChangeGroupRequest,
    ChangeUserRequest,
    CreateGroupRequest,
    GroupInfo,
    GroupReply,
    GroupRequest,
    GroupsReply,
    InvitationRequest,
    InvitationsReply,
    ListInvitationsRequest,
    ListPeopleRequest,
    RemoveGroupRequest,
    RevokeInvitationRequest,
    UserInfo,
    UserRequest,
    UsersReply,
)


class PeopleRoutes:
    """The endpoints about people."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.LIST_USERS.name: self.list_users,
            endpoints.SHOW_USER.name: self.show_user,
            endpoints.CHANGE_USER.name: self.change_user,
            endpoints.LIST_USER_GROUPS.name: self.list_groups,
            endpoints.SHOW_USER_GROUP.name: self.show_group,
            endpoints.CREATE_USER_GROUP.name: self.create_group,
            endpoints.CHANGE_USER_GROUP.name: self.change_group,
            endpoints.REMOVE_USER_GROUP.name: self.remove_group,
            endpoints.INVITATION.name: self.invitation,
            endpoints.JOIN_TOKEN.name: self.join_token,
            endpoints.LIST_INVITATIONS.name: self.list_invitations,
            endpoints.REVOKE_INVITATION.name: self.revoke,
        }

    async def list_users(self, context: Context, request: ListPeopleRequest) -> UsersReply:
        """A page of users."""
        return await self._driver.read(lambda tx: change_user.page(tx, request))

    async def show_user(self, context: Context, request: UserRequest) -> UserInfo:
        """One user."""
        return await self._driver.read(lambda tx: change_user.show(tx, request.user))

    async def change_user(self, context: Context, request: ChangeUserRequest) -> UserInfo:
        """Another role or state."""
        operation = change_user.ChangeUser(person(context), request, deadline=context.deadline)
        return await self._driver.submit(operation)

    async def list_groups(self, context: Context, request: ListPeopleRequest) -> GroupsReply:
        """A page of user groups."""
        return await self._driver.read(lambda tx: user_groups.page(tx, request))

    async def show_group(self, context: Context, request: GroupRequest) -> GroupReply:
        """One user group and its members."""
        return await self._driver.read(lambda tx: user_groups.show(tx, request))

    async def create_group(self, context: Context, request: CreateGroupRequest) -> GroupInfo:
        """A new user group."""
        operation = user_groups.CreateGroup(person(context), request, deadline=context.deadline)
        return await self._driver.submit(operation)

    async def change_group(self, context: Context, request: ChangeGroupRequest) -> GroupInfo:
        """Members in and out."""
        operation = user_groups.ChangeGroup(person(context), request, deadline=context.deadline)
        return await self._driver.submit(operation)

    async def remove_group(self, context: Context, request: RemoveGroupRequest) -> GroupInfo:
        """A user group less."""
        operation = user_groups.RemoveGroup(person(context), request, deadline=context.deadline)
        return await self._driver.submit(operation)

    async def invitation(self, context: Context, request: InvitationRequest) -> OneTimeReply:
        """A secret by which one person signs up."""
        if len(request.note) > NOTE_MAX_CHARS or not request.note.isprintable():
            raise BadRequest(f"a note has at most {NOTE_MAX_CHARS} characters, all of them printable")
        secret = new_secret()
        operation = invitations.Issue(
            person(context),
            tokens.INVITATION,
            hash_bytes(secret.encode()),
            ttl_ms=request.ttl_ms,
            role=request.role,
            user_groups=request.user_groups,
            note=request.note,
            deadline=context.deadline,
        )
        return await self._issue(operation, secret)

    async def join_token(self, context: Context, request: OneTimeRequest) -> OneTimeReply:
        """A secret by which one fileserver joins."""
        secret = new_secret()
        operation = invitations.Issue(
            person(context),
            tokens.JOIN,
            hash_bytes(secret.encode()),
            ttl_ms=request.ttl_ms,
            deadline=context.deadline,
        )
        return await self._issue(operation, secret)

    async def list_invitations(self, context: Context, request: ListInvitationsRequest) -> InvitationsReply:
        """A page of what still works."""
        return await self._driver.read(lambda tx: invitations.page(tx, request))

    async def revoke(self, context: Context, request: RevokeInvitationRequest) -> Empty:
        """One of them works no more."""
        await self._driver.submit(invitations.Revoke(person(context), request.id, deadline=context.deadline))
        return Empty()

    async def _issue(self, operation: invitations.Issue, secret: str) -> OneTimeReply:
        expires_us = await self._driver.submit(operation)
        digest = hash_bytes(secret.encode())
        return OneTimeReply(secret=secret, expires_at_us=expires_us, id=invitations.identify(digest))
