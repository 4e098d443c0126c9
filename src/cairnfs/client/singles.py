"""Small files on their way: the one chunk of each, together with those of other writers of this client.

Who writes one file after the other sends each by itself. Where several do so at once, what waits for one
fileserver goes in one request, and its receipt is each one's. What belongs here: that. What does not: files
of several chunks and trees (`upload.py`), the commit (`commit.py`, which gathers too). Used from one event
loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cairnfs.client.cluster import Cluster
from cairnfs.client.courier import Courier, Exchange, Item, Plan, Refuse
from cairnfs.client.results import Durability
from cairnfs.client.session import Hold
from cairnfs.client.transfer import Beat, Budget, ChunkPlane, upload_headers
from cairnfs.client.upload import STALL_S, verdict
from cairnfs.clock import Clock
from cairnfs.core.manifest import Chunk
from cairnfs.errors import SessionEnded, TooFewCopies
from cairnfs.wire.chunks import MAP_HEADER
from cairnfs.wire.commits import Receipt

#: Of more bytes than this, waiting for others would gain nothing.
SINGLE_BYTES = 64 * 1024


#: Of which session, and with which durability.
_Way = tuple[str, Durability]


class _Single(Item[Receipt]):
    """A chunk, and the commit number at which its upload began."""

    def __init__(self, chunk: Chunk, content: bytes, begin: int) -> None:
        super().__init__(chunk.hash, chunk.size, content)
        self.begin = begin


class Singles:
    """Sends single chunks under the session of the moment."""

    def __init__(self, plane: ChunkPlane, cluster: Cluster, budget: Budget, *, clock: Clock) -> None:
        self._plane = plane
        self._cluster = cluster
        self._budget = budget
        self._clock = clock
        self._couriers: dict[_Way, Courier[Receipt]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, hold: Hold, chunk: Chunk, content: bytes, durability: Durability) -> Receipt:
        """Have the chunk stored; the receipt counts with the hold's session.

        The cluster's map must have been loaded. Raises what stopped it, SessionEnded among others.
        """
        await hold.ready()
        await self._budget.take(chunk.size)
        item = _Single(chunk, content, hold.begin)

        def ended(error: SessionEnded) -> None:
            if item.open:
                item.result.set_exception(error)

        hold.when_ended(ended)
        try:
            self._courier((hold.session, durability)).carry(item)
            return await item.result
        finally:
            item.result.cancel()
            self._budget.give(chunk.size)

    async def close(self) -> None:
        """Stop what is under way."""
        self._let_go(keep="")
        await asyncio.gather(*self._closing)

    def _courier(self, way: _Way) -> Courier[Receipt]:
        """Receipts are bound to a session, and what is asked for is said of a whole request."""
        if way not in self._couriers:
            self._let_go(keep=way[0])
            plan = Plan(self._exchange(*way), self._cluster.to_write, verdict, STALL_S)
            self._couriers[way] = Courier(plan, self._cluster, self._clock)
        return self._couriers[way]

    def _let_go(self, keep: str) -> None:
        """Sessions come one after the other: those before this one are over."""
        for way in [way for way in self._couriers if way[0] != keep]:
            closing = asyncio.create_task(self._couriers.pop(way).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _exchange(self, session: str, durability: Durability) -> Exchange[Receipt]:
        async def exchange(
            address: str, items: Sequence[Item[Receipt]], refuse: Refuse[Receipt], beat: Beat
        ) -> None:
            sent = [item for item in items if isinstance(item, _Single) and item.open]
            if not sent:
                return
            # The least of all is needed still by who began there: so it protects each of them.
            begin = min(item.begin for item in sent)
            headers = {
                **upload_headers(session, begin, durability),
                MAP_HEADER: str(self._cluster.map_version),
            }
            frames = [(item.chunk, item.content) for item in sent]
            reply = await self._plane.put(address, frames, headers, beat)
            short = set(reply.short)
            for item in sent:
                if item.chunk in short:
                    refuse(item, TooFewCopies("fewer fileservers than asked for hold the chunk"))
                elif item.open:
                    item.result.set_result(reply.receipt)

        return exchange
