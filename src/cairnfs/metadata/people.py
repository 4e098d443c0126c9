"""Who people are now: role, state, user groups and names, as the database says.

A token says who asks; what that person may do is looked up at every request, and again inside the clock
at every change, so that a change of it counts at once. Kept in memory (`Tx.memo`) for as long as
`clock.people_version` stays. What belongs here: that knowledge. What does not: rules
(`core/permissions`), changing it (`ops/people`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from cairnfs.core import accounts
from cairnfs.core.permissions import Person, Role
from cairnfs.errors import Unauthenticated
from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows import people as rows
from cairnfs.metadata.rows.clock import ClockRow

NOBODY = "-"  #: the name of number 0, to whom the root belongs until there is an administrator
#: So many people, and so many names, are remembered at once.
_REMEMBERED_MAX = 20_000
_MEMO = "people"


class _Known(NamedTuple):
    """What was looked up under one version of the people."""

    version: tuple[str, int, int]
    #: A text instead of a person says why there is none.
    persons: dict[UserId, Person | str]
    names: dict[int, str]
    users: dict[str, UserId | None]
    user_groups: dict[str, int | None]

    @property
    def size(self) -> int:
        """How much that is."""
        return len(self.persons) + len(self.names) + len(self.users) + len(self.user_groups)


class People:
    """Everybody, as one tx sees them."""

    __slots__ = ("_known", "_tx")

    def __init__(self, tx: Tx, clock: ClockRow, *, version: int | None = None) -> None:
        """`version`: `people_version` where this tx has raised it; then nothing is remembered."""
        self._tx = tx
        key = (clock.cluster_id, clock.incarnation, clock.people_version)
        known: Any = tx.memo.get(_MEMO)
        if version is not None and version != clock.people_version:
            known = _Known(key, {}, {}, {}, {})
        elif known is None or known.version != key or known.size > _REMEMBERED_MAX:
            known = tx.memo[_MEMO] = _Known(key, {}, {}, {}, {})
        self._known: _Known = known

    def now(self, asker: Person) -> Person:
        """The person whom a token names, as they are now. Raises Unauthenticated for one who is shut out."""
        persons = self._known.persons
        if asker.user_id not in persons:
            persons[asker.user_id] = self._find(asker)
        found = persons[asker.user_id]
        if isinstance(found, str):
            raise Unauthenticated(f"{asker.name} {found}", hint="ask an administrator")
        return found

    def names(self, ids: Iterable[int]) -> dict[int, str]:
        """The names of users and user groups, by id; of one that was removed, `#` and the id."""
        known = self._known.names
        wanted = set(ids)
        missing = wanted - known.keys()
        if missing:
            known.update((one, accounts.removed_name(one) if one > 0 else NOBODY) for one in missing)
            known.update(rows.names(self._tx, sorted(missing)))
        return {one: known[one] for one in wanted}

    def user(self, name: str) -> UserId | None:
        """The id of the active or disabled user of this name."""
        if not accounts.is_name(name):
            return None
        known = self._known.users
        if name not in known:
            known[name] = rows.user(self._tx, name)
        return known[name]

    def user_group(self, name: str) -> int | None:
        """The id of the user group of this name, or of the user of this name: each has a group."""
        if not accounts.is_name(name):
            return None
        known = self._known.user_groups
        if name not in known:
            known[name] = rows.user_group(self._tx, name)
        return known[name]

    def _find(self, asker: Person) -> Person | str:
        found = rows.person(self._tx, asker.user_id)
        if found is None:
            # A service of the cluster itself: its token is all there is of it.
            return asker if asker.role == "fileserver" else "is not a user here"
        # Remembered for all who ask by that number: the name is the database's, too.
        name, role, state = found
        if state != "active":
            return f"was {state}"
        groups = frozenset(rows.user_groups_of(self._tx, asker.user_id))
        return Person(asker.user_id, name, cast(Role, role), groups)
