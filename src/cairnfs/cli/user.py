"""`cairn user`.

Look at users, and change what they may.

Everybody may look; only administrators change. Users make themselves: see cairn signup and cairn invite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import moment, moment_rfc3339, show, show_json, table
from cairnfs.cli.people import ask
from cairnfs.errors import BadRequest

if TYPE_CHECKING:
    from cairnfs.wire.people import PersonRole, UserInfo

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user.")]
_ROLES: tuple[PersonRole, ...] = ("user", "admin")


def list_all(json: Json = False, profile: Profile = None, url: Url = None) -> int:
    """Say who there is."""
    users = ask(url, profile, lambda people: people.users())
    if json:
        show_json({"users": [_document(one) for one in users]})
    else:
        for line in table(
            (one.user, one.role, one.state, ",".join(one.user_groups) or "-", one.home or "-")
            for one in users
        ):
            show(line)
    return 0


def show_one(user: Name, json: Json = False, profile: Profile = None, url: Url = None) -> int:
    """Say one user's role, state, user groups and home."""
    one = ask(url, profile, lambda people: people.user(user))
    if json:
        show_json(_document(one))
        return 0
    for line in table(
        (
            ("user", one.user),
            ("number", str(one.user_id)),
            ("role", one.role),
            ("state", one.state),
            ("groups", ", ".join(one.user_groups) or "-"),
            ("home", one.home or "-"),
            ("since", moment(one.created_at_us)),
        )
    ):
        show(line)
    return 0


def role(
    user: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="admin or user.")],
    profile: Profile = None,
    url: Url = None,
) -> int:
    """Make a user an administrator, or no more.

    It counts at once. The last active administrator stays one. Invitations and join tokens of one who is
    no administrator any more work no more.
    """
    wanted = next((one for one in _ROLES if one == role), None)
    if wanted is None:
        raise BadRequest(f"there is no role {role[:40]!r}", hint="give admin or user")
    done = ask(url, profile, lambda people: people.set_role(user, wanted))
    show(f"{done.user} has the role {done.role}")
    return 0


def disable(user: Name, profile: Profile = None, url: Url = None) -> int:
    """Shut a user out, until they are enabled again.

    Their logins and sessions end at once.
    """
    show(f"{ask(url, profile, lambda people: people.disable(user)).user} is disabled")
    return 0


def enable(user: Name, profile: Profile = None, url: Url = None) -> int:
    """Let a user who was disabled log in again."""
    show(f"{ask(url, profile, lambda people: people.enable(user)).user} is active")
    return 0


def remove(user: Name, profile: Profile = None, url: Url = None) -> int:
    """Remove a user for good.

    What is theirs stays: its owner shows as # and a number, and an administrator can give it to somebody
    else (cairn chown). The name is free again. Who is to come back later is better disabled.
    """
    gone = ask(url, profile, lambda people: people.remove_user(user))
    show(f"removed {user}; what was theirs is owned by {gone.user}")
    return 0


VERBS = {
    "list": list_all,
    "show": show_one,
    "role": role,
    "disable": disable,
    "enable": enable,
    "remove": remove,
}


def _document(one: UserInfo) -> dict[str, Any]:
    return {
        "user": one.user,
        "user_id": one.user_id,
        "role": one.role,
        "state": one.state,
        "user_groups": one.user_groups,
        "home": one.home,
        "created_at": moment_rfc3339(one.created_at_us),
    }
