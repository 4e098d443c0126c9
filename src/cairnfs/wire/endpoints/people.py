"""The auth service: users, user groups, invitations. Who is logged in may look, administrators change."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import auth, people
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint

_CHANGES = (e.RequestReused, e.Aborted, e.Busy, e.DeadlineExceeded)

LIST_USERS = Endpoint(
    "list_users",
    "auth",
    "POST",
    "/v1/users/list",
    people.ListPeopleRequest,
    people.UsersReply,
    "user",
    "A page of users",
)
SHOW_USER = Endpoint(
    "show_user",
    "auth",
    "POST",
    "/v1/users/show",
    people.UserRequest,
    people.UserInfo,
    "user",
    "A user's role, state, user groups and home",
    (e.NoSuchUser,),
)
CHANGE_USER = Endpoint(
    "change_user",
    "auth",
    "POST",
    "/v1/users/change",
    people.ChangeUserRequest,
    people.UserInfo,
    "admin",
    "Give a user another role; disable, enable or remove one",
    (e.NoSuchUser, e.LastAdministrator, *_CHANGES),
)
LIST_USER_GROUPS = Endpoint(
    "list_user_groups",
    "auth",
    "POST",
    "/v1/user-groups/list",
    people.ListPeopleRequest,
    people.GroupsReply,
    "user",
    "A page of user groups",
)
SHOW_USER_GROUP = Endpoint(
    "show_user_group",
    "auth",
    "POST",
    "/v1/user-groups/show",
    people.GroupRequest,
    people.GroupReply,
    "user",
    "A page of a user group's members",
    (e.NoSuchGroup,),
)
CREATE_USER_GROUP = Endpoint(
    "create_user_group",
    "auth",
    "POST",
    "/v1/user-groups/create",
    people.CreateGroupRequest,
    people.GroupInfo,
    "admin",
    "Make a user group",
    (e.BadName, e.Exists, e.NoSuchUser, e.Limit, *_CHANGES),
)
CHANGE_USER_GROUP = Endpoint(
    "change_user_group",
    "auth",
    "POST",
    "/v1/user-groups/change",
    people.ChangeGroupRequest,
    people.GroupInfo,
    "admin",
    "Take users in and out of a user group",
    (e.NoSuchGroup, e.NoSuchUser, e.Limit, *_CHANGES),
)
REMOVE_USER_GROUP = Endpoint(
    "remove_user_group",
    "auth",
    "POST",
    "/v1/user-groups/remove",
    people.RemoveGroupRequest,
    people.GroupInfo,
    "admin",
    "Remove a user group",
    (e.NoSuchGroup, *_CHANGES),
)
INVITATION = Endpoint(
    "invitation",
    "auth",
    "POST",
    "/v1/auth/invitations",
    people.InvitationRequest,
    auth.OneTimeReply,
    "admin",
    "A one-time invitation to sign up",
    (e.NoSuchGroup, e.Busy),
)
LIST_INVITATIONS = Endpoint(
    "list_invitations",
    "auth",
    "POST",
    "/v1/auth/invitations/list",
    people.ListInvitationsRequest,
    people.InvitationsReply,
    "admin",
    "A page of the invitations and join tokens that still work",
    (e.BadCursor,),
)
REVOKE_INVITATION = Endpoint(
    "revoke_invitation",
    "auth",
    "POST",
    "/v1/auth/invitations/revoke",
    people.RevokeInvitationRequest,
    Empty,
    "admin",
    "Let an invitation or join token work no more",
    (e.NotFound, e.Busy),
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    LIST_USERS,
    SHOW_USER,
    CHANGE_USER,
    LIST_USER_GROUPS,
    SHOW_USER_GROUP,
    CREATE_USER_GROUP,
    CHANGE_USER_GROUP,
    REMOVE_USER_GROUP,
    INVITATION,
    LIST_INVITATIONS,
    REVOKE_INVITATION,
)
