"""People for synchronous callers: the verbs of `People`, waited for.

What belongs here: one line a verb. What does not: any verb's meaning. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable

from cairnfs.client.blocking import blocking
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.people import People
from cairnfs.client.portal import Portal


class SyncPeople:
    """Users, user groups and invitations of a cluster. See `People` for what each verb takes and raises."""

    def __init__(self, inside: Callable[[], tuple[Portal, Filesystem]]) -> None:
        """`inside` is the client's."""
        self._inside = inside

    def inside(self) -> tuple[Portal, People]:
        """This process's portal and the people on its loop."""
        through, filesystem = self._inside()
        return through, filesystem.people

    users = blocking(People.users)
    user = blocking(People.user)
    set_role = blocking(People.set_role)
    disable = blocking(People.disable)
    enable = blocking(People.enable)
    remove_user = blocking(People.remove_user)
    user_groups = blocking(People.user_groups)
    user_group = blocking(People.user_group)
    create_user_group = blocking(People.create_user_group)
    change_user_group = blocking(People.change_user_group)
    remove_user_group = blocking(People.remove_user_group)
    invite = blocking(People.invite)
    join_token = blocking(People.join_token)
    invitations = blocking(People.invitations)
    revoke = blocking(People.revoke)
