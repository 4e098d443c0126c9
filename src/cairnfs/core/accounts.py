"""What people and user groups are called, and who governs them.

One rule for both: a person's name is also that of the user group that is theirs alone. What was removed
is shown as `#` and its number, which nobody can be called. Pure, any thread.
"""

from __future__ import annotations

import re

from cairnfs.core.permissions import Person
from cairnfs.errors import BadName

NAME_PATTERN = "[a-z0-9][a-z0-9._-]{0,31}"
_NAME = re.compile(NAME_PATTERN)
REMOVED_MARK = "#"


def is_name(text: str) -> bool:
    """Whether a person or user group may be called so: 1 to 32 of a-z 0-9 . _ -, the first no sign."""
    return _NAME.fullmatch(text) is not None


def check_name(text: str, whose: str = "user") -> None:
    """Raises BadName unless somebody may be called so."""
    if not is_name(text):
        raise BadName(
            f"a {whose}'s name has 1 to 32 of a-z, 0-9, '.', '_' and '-', and begins with a letter or a digit"
        )


def removed_name(number: int) -> str:
    """What a removed user or user group is shown as."""
    return f"{REMOVED_MARK}{number}"


def may_govern(person: Person) -> bool:
    """Whether `person` may change who people are: users, user groups, invitations."""
    return person.role == "admin"
