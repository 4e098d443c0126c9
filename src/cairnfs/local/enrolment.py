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
from cairnfs.local.cluster_file import ClusterFile
from cairnfs.local.paths import ClusterPlaces

if TYPE_CHECKING:
    from cairnfs.client.profile import Profile
    from cairnfs.client.sync import Client


def enrol(places: ClusterPlaces, cluster: ClusterFile, tell: Callable[[str], None]) -> str | None:
    """Make the first administrator if there is none yet, and a profile if there is none.

    The user whose profile was saved; None if nothing had to be. May be killed between any two
    lines: the password is on disk before the cluster hears of it, and the next call logs in with it.
    """
    from cairnfs.client import account, profile

    secret = administrator.first_secret(places)
    known = administrator.load(places)
    before = profile.load()
    if secret is not None:
        known = known or administrator.invent(places)
        # Refused: it was made by an `up` that was killed before it heard the answer.
        with suppress(Denied, Exists):
            account.signup(cluster.url, known.name, known.password, invitation=secret)
    entered = profile.load()
    # Until the first run has come to its end, the login is to be the new administrator's.
    if known is not None and not (entered and (cluster.welcomed or _is(entered, known, cluster))):
        try:
            entered = account.login(cluster.url, known.name, known.password)
        except BadCredentials:
            tell(f"the password in {places.administrator} is out of date; log in with: cairn login")
    if before is not None and entered is not None and before.url != entered.url:
        tell(
            f"your saved login was {before.user} at {before.url}; "
            f"to return there: cairn login {before.user} --url {before.url}"
        )
    return entered.user if entered is not None and entered != before else None


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


def _is(entered: Profile, known: Administrator, cluster: ClusterFile) -> bool:
    return (entered.url, entered.user) == (cluster.url, known.name)
