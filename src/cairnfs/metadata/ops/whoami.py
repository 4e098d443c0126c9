"""whoami: who somebody is now, whatever their token says.

What belongs here: that look by itself. Operations and reads that look at more have it in their tx
(`state.people`, `sight.people`).
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, users
from cairnfs.metadata.rows import people as rows


def now(tx: Tx, person: Person) -> Person:
    """The person as the database has them. Raises Unauthenticated for one who was shut out."""
    return People(tx, clock.read(tx)).now(person)


def own(tx: Tx, person: Person) -> tuple[Person, str, list[str]]:
    """(the person, their home in its text form or nothing, the names of their user groups)."""
    known = now(tx, person)
    row = users.by_id(tx, person.user_id)
    groups = rows.groups_of(tx, [person.user_id]).get(person.user_id, [])
    return known, "" if row is None else row.home, groups
