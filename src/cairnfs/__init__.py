"""Cairn, a transactional distributed filesystem.

This module is the public face of the package: what a user of the library imports, and nothing
else. The rooms below it are internal and may change from one version to the next.

    import cairnfs

    with cairnfs.connect() as files:
        files.write_file("/home/ann/notes.txt", b"hello")
        print(files.read_file("/home/ann/notes.txt"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cairnfs import errors
from cairnfs.errors import CairnError

if TYPE_CHECKING:
    from cairnfs.client.filesystem import Filesystem
    from cairnfs.client.sync import Client

__version__ = "0.1.0"
__all__ = ["CairnError", "__version__", "connect", "connect_async", "errors"]


def connect(
    profile: str | None = None,
    *,
    url: str | None = None,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
) -> Client:
    """A synchronous client of a cluster.

    With nothing given it is the saved profile's (`cairn login`, or the first `cairn up`); `profile` names
    another one. `user` and `password` log in at once and save nothing; `token` is an access token, used as
    it is. `url` (http://host:port) is where the cluster is, if not where the profile says; `CAIRN_URL` and
    `CAIRN_TOKEN` in the environment stand in for both. Raises Unauthenticated where nobody is logged in,
    BadCredentials, Unreachable; otherwise the cluster is first asked by the first verb.
    """
    from cairnfs.client import connecting
    from cairnfs.client.sync import Client

    client = Client(lambda: connecting.connect(profile, url=url, user=user, password=password, token=token))
    client.inside()
    return client


async def connect_async(
    profile: str | None = None,
    *,
    url: str | None = None,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
) -> Filesystem:
    """The asynchronous filesystem of a cluster, for the running event loop; see `connect`."""
    from cairnfs.client import connecting

    return await connecting.connect(profile, url=url, user=user, password=password, token=token)
