"""How a fileserver comes into its cluster: once by a join token, at every later start by what it kept.

What belongs here: the join, and waiting for a control plane that is away. What does not: life as a
member (`membership.py`). It refuses another cluster before anything of the directory is served.
One event loop.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from cairnfs.clock import Clock
from cairnfs.errors import CairnError, ForeignCluster, JoinRefused
from cairnfs.fileserver import credentials, identity
from cairnfs.fileserver.credentials import Credentials
from cairnfs.fileserver.disk import Disk
from cairnfs.fileserver.trouble import ForeignDirectory
from cairnfs.ids import ClusterId, FileserverId
from cairnfs.net.calls import Calls
from cairnfs.wire import endpoints
from cairnfs.wire.auth import KeysReply
from cairnfs.wire.cluster import JoinRequest

log = structlog.get_logger("cairnfs.fileserver")
R = TypeVar("R")

CREDENTIALS = "credentials.json"
CALL_TIMEOUT_S = 5.0
PAUSE_FIRST_S = 0.05
PAUSE_MAX_S = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fileserver is: its directory, its address (base URL), its zone."""

    directory: Path
    address: str
    zone: str = ""


async def patiently(clock: Clock, step: Callable[[], Awaitable[R]]) -> R:
    """Do a step; as long as the control plane is away, again after a growing, jittered pause."""
    pause_s = PAUSE_FIRST_S
    while True:
        try:
            return await step()
        except CairnError as error:
            if not error.retryable:
                raise
            log.info("waiting for the control plane", error=str(error))
        await clock.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 -- spreads load, hides nothing
        pause_s = min(PAUSE_MAX_S, pause_s * 2)


async def enrol(
    place: Place, control: Calls, clock: Clock, disk: Disk, join_token: str | None
) -> Credentials:
    """Who this fileserver is, joining first if it is new. The directory is claimed afterwards.

    Raises JoinRefused without a token that works; ForeignCluster where the directory belongs to
    another cluster.
    """
    kept = credentials.load(place.directory / CREDENTIALS, Credentials)
    if kept is None:
        if identity.read_identity(place.directory, disk) is not None:
            raise ForeignCluster(
                "the directory belongs to a fileserver, but its credentials are not there",
                hint=f"restore {CREDENTIALS}, or give this fileserver an empty directory",
            )
        kept = await patiently(clock, lambda: _join(place, control, join_token))
        credentials.save(place.directory / CREDENTIALS, kept)
    try:
        identity.claim(place.directory, ClusterId(kept.cluster_id), FileserverId(kept.fileserver), disk)
    except ForeignDirectory as error:
        raise ForeignCluster(str(error), hint="give each fileserver its own directory") from error
    return kept


def require_same_cluster(keys: KeysReply, own: Credentials) -> None:
    """Raise ForeignCluster unless the control plane that answers is the own cluster's."""
    if keys.cluster_id != own.cluster_id:
        raise ForeignCluster(
            f"this directory belongs to cluster {own.cluster_id[:8]}, "
            f"the control plane to {keys.cluster_id[:8]}",
            hint="give this fileserver its own cluster's address, or another directory",
        )


async def _join(place: Place, control: Calls, join_token: str | None) -> Credentials:
    if join_token is None:
        raise JoinRefused("a new fileserver needs a join token", hint="set CAIRN_JOIN_TOKEN")
    place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    request = JoinRequest(join_token=join_token, address=place.address, boot="", zone=place.zone)
    reply = await control.call(endpoints.JOIN, request, timeout_s=CALL_TIMEOUT_S)
    log.info("joined", fileserver=reply.fileserver)
    return Credentials(reply.cluster_id, reply.fileserver, reply.receipt_key, reply.refresh_token)
