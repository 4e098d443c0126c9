"""Who may do what: POSIX owner, group and other bits, decided in one place for every door.

The owner's bits alone count for the owner, the group's for its members, the others' for the rest.
Each user has a group of their own with the same number, besides those they are members of. An
administrator may do everything. Pure, any thread.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from cairnfs.ids import UserId

Role = Literal["user", "admin", "fileserver"]

READ, WRITE, WALK = 4, 2, 1  #: WALK is the x bit of a directory
SET_USER, SET_GROUP, STICKY = 0o4000, 0o2000, 0o1000
_GROUP_RUNS = 0o010
MODE_MAX = 0o7777
FILE_MODE = 0o644  #: of a new file, unless the request says another
DIRECTORY_MODE = 0o755
SYMLINK_MODE = 0o777  #: of every symlink; nobody asks for it


class Person(NamedTuple):
    """Who asks, and the user groups they are in besides their own."""

    user_id: UserId
    name: str
    role: Role
    groups: frozenset[int] = frozenset()

    def is_in(self, owner_group: int) -> bool:
        """Whether the person belongs to this group."""
        return self.user_id == owner_group or owner_group in self.groups


def allowed(person: Person, owner: int, owner_group: int, mode: int, want: int) -> bool:
    """Whether `person` has all the rights in `want` (READ | WRITE | WALK) on what these describe."""
    if person.user_id == owner:
        bits = mode >> 6
    elif person.is_in(owner_group):
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


def may_follow(person: Person, directory_owner: int, directory_mode: int, owner: int) -> bool:
    """Whether `person` is led on by a symlink of `owner` that a path ends with.

    In a sticky directory that everybody may write anybody can lay one where somebody is about to write:
    there, one's own lead on, and those of the directory's owner. Administrators are led astray as easily.
    """
    shared = directory_mode & STICKY and directory_mode & WRITE
    return not shared or owner in (person.user_id, directory_owner)


def may_link(person: Person, owner: int, owner_group: int, mode: int, *, file: bool) -> bool:
    """Whether `person` may give what `owner` has another name: a link keeps it whatever its owner does.

    Of what others have, only a file that the person may read and write, and that runs as nobody else.
    """
    if may_change(person, owner):
        return True
    runs = mode & SET_USER or (mode & SET_GROUP and mode & _GROUP_RUNS)
    return file and not runs and allowed(person, owner, owner_group, mode, READ | WRITE)


def may_change(person: Person, owner: int) -> bool:
    """Whether `person` may change mode, group and times: the owner, and administrators."""
    return person.user_id == owner or person.role == "admin"


def may_give(person: Person, owner: int, new_owner: int, new_group: int, old_group: int) -> bool:
    """Whether `person` may make `new_owner` and `new_group` the owners of what `owner` has.

    Administrators may give anything to anyone; an owner only to a group that they are in.
    """
    if person.role == "admin":
        return True
    return person.user_id == owner == new_owner and (new_group == old_group or person.is_in(new_group))


def mode_after_chmod(person: Person, owner_group: int, mode: int, *, directory: bool) -> int:
    """The mode that a change to `mode` leaves: who is not in the group cannot set its bit on a file."""
    if not directory and person.role != "admin" and not person.is_in(owner_group):
        return mode & ~SET_GROUP
    return mode


def mode_after_chown(mode: int, *, directory: bool) -> int:
    """The mode after a change of owners, an administrator's too: a file runs as nobody else then."""
    return mode if directory else mode & ~(SET_USER | SET_GROUP)


def mode_after_change(person: Person, mode: int) -> int:
    """The mode of a file after its content was changed: it runs as nobody else then."""
    if person.role == "admin":
        return mode
    return mode & ~SET_USER & ~(SET_GROUP if mode & _GROUP_RUNS else 0)


def heirs_group(person: Person, directory_group: int, directory_mode: int) -> int:
    """The group of what `person` makes in a directory: its own where SET_GROUP says so, else the person's."""
    return directory_group if directory_mode & SET_GROUP else person.user_id
