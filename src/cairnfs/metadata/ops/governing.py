"""governing: what all changes of who people are have in common.

What belongs here: who may (administrators, as the database says under the clock), that a request sent
again is answered again, finding whom a name means. What does not: the verbs (`change_user`, `user_groups`,
`invitations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cairnfs.core import accounts
from cairnfs.core.manifest import hash_bytes
from cairnfs.core.permissions import Person
from cairnfs.errors import Forbidden, NoSuchGroup, NoSuchUser
from cairnfs.ids import RequestId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import people as rows
from cairnfs.metadata.rows.people import UserGroup
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State, Want
from cairnfs.wire import codec
from cairnfs.wire.shapes import request_id


class Numbered(Protocol):
    """A message with an id of its own."""

    @property
    def request_id(self) -> str:
        """Chosen by the client."""
        ...


class Governing:
    """Parent of the changes: administrators only, each done once."""

    def __init__(self, person: Person, deadline: float) -> None:
        """`person` asks; `deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self.person = person

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def key(self, request: Numbered) -> ReplyKey:
        """Under which the answer is kept: apart from commits, whose ids are settled. Raises BadRequest."""
        number = RequestId(f"people:{request_id(request.request_id)}")
        said = type(request).__name__.encode() + b" " + codec.encode(request)
        return ReplyKey(self.person.user_id, number, hash_bytes(said))

    def require_governor(self, state: State) -> Person:
        """Who asks, as they are now. Raises Forbidden, Unauthenticated."""
        person = state.people.now(self.person)
        if not accounts.may_govern(person):
            raise Forbidden("this is for administrators")
        return person


def find_users(tx: Tx, names: Sequence[str]) -> list[UserId]:
    """The ids of people. Raises NoSuchUser, naming the first that is none."""
    wanted = [name for name in dict.fromkeys(names) if accounts.is_name(name)]
    found = rows.users(tx, wanted)
    for name in names:
        if name not in found:
            raise NoSuchUser(f"no user is called {name[:40]}")
    return list(found.values())


def find_group(tx: Tx, name: str) -> UserGroup:
    """A user group, and no person's own. Raises NoSuchGroup."""
    found = rows.find_group(tx, name) if accounts.is_name(name) else None
    if found is None:
        raise NoSuchGroup(f"no user group is called {name[:40]}")
    return found
