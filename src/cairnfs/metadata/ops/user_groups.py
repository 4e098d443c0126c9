"""user_groups: make, change, remove and look up groups of people.

What belongs here: the verbs. What does not: what belonging to one allows (`core/permissions`). A name is
one user's or one user group's, never both: each user has a group of their own by that name. A group that
still owns things can be removed: its row goes, its number is never given again, and shows as `#NUMBER`.
"""

from __future__ import annotations

from cairnfs.core import accounts
from cairnfs.core.permissions import Person
from cairnfs.errors import Exists, Limit
from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.governing import Governing, find_group, find_users
from cairnfs.metadata.rows import people as rows
from cairnfs.metadata.rows import users
from cairnfs.metadata.rows.people import UserGroup
from cairnfs.metadata.state import State
from cairnfs.wire.people import (
    USER_GROUPS_MAX,
    ChangeGroupRequest,
    CreateGroupRequest,
    GroupInfo,
    GroupReply,
    GroupRequest,
    GroupsReply,
    ListPeopleRequest,
    RemoveGroupRequest,
)


class CreateGroup(Governing):
    """Make a user group. Answers it."""

    answer_type = GroupInfo

    def __init__(self, person: Person, request: CreateGroupRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock. Raises BadName."""
        super().__init__(person, deadline)
        accounts.check_name(request.user_group, "user group")
        self.reply_key = self.key(request)
        self._request = request

    def apply(self, state: State) -> GroupInfo:
        """Raises Forbidden, Exists, NoSuchUser, Limit."""
        self.require_governor(state)
        tx, name = state.tx, self._request.user_group
        check_free(tx, name)
        members = find_users(tx, self._request.members)
        _check_room(tx, members)
        group = state.take("next_user")
        rows.insert_group(tx, group, name, state.now_us)
        rows.join(tx, [(one, group) for one in members])
        state.change_people()
        return _told(find_group(tx, name))


class ChangeGroup(Governing):
    """Take users in and out of a user group. Answers it."""

    answer_type = GroupInfo

    def __init__(self, person: Person, request: ChangeGroupRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        super().__init__(person, deadline)
        self.reply_key = self.key(request)
        self._request = request

    def apply(self, state: State) -> GroupInfo:
        """Raises Forbidden, NoSuchGroup, NoSuchUser, Limit. Who is both added and dropped is out."""
        self.require_governor(state)
        tx, asked = state.tx, self._request
        group = find_group(tx, asked.user_group)
        add, drop = find_users(tx, asked.add), find_users(tx, asked.drop)
        _check_room(tx, add)
        changes = rows.join(tx, [(one, group.id) for one in add])
        changes += rows.leave(tx, [(one, group.id) for one in drop])
        if changes:
            state.change_people()
        return _told(find_group(tx, asked.user_group))


class RemoveGroup(Governing):
    """Remove a user group. Answers what it was."""

    answer_type = GroupInfo

    def __init__(self, person: Person, request: RemoveGroupRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        super().__init__(person, deadline)
        self.reply_key = self.key(request)
        self._request = request

    def apply(self, state: State) -> GroupInfo:
        """Raises Forbidden, NoSuchGroup."""
        self.require_governor(state)
        group = find_group(state.tx, self._request.user_group)
        rows.delete_group(state.tx, group.id)
        state.change_people()
        return _told(group)


def check_free(tx: Tx, name: str) -> None:
    """Raises Exists where a user or a user group is called so."""
    if users.by_name(tx, name) is not None:
        raise Exists(f"there is a user named {name}")
    if rows.find_group(tx, name) is not None:
        raise Exists(f"there is a user group named {name}")


def show(tx: Tx, request: GroupRequest) -> GroupReply:
    """A user group and a page of its members. Raises NoSuchGroup."""
    group = find_group(tx, request.user_group)
    found = rows.members(tx, group.id, request.after, request.limit + 1)
    more, found = found[request.limit :], found[: request.limit]
    return GroupReply(
        user_group=group.name,
        group_id=group.id,
        members=[name for _, name in found],
        created_at_us=group.created_us,
        next=found[-1][0] if more else None,
    )


def page(tx: Tx, request: ListPeopleRequest) -> GroupsReply:
    """User groups in the order of their numbers."""
    found = rows.groups(tx, request.after, request.limit + 1)
    more, found = found[request.limit :], found[: request.limit]
    return GroupsReply(user_groups=[_told(one) for one in found], next=found[-1].id if more else None)


def _check_room(tx: Tx, people: list[UserId]) -> None:
    if rows.most_groups(tx, people) >= USER_GROUPS_MAX:
        raise Limit(f"a user is in at most {USER_GROUPS_MAX:,} user groups")


def _told(group: UserGroup) -> GroupInfo:
    return GroupInfo(
        user_group=group.name, group_id=group.id, members=group.members, created_at_us=group.created_us
    )
