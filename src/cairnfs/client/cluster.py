"""What this client knows of the cluster: the map, and which fileservers to avoid for a while.

The map is fetched when first needed, again when something went wrong that it may explain, and when
it has grown old. A fileserver that failed or was slow is asked last for some seconds: a local
matter, nobody is told. What belongs here: in which order to try the members of a chunk's group.
Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cairnfs.client.control import Control
from cairnfs.core.placement import group_of, read_order, read_seed
from cairnfs.errors import CairnError, ForeignCluster, Unavailable
from cairnfs.ids import FileserverId, Hash
from cairnfs.wire import endpoints
from cairnfs.wire.cluster import ClusterMap, FileserverInfo

AVOID_S = 5.0
MAP_AGE_MOST_S = 30.0
#: However much goes wrong, the map is not fetched more often.
MAP_AGE_LEAST_S = 0.2


class Cluster:
    """The members of groups and how they fare."""

    def __init__(self, control: Control, cluster_id: str | None = None) -> None:
        """`cluster_id`, where it is known, must be the map's, else loading it raises ForeignCluster."""
        self._control = control
        self._clock = control.clock
        self._cluster_id = cluster_id
        self._map: ClusterMap | None = None
        self._servers: dict[int, FileserverInfo] = {}
        self._fetched = 0.0
        self._fetching = asyncio.Lock()
        self._avoid: dict[int, float] = {}

    async def load(self, *, stale: bool = False) -> None:
        """See that a map is here; with `stale`, a newer one than the one in use now."""
        seen = self._fetched
        if self._map is not None and self._clock.monotonic() - seen < (
            MAP_AGE_LEAST_S if stale else MAP_AGE_MOST_S
        ):
            return
        async with self._fetching:
            if self._map is not None and self._fetched != seen:
                return
            await self._fetch()

    async def look_again(self) -> None:
        """Fetch a newer map if that can be done; failing to is no news."""
        try:
            await self.load(stale=True)
        except CairnError:
            return

    async def _fetch(self) -> None:
        began = self._clock.monotonic()
        try:
            latest = await self._control.ask(
                endpoints.CLUSTER_MAP, timeout_s=None if self._map is None else 5.0
            )
        except Unavailable:
            if self._map is None:
                raise
            # The old map may well do; whoever uses it learns soon if it does not.
            self._fetched = began
            return
        if self._cluster_id is not None and latest.cluster_id != self._cluster_id:
            raise ForeignCluster(
                f"the cluster at {self._control.origin} is not the one that was logged in to",
                hint="log in anew: cairn login",
            )
        self._cluster_id = latest.cluster_id
        self._map = latest
        self._servers = {server.id: server for server in latest.fileservers}
        self._fetched = began

    @property
    def known(self) -> bool:
        """Whether there is a map, old or new."""
        return self._map is not None

    @property
    def fresh(self) -> bool:
        """Whether there is a map that need not be fetched again yet."""
        return self._map is not None and self._clock.monotonic() - self._fetched < MAP_AGE_MOST_S

    @property
    def cluster_id(self) -> str | None:
        """Which cluster it is; None where that is not known before there is a map."""
        return self._cluster_id

    @property
    def map_version(self) -> int:
        """The version of the map in use; 0 before there is one."""
        return 0 if self._map is None else self._map.version

    def server(self, fileserver: FileserverId) -> FileserverInfo | None:
        """A fileserver's address and state, as the map knows it."""
        return self._servers.get(fileserver)

    def to_write(self, chunk: Hash) -> list[FileserverId]:
        """The members that may take the chunk: the primary, then the others, doubtful ones last."""
        members = self._members(chunk)
        return sorted(members, key=lambda member: self._doubt(member, writing=True))

    def to_read(self, chunk: Hash) -> list[FileserverId]:
        """The members that may have the chunk: secondaries first, doubtful ones last."""
        members = self._members(chunk)
        if not members:
            return []
        return sorted(
            read_order(members, seed=read_seed(chunk)), key=lambda member: self._doubt(member, writing=False)
        )

    def members(self, chunk: Hash) -> tuple[int, ...]:
        """The members of the chunk's group, the primary first, whatever is thought of them just now."""
        return tuple(self._members(chunk))

    def avoid(self, fileserver: FileserverId) -> None:
        """It failed or was slow just now."""
        self._avoid[fileserver] = self._clock.monotonic() + AVOID_S

    def _members(self, chunk: Hash) -> Sequence[FileserverId]:
        assert self._map is not None, "load() comes first"
        return [FileserverId(member) for member in self._map.groups[group_of(chunk)]]

    def _doubt(self, member: FileserverId, *, writing: bool) -> int:
        server = self._servers.get(member)
        if server is None:
            return 4
        if self._avoid.get(member, 0.0) > self._clock.monotonic():
            return 3
        worse = {"up": 0, "full": 2 if writing else 0, "suspect": 1, "down": 2}
        return worse[server.state]
