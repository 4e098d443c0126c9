"""Which cluster a command speaks to, and as whom.

What belongs here: from `--url`, `--profile` and the environment to a client. What does not: how a
client finds its way after that. One thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cairnfs.cli.options import checked_wait
from cairnfs.errors import BadRequest

if TYPE_CHECKING:
    from cairnfs.client.profile import Profile
    from cairnfs.client.sync import Client

DEFAULT_URL = "http://127.0.0.1:7070"


def client(url: str | None, profile: str | None) -> Client:
    """The client of the saved login. Raises Unauthenticated where there is none."""
    import cairnfs

    return cairnfs.connect(profile_name(profile), url=given_url(url))


@contextmanager
def writing(url: str | None, profile: str | None, wait: float | None) -> Iterator[Client]:
    """The client of the saved login, whose commits wait for others' locks for so many seconds.

    Raises Unauthenticated where there is no login, BadRequest for what is no time to wait.
    """
    seconds = checked_wait(wait)
    with client(url, profile) as made:
        if seconds is None:
            yield made
        else:
            with made.waiting(seconds):
                yield made


def profile_name(given: str | None) -> str | None:
    """The saved login to use: the one named, else CAIRN_PROFILE's, else (None) the usual one."""
    return given or os.environ.get("CAIRN_PROFILE") or None


def given_url(given: str | None) -> str | None:
    """The address that was named, if one was; a bare host:port is meant as http. None: the login's.

    Raises BadRequest for what is no address.
    """
    from cairnfs.client.connecting import checked_url

    url = given or os.environ.get("CAIRN_URL") or None
    return None if url is None else checked_url(url)


def address(url: str | None, profile: str | None) -> str:
    """Where the cluster is that `client` speaks to; empty where none is known."""
    from cairnfs.client import profile as profiles

    named = given_url(url)
    if named is not None:
        return named
    saved = profiles.load(profile_name(profile))
    return saved.url if saved is not None else ""


def url_to_log_in_at(given: str | None, profile: str | None) -> str:
    """Where to sign up or log in: as named, else where the login is from, else this machine's cluster."""
    from cairnfs.local import cluster_file
    from cairnfs.local.paths import ClusterPlaces, places

    named = given_url(given)
    if named is not None:
        return named
    saved = last_login(profile) or last_login(None)
    if saved is not None:
        return saved.url
    try:
        here = cluster_file.load(ClusterPlaces(places().data).cluster_file)
    except OSError:
        here = None  # another user's cluster
    return here.url if here else DEFAULT_URL


def last_login(profile: str | None) -> Profile | None:
    """The saved login, for logging in anew: one that cannot be read is as good as none."""
    from cairnfs.client import profile as profiles

    try:
        return profiles.load(profile_name(profile))
    except BadRequest:
        return None
