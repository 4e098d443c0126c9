"""One caller's connection to a cluster: what all verbs share.

What belongs here: putting the parts together, and their end. What does not: verbs.
Used from one event loop; after a fork, a new process needs a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as LocalDirectory
from typing import Protocol

from cairnfs.client.cache.directory import CacheSettings
from cairnfs.client.cluster import Cluster
from cairnfs.client.control import Control
from cairnfs.client.credentials import TokenSource
from cairnfs.client.download import Downloads
from cairnfs.client.locks.desk import Desk
from cairnfs.client.policies import Policies
from cairnfs.client.results import Durability
from cairnfs.client.retry import Patience
from cairnfs.client.session import Hold, Sessions
from cairnfs.client.singles import Singles
from cairnfs.client.transfer import Budget, ChunkPlane
from cairnfs.client.upload import Upload
from cairnfs.clock import Clock
from cairnfs.net.transport import Transport


class Connection:
    """The parts of a client of the cluster whose control plane is at `origin`."""

    def __init__(
        self,
        transport: Transport,
        origin: str,
        *,
        clock: Clock,
        tokens: TokenSource,
        cluster_id: str | None = None,
        label: str = "",
        budget: Budget | None = None,
        patience: Patience | None = None,
        cache: CacheSettings | None = None,
    ) -> None:
        """`label` tells people who look at sessions what this one is. A `budget` may be shared by several.

        `cache` says where chunks are kept on this machine; without it they are not kept.
        """
        self.clock = clock
        self.transport = transport
        self.control = Control(transport, origin, clock=clock, tokens=tokens, patience=patience)
        self.cluster = Cluster(self.control, cluster_id)
        self.plane = ChunkPlane(transport, clock, tokens)
        self.sessions = Sessions(self.control, label)
        self.locks = Desk(self.control, self.sessions)
        self.control.locks.desk = self.locks
        self.policies = Policies(self.control)
        self.budget = budget or Budget()
        #: Where notes of unfinished puts are kept on this machine; without it there are none.
        self.notes: LocalDirectory | None = None
        self.singles = Singles(self.plane, self.cluster, self.budget, clock=clock)
        self.downloads = Downloads(self.plane, self.cluster, self.budget, clock=clock, cache=cache)

    @asynccontextmanager
    async def upload(self, durability: Durability) -> AsyncIterator[Upload]:
        """An upload under a hold on the session; what is unfinished at the end of the body is given up."""
        hold = await self.begin_upload()
        upload = Upload(self.plane, self.cluster, hold, self.budget, clock=self.clock, durability=durability)
        try:
            yield upload
        finally:
            await upload.close()
            hold.release()

    async def begin_upload(self) -> Hold:
        """A hold on the session for chunks that are sent from now on, whose members are known then."""
        if not self.cluster.known:
            # Two questions that do not wait for each other, the first time.
            await asyncio.gather(self.sessions.begin(), self.cluster.load())
        await self.cluster.load()
        return await self.sessions.hold()

    async def close(self) -> None:
        """End the session and what is under way: it and all that comes later raises BadRequest.

        The transport is the owner's to close.
        """
        await self.singles.close()
        await self.downloads.close()
        await self.locks.close()
        await self.sessions.close()
        self.control.closed = True


class Connected(Protocol):
    """What has a connection: `Filesystem`, whose verbs are functions of one of these."""

    @property
    def connection(self) -> Connection:
        """Of one caller to one cluster."""
        ...
