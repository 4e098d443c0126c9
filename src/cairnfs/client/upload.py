"""An upload: chunks in, receipts out, for one commit.

Chunks go to the primaries of their groups, in bounded memory: `add` waits while too much is under
way. What fails at one member goes to the next; each answer is a receipt. What belongs here: the
chunks of one commit. What does not: where they come from (`writing.py`, `put_tree.py`) and the commit
itself (`commit.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from cairnfs.client.cluster import Cluster
from cairnfs.client.courier import Courier, Item, Plan, Refuse, worst
from cairnfs.client.results import Durability
from cairnfs.client.session import Hold
from cairnfs.client.transfer import Beat, Budget, ChunkPlane, upload_headers
from cairnfs.clock import Clock
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.errors import CairnError, NoSpace, TooFewCopies
from cairnfs.ids import FileserverId, Hash
from cairnfs.wire.chunks import MAP_HEADER
from cairnfs.wire.commits import Receipt

#: A put in which nothing moves for so long is tried at another member as well.
STALL_S = 2.5


class Upload:
    """The chunks of one commit on their way. Close it in any case."""

    def __init__(
        self,
        plane: ChunkPlane,
        cluster: Cluster,
        hold: Hold,
        budget: Budget,
        *,
        clock: Clock,
        durability: Durability,
    ) -> None:
        """`hold` is released by whoever took it, after the commit."""
        self.hold = hold
        self.sent_bytes = 0
        self._plane = plane
        self._cluster = cluster
        self._budget = budget
        self._headers = upload_headers(hold.session, hold.begin, durability)
        self._receipts: list[Receipt] = []
        self._taken: set[Hash] = set()
        self._open: set[Item[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failure: CairnError | None = None
        plan = Plan(self._exchange, cluster.to_write, _verdict, STALL_S)
        self._courier = Courier(plan, cluster, clock)
        hold.when_ended(self._fail)

    async def add(self, chunk: Chunk, content: bytes) -> None:
        """Take a chunk on; returns when there is room for the next. Raises what stopped the upload.

        A hole is sent to nobody.
        """
        self._check()
        if chunk.hash == HOLE or chunk.hash in self._taken:
            return
        self._taken.add(chunk.hash)
        await self._budget.take(chunk.size)
        item: Item[None] = Item(chunk.hash, chunk.size, content)
        self._open.add(item)
        self._idle.clear()
        item.result.add_done_callback(lambda _: self._settled(item))
        if self._failure is not None:
            item.result.cancel()
        self._check()
        self._courier.carry(item)

    async def finish(self) -> list[Receipt]:
        """Wait until every chunk is durable; give the receipts. Raises what stopped the upload."""
        await self._idle.wait()
        self._check()
        return self._receipts

    async def close(self) -> None:
        """Stop what is still under way."""
        for item in list(self._open):
            item.result.cancel()
        await self._courier.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: CairnError) -> None:
        self._failure = self._failure or error
        for item in list(self._open):
            item.result.cancel()
        self._idle.set()

    def _settled(self, item: Item[None]) -> None:
        self._open.discard(item)
        self._budget.give(item.size)
        if not item.result.cancelled():
            error = item.result.exception()
            if isinstance(error, CairnError):
                self._fail(error)
        if not self._open:
            self._idle.set()

    async def _exchange(
        self, address: str, items: Sequence[Item[None]], refuse: Refuse[None], beat: Beat
    ) -> None:
        await self.hold.ready()
        sent = [item for item in items if item.open]
        headers = {**self._headers, MAP_HEADER: str(self._cluster.map_version)}
        reply = await self._plane.put(address, [(item.chunk, item.content) for item in sent], headers, beat)
        self._receipts.append(reply.receipt)
        self.sent_bytes += sum(item.size for item in sent)
        short = set(reply.short)
        for item in sent:
            if item.chunk in short:
                refuse(item, TooFewCopies("fewer fileservers than asked for hold the chunk"))
            elif item.open:
                item.result.set_result(None)


def _verdict(failures: Mapping[FileserverId, CairnError]) -> CairnError:
    """Where full disks are all that stands in the way, waiting does not help."""
    full = [error for error in failures.values() if isinstance(error, NoSpace)]
    if full and all(isinstance(error, NoSpace | TooFewCopies) for error in failures.values()):
        return full[0]
    return worst(failures)
