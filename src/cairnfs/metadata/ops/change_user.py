"""change_user: another role, another state; and looking users up.

What belongs here: the verb, and what ends with a right: logins, sessions and locks of whoever is shut out,
invitations and join tokens of whoever is an active administrator no more. What does not: signing up
(`users`), user groups. A removed user's row stays under a name that nobody can have: numbers are never given
again, so what was theirs stays theirs.
"""

from __future__ import annotations

from typing import cast

from cairnfs.core import accounts
from cairnfs.core.permissions import Person
from cairnfs.errors import LastAdministrator, NoSuchUser
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.governing import Governing
from cairnfs.metadata.ops.locks.ending import end_sessions
from cairnfs.metadata.rows import people as rows
from cairnfs.metadata.rows import sessions, tokens, users
from cairnfs.metadata.rows.users import User
from cairnfs.metadata.state import State
from cairnfs.wire.people import (
    ChangeUserRequest,
    ListPeopleRequest,
    PersonRole,
    Standing,
    UserInfo,
    UsersReply,
)


class ChangeUser(Governing):
    """Give a user a role and a state. Answers the user."""

    answer_type = UserInfo

    def __init__(self, person: Person, request: ChangeUserRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        super().__init__(person, deadline)
        self.reply_key = self.key(request)
        self._request = request

    def apply(self, state: State) -> UserInfo:
        """Raises Forbidden, NoSuchUser, LastAdministrator."""
        self.require_governor(state)
        tx, asked = state.tx, self._request
        user = _find(tx, asked.user)
        role, standing = asked.role or user.role, asked.state or user.state
        if (role, standing) == (user.role, user.state):
            return _info(tx, user)
        resigns = _governs(user.role, user.state) and not _governs(role, standing)
        if resigns and users.active_admins(tx) == 1:
            raise LastAdministrator(f"{user.name} is the last active administrator")
        # The row first: it waits for a login that holds it, whose token is there to be deleted then.
        users.set_standing(tx, user.id, role, standing)
        if resigns:
            tokens.delete_one_time_of(tx, user.id)
        if standing != "active":
            self._shut_out(state, user)
        if standing == "removed":
            rows.leave_all(tx, user.id)
            users.remove(tx, user.id, accounts.removed_name(user.id))
        state.change_people()
        changed = users.by_id(tx, user.id)
        assert changed is not None
        return _info(tx, changed)

    def _shut_out(self, state: State, user: User) -> None:
        tokens.delete_refresh_of(state.tx, user.id)
        end_sessions(state, sessions.delete_of(state.tx, user.id))


def show(tx: Tx, name: str) -> UserInfo:
    """A user, without secrets. Raises NoSuchUser."""
    return _info(tx, _find(tx, name))


def page(tx: Tx, request: ListPeopleRequest) -> UsersReply:
    """People in the order of their numbers."""
    found = users.page(tx, request.after, request.limit + 1)
    more, found = found[request.limit :], found[: request.limit]
    groups = rows.groups_of(tx, [one.id for one in found])
    return UsersReply(
        users=[_told(one, groups.get(one.id, [])) for one in found], next=found[-1].id if more else None
    )


def _find(tx: Tx, name: str) -> User:
    found = users.by_name(tx, name) if accounts.is_name(name) else None
    if found is None:
        raise NoSuchUser(f"no user is called {name[:40]}")
    return found


def _governs(role: str, state: str) -> bool:
    return (role, state) == ("admin", "active")


def _info(tx: Tx, user: User) -> UserInfo:
    return _told(user, rows.groups_of(tx, [user.id]).get(user.id, []))


def _told(user: User, user_groups: list[str]) -> UserInfo:
    return UserInfo(
        user=user.name,
        user_id=user.id,
        role=cast(PersonRole, user.role),
        state=cast(Standing, user.state),
        user_groups=user_groups,
        home=user.home or None,
        created_at_us=user.created_us,
    )
