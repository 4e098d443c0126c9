"""Who may do what: POSIX owner, group and other bits, decided in one place for every door.

The owner's bits alone count for the owner, the group's for its members, the others' for the rest.
Each user's group is the user alone, with the same number. An administrator may do everything. Pure,
any thread.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from cairnfs.ids import UserId

Role = Literal["user", "admin", "fileserver"]

READ, WRITE, WALK = 4, 2, 1  #: WALK is the x bit of a directory
STICKY = 0o1000
MODE_MAX = 0o7777
FILE_MODE = 0o644  #: of a new file, unless the request says another
DIRECTORY_MODE = 0o755


class Person(NamedTuple):
    """Who asks."""

    user_id: UserId
    name: str
    role: Role


def allowed(person: Person, owner: int, owner_group: int, mode: int, want: int) -> bool:
    """Whether `person` has all the rights in `want` (READ | WRITE | WALK) on what these describe."""
    if person.user_id == owner:
        bits = mode >> 6
    elif person.user_id == owner_group:
        bits = mode >> 3
    else:
        bits = mode
    return bits & want == want or person.role == "admin"


def may_take_away(person: Person, directory_owner: int, directory_mode: int, owner: int) -> bool:
    """Whether the sticky bit lets `person` remove or rename what `owner` has in a directory.

    In a sticky directory only the owner of the entry or of the directory may; elsewhere whoever may
    write the directory.
    """
    return not directory_mode & STICKY or person.user_id in (owner, directory_owner) or person.role == "admin"
