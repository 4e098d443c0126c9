"""The fileserver put together: store, membership, endpoints.

What belongs here: composition and the order of starting and stopping. What does not: any rule. The
caller serves `asgi` first, so that the address that is registered answers; until the directory is
claimed and the store open, requests get "unavailable". One event loop.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cairnfs.clock import Clock
from cairnfs.errors import Conflict, ForeignCluster, NoSpace
from cairnfs.fileserver import trouble
from cairnfs.fileserver.disk import Disk, RealDisk
from cairnfs.fileserver.intake import Intake
from cairnfs.fileserver.join import Place, enrol
from cairnfs.fileserver.membership import Load, Membership
from cairnfs.fileserver.put import Putting
from cairnfs.fileserver.reading import Reading
from cairnfs.fileserver.store import Options, Store
from cairnfs.fileserver.writer import Writer
from cairnfs.ids import ClusterId
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.serving import application
from cairnfs.net.transport import Transport
from cairnfs.wire import endpoints

READERS = 4
#: So long a stop waits for copies that answered puts left on their way.
DRAIN_S = 3.0


class FileserverApp:
    """One fileserver. `asgi` is what to serve; `start` and `stop` bracket its life."""

    def __init__(
        self,
        place: Place,
        *,
        control: str,
        transport: Transport,
        clock: Clock,
        disk: Disk | None = None,
        options: Options | None = None,
    ) -> None:
        """`control` is the control plane's origin; `transport` reaches it and the other members."""
        self._place = place
        self._clock = clock
        self._disk = disk or RealDisk()
        self._options = options
        self._store: Store | None = None
        self._writer: Writer | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._intake = Intake(self._readers, clock)
        self.membership = Membership(place, control, transport, clock, self._load)
        self._putting = Putting(self._intake, self.membership, clock)
        reading = Reading(self._intake, self.membership)
        self.asgi: ASGIApp = application(
            endpoints=endpoints.FILESERVER,
            frames={
                endpoints.PUT_CHUNKS.name: self._putting.put,
                endpoints.FORWARD_CHUNKS.name: self._putting.forward,
                endpoints.GET_CHUNKS.name: reading.get,
            },
            handlers={
                endpoints.INVENTORY.name: reading.inventory,
                endpoints.FETCH_CHUNKS.name: reading.fetch,
            },
            authenticate=self.membership.authenticate,
            clock=clock,
            title="Cairn fileserver",
        )

    async def start(self, join_token: str | None = None) -> None:
        """Join if new, open the store, register. Returns when the cluster knows this start.

        Raises JoinRefused, ForeignCluster, Conflict (another process has the directory), NoSpace.
        """
        own = await enrol(self._place, self.membership.anonymous, self._clock, self._disk, join_token)
        try:
            self._store = await asyncio.to_thread(self._open, ClusterId(own.cluster_id))
        except trouble.StoreLocked as error:
            raise Conflict(str(error), hint="stop the other fileserver first") from error
        except trouble.StoreFull as error:
            raise NoSpace(str(error)) from error
        except trouble.ForeignDirectory as error:
            raise ForeignCluster(str(error)) from error
        self._writer = Writer(self._store)
        self._intake.attach(self._store, self._writer)
        self.membership.begin(own, self._store.boot_id)
        await self.membership.register()

    def _open(self, cluster: ClusterId) -> Store:
        return Store.open(self._place.directory, cluster_id=cluster, disk=self._disk, options=self._options)

    async def stop(self, *, drain_s: float = DRAIN_S) -> None:
        """Let copies on their way arrive, stop the heartbeat, finish what was accepted, close the store."""
        await self._putting.drain(drain_s)
        await self.membership.stop()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._readers.shutdown()
        if self._store is not None:
            self._store.close()

    def _load(self) -> Load:
        assert self._store is not None
        stats = self._store.stats()
        full = self._intake.full(stats.free_bytes, stats.total_bytes)
        return Load(stats.chunk_bytes, stats.free_bytes, stats.chunks, full)
