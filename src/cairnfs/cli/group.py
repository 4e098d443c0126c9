"""`cairn group`.

Look at user groups, and change who is in them.

Everybody may look; only administrators change. Besides these, each user has a group of their own by their
own name, which nobody else can be in. What belongs to a group is said with cairn chown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import moment_rfc3339, number, show, show_json, table
from cairnfs.cli.people import ask

if TYPE_CHECKING:
    from cairnfs.wire.people import GroupInfo

Group = Annotated[str, typer.Argument(metavar="GROUP", help="The user group.")]
Users = Annotated[list[str], typer.Argument(metavar="USER", help="Who.")]


def list_all(json: Json = False, profile: Profile = None, url: Url = None) -> int:
    """Say which user groups there are."""
    groups = ask(url, profile, lambda people: people.user_groups())
    if json:
        show_json({"user_groups": [_document(one) for one in groups]})
    else:
        for line in table((one.user_group, number(one.members, "member")) for one in groups):
            show(line)
    return 0


def show_one(group: Group, json: Json = False, profile: Profile = None, url: Url = None) -> int:
    """Say who is in a user group, a name a line."""
    one = ask(url, profile, lambda people: people.user_group(group))
    if json:
        show_json(
            {
                "user_group": one.user_group,
                "group_id": one.group_id,
                "members": one.members,
                "created_at": moment_rfc3339(one.created_at_us),
            }
        )
    else:
        for name in one.members:
            show(name)
    return 0


def create(
    group: Group,
    users: Annotated[
        list[str] | None, typer.Argument(metavar="USER", help="Who is in it from the beginning.")
    ] = None,
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make a user group.

    Its name has 1 to 32 of a-z, 0-9, '.', '_' and '-', and is nobody else's.
    """
    members = users or []
    made = ask(url, profile, lambda people: people.create_user_group(group, members))
    show(f"made {_told(made)}")
    return 0


def add(group: Group, users: Users, profile: Profile = None, url: Url = None) -> int:
    """Take users into a user group, all of them or none. Who is in it already is fine."""
    show(_told(ask(url, profile, lambda people: people.change_user_group(group, add=users))))
    return 0


def drop(group: Group, users: Users, profile: Profile = None, url: Url = None) -> int:
    """Take users out of a user group, all of them or none. Who is not in it is fine."""
    show(_told(ask(url, profile, lambda people: people.change_user_group(group, drop=users))))
    return 0


def remove(group: Group, profile: Profile = None, url: Url = None) -> int:
    """Remove a user group.

    What belongs to it stays as it is, shown as # and a number that no other group ever gets.
    """
    gone = ask(url, profile, lambda people: people.remove_user_group(group))
    show(f"removed {gone.user_group}; what belonged to it shows #{gone.group_id}")
    return 0


VERBS = {
    "list": list_all,
    "show": show_one,
    "create": create,
    "add": add,
    "drop": drop,
    "remove": remove,
}


def _told(one: GroupInfo) -> str:
    return f"{one.user_group}, with {number(one.members, 'member')}"


def _document(one: GroupInfo) -> dict[str, Any]:
    return {
        "user_group": one.user_group,
        "group_id": one.group_id,
        "members": one.members,
        "created_at": moment_rfc3339(one.created_at_us),
    }
