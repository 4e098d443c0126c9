"""Messages about people: users, user groups, invitations.

Changes carry a `request_id` (32 hexadecimal digits, random): sent again, they are answered again and done
once. Lists come in pages: `next`, where it is there, is the `after` of the page that follows. Of users, only
people are listed, and nobody who was removed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cairnfs.core.accounts import NAME_PATTERN
from cairnfs.wire.auth import OneTimeRequest
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.shapes import Id, label

PAGE_MAX = 1_000
#: Members named in one request.
MEMBERS_MAX = 1_000
#: User groups that one person can be in.
USER_GROUPS_MAX = 1_000
#: User groups that an invitation grants.
GRANTED_MAX = 100
NOTE_MAX_CHARS = 200
SECRET_ID_DIGITS = 8

PersonRole = Literal["user", "admin"]
Standing = Literal["active", "disabled", "removed"]

Called = Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})]
#: The first hexadecimal digits of the BLAKE3 of an invitation's secret.
SecretId = Annotated[str, Meta(extra_json_schema={"pattern": f"^[0-9a-f]{{{SECRET_ID_DIGITS}}}$"})]
_Page = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
_Members = Annotated[list[Called], Meta(max_length=MEMBERS_MAX)]


class ListPeopleRequest(Request, kw_only=True):
    """A page of users, or of user groups, in the order of their numbers."""

    after: Whole = 0
    limit: _Page = PAGE_MAX


class UserRequest(Request, kw_only=True):
    """Ask about one user."""

    user: Called


class UserInfo(Reply, kw_only=True):
    """A user. `user_groups`: those they are in besides their own; `home` in its text form."""

    user: str
    user_id: int
    role: PersonRole
    state: Standing
    user_groups: list[str]
    home: str | None = None
    created_at_us: int


class UsersReply(Reply, kw_only=True):
    """A page of users."""

    users: list[UserInfo]
    next: int | None = None


class ChangeUserRequest(Request, kw_only=True):
    """Give a user another role or state; what is absent stays.

    Who is `disabled` or `removed` is shut out at once: logins and sessions end. A removed user's name is
    free again; what was theirs stays, with `#` and their number for an owner.
    """

    request_id: Id
    user: Called
    role: PersonRole | None = None
    state: Standing | None = None


class GroupInfo(Reply, kw_only=True):
    """A user group and how many members it has."""

    user_group: str
    group_id: int
    members: int
    created_at_us: int


class GroupsReply(Reply, kw_only=True):
    """A page of user groups."""

    user_groups: list[GroupInfo]
    next: int | None = None


class GroupRequest(Request, kw_only=True):
    """Ask about one user group: a page of its members, in the order of their numbers."""

    user_group: Called
    after: Whole = 0
    limit: _Page = PAGE_MAX


class GroupReply(Reply, kw_only=True):
    """A user group; `members` is a page of their names."""

    user_group: str
    group_id: int
    members: list[str]
    created_at_us: int
    next: int | None = None


class CreateGroupRequest(Request, kw_only=True):
    """Make a user group with these members."""

    request_id: Id
    user_group: Called
    members: _Members = []


class ChangeGroupRequest(Request, kw_only=True):
    """Take users in and out of a user group; who is in, or is not, already is fine."""

    request_id: Id
    user_group: Called
    add: _Members = []
    drop: _Members = []


class RemoveGroupRequest(Request, kw_only=True):
    """Remove a user group. What belonged to it shows `#` and its number, which nobody gets again."""

    request_id: Id
    user_group: Called


class InvitationRequest(OneTimeRequest, kw_only=True):
    """Invite one person. Who signs up with the secret gets this role and these user groups.

    It counts while who asked for it is an active administrator.
    """

    role: PersonRole = "user"
    user_groups: Annotated[list[Called], Meta(max_length=GRANTED_MAX)] = []
    note: Annotated[str, label(NOTE_MAX_CHARS)] = ""


class InvitationInfo(Reply, kw_only=True):
    """A secret that still works, but not the secret. `purpose`: for a person, or a fileserver to join."""

    id: str
    purpose: Literal["person", "fileserver"]
    role: PersonRole
    user_groups: list[str]
    note: str
    issuer: str
    expires_at_us: int


class ListInvitationsRequest(Request, kw_only=True):
    """A page of the invitations and join tokens that still work, in the order of their ids."""

    after: Annotated[str, Meta(extra_json_schema={"pattern": f"^([0-9a-f]{{{SECRET_ID_DIGITS}}})?$"})] = ""
    limit: _Page = PAGE_MAX


class InvitationsReply(Reply, kw_only=True):
    """A page of invitations and join tokens."""

    invitations: list[InvitationInfo]
    next: str | None = None


class RevokeInvitationRequest(Request, kw_only=True):
    """Let an invitation or join token work no more."""

    id: SecretId
