"""`cairn logout`."""

from __future__ import annotations

from cairnfs.cli import connection
from cairnfs.cli.options import Profile
from cairnfs.cli.output import show


def command(profile: Profile = None) -> int:
    """Forget the saved login, here and in the cluster."""
    from cairnfs.client import account
    from cairnfs.client import profile as profiles

    name = connection.profile_name(profile)
    saved = profiles.load(name)
    if saved is None:
        show("nobody was logged in")
        return 0
    account.logout(profile=name)
    show(f"logged out {saved.user} at {saved.url}")
    return 0
