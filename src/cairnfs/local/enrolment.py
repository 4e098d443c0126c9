"""How whoever runs `up` gets into the cluster: as its first administrator, or as who they are.

What belongs here: making the first administrator, saving a profile where none is there, a client
with the administrator's rights. What does not: how a login works (`client.account`). One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cairnfs.errors import BadCredentials, Denied, Exists, Unauthenticated
from cairnfs.local import administrator
from cairnfs.local.administrator import Administrator
from cairnfs.local.paths import ClusterPlaces

if TYPE_CHECKING:
    from cairnfs.client.sync import Client


def enrol(places: ClusterPlaces, url: str, tell: Callable[[str], None]) -> str | None:
    """Make the first administrator if there is none yet, and a profile if there is none.

    The user whose profile was saved; None if nothing had to be. May be killed between any two
    lines: the password is on disk before the cluster hears of it, and the next call logs in with it.
    """
    from cairnfs.client import account, profile

    secret = administrator.first_secret(places)
    known = administrator.load(places)
    if secret is not None:
        known = known or administrator.invent(places)
        if _sign_up(url, known, secret, tell):
            return known.name
    # With the secret still there, an `up` was killed in the middle of its first run: finish that.
    if known is None or (secret is None and profile.load() is not None):
        return None
    try:
        account.login(url, known.name, known.password)
    except BadCredentials:
        tell(f"{places.administrator} holds a password that is out of date; log in with: cairn login")
        return None
    return known.name


def _sign_up(url: str, new: Administrator, secret: str, tell: Callable[[str], None]) -> bool:
    """Whether the administrator was made now, and the profile saved."""
    from cairnfs.client import account, profile

    before = profile.load()
    try:
        account.signup(url, new.name, new.password, invitation=secret)
    except (Denied, Exists):
        return False  # made already by an `up` that was killed before it heard the answer
    if before is not None:
        tell(f"the saved login is now {new.name} at {url}; it was {before.user} at {before.url}")
    return True


def administrators_client(places: ClusterPlaces, url: str) -> Client | None:
    """A client with an administrator's rights, or with the saved profile's; None without either."""
    known = administrator.load(places)
    if known is not None:
        # Its password may have been changed since: then the profile has to do.
        with suppress(BadCredentials):
            return _client(url, known.name, known.password)
    with suppress(Unauthenticated):
        return _client(url)
    return None


def _client(url: str, user: str | None = None, password: str | None = None) -> Client:
    from cairnfs.client import connecting
    from cairnfs.client.sync import Client

    client = Client(lambda: connecting.connect(url=url, user=user, password=password))
    client.inside()
    return client
