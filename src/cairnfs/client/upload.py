"""An upload: chunks in, receipts out, for one commit.

Chunks go to the primaries of their groups, in bounded memory: `add` waits while too much is under
way. Small ones that go the same way wait for each other and are one parcel from then on, so that each
costs little. What fails at one member goes to the next; each answer is a receipt. What belongs here: the
chunks of one commit. What does not: where they come from (`writing.py`, `put/tree.py`) and the commit
itself (`commit.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

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
#: A chunk of more bytes goes by itself.
_SMALL_BYTES = 128 * 1024
#: A parcel is on its way with so many chunks or bytes; so many are being filled at once.
_PARCEL_CHUNKS = 256
_PARCEL_BYTES = 1024 * 1024
_PARCELS_MAX = 8


class _Parcel(Item[None]):
    """Chunks that go together: one, or small ones whose groups have the same members in the same order."""

    def __init__(self, chunk: Hash, size: int, content: bytes) -> None:
        super().__init__(chunk, size)
        self.frames = [(chunk, content)]

    def put(self, chunk: Hash, size: int, content: bytes) -> None:
        """One chunk more."""
        self.frames.append((chunk, content))
        self.size += size
        self.count += 1

    @property
    def full(self) -> bool:
        """Whether it is worth a request."""
        return self.count >= _PARCEL_CHUNKS or self.size >= _PARCEL_BYTES


class Durable:
    """Chunks that became durable, with the receipts that prove it."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.receipts: list[Receipt] = []
        self.size = 0

    def add(self, chunks: Iterable[tuple[Hash, int]], receipt: Receipt) -> None:
        """These are, as this receipt says."""
        for digest, size in chunks:
            self.chunks.append(Chunk(digest, size))
            self.size += size
        self.receipts.append(receipt)


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
        #: Gathers what became durable, where somebody wants it.
        self.durable: Durable | None = None
        self._plane = plane
        self._cluster = cluster
        self._budget = budget
        self._headers = upload_headers(hold.session, hold.begin, durability)
        self._receipts: list[Receipt] = []
        self._taken: set[Hash] = set()
        self._open: set[_Parcel] = set()
        self._filling: dict[tuple[FileserverId, ...], _Parcel] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._failure: CairnError | None = None
        plan = Plan(self._exchange, cluster.to_write, verdict, STALL_S)
        self._courier = Courier(plan, cluster, clock)
        hold.when_ended(self._fail)

    async def add(self, chunk: Chunk, content: bytes) -> None:
        """Take a chunk on; returns when there is room for the next. Raises what stopped the upload.

        A hole is sent to nobody.
        """
        self._check()
        digest, size = chunk
        if digest == HOLE or digest in self._taken:
            return
        self._taken.add(digest)
        if not self._budget.try_take(size):
            # What waits for more of its kind holds some of what is to become free.
            self._dispatch()
            await self._budget.take(size)
        if size > _SMALL_BYTES:
            self._carry(_Parcel(digest, size, content))
        else:
            way = tuple(self._cluster.to_write(digest))
            parcel = self._filling.get(way)
            if parcel is not None:
                parcel.put(digest, size, content)
            else:
                self._filling[way] = parcel = _Parcel(digest, size, content)
                self._open.add(parcel)
                self._idle.clear()
            if parcel.full:
                self._carry(self._filling.pop(way))
            elif len(self._filling) > _PARCELS_MAX:
                self._carry(self._filling.pop(next(iter(self._filling))))
        self._check()

    def _dispatch(self) -> None:
        """Send what waits for more of its kind."""
        parcels = list(self._filling.values())
        self._filling.clear()
        for parcel in parcels:
            self._carry(parcel)

    def _carry(self, parcel: _Parcel) -> None:
        self._open.add(parcel)
        self._idle.clear()
        parcel.result.add_done_callback(lambda _: self._settled(parcel))
        if self._failure is not None:
            parcel.result.cancel()
        else:
            self._courier.carry(parcel)

    async def finish(self) -> list[Receipt]:
        """Wait until every chunk is durable; give the receipts. Raises what stopped the upload."""
        self._dispatch()
        await self._idle.wait()
        self._check()
        return self._receipts

    async def close(self) -> None:
        """Stop what is still under way."""
        self._dispatch()
        for parcel in list(self._open):
            parcel.result.cancel()
        await self._courier.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: CairnError) -> None:
        self._failure = self._failure or error
        self._dispatch()
        for parcel in list(self._open):
            parcel.result.cancel()
        self._idle.set()

    def _settled(self, parcel: _Parcel) -> None:
        self._open.discard(parcel)
        self._budget.give(parcel.size)
        parcel.frames = []
        if not parcel.result.cancelled():
            error = parcel.result.exception()
            if isinstance(error, CairnError):
                self._fail(error)
        if not self._open:
            self._idle.set()

    async def _exchange(
        self, address: str, items: Sequence[Item[None]], refuse: Refuse[None], beat: Beat
    ) -> None:
        await self.hold.ready()
        sent = [item for item in items if isinstance(item, _Parcel) and item.open]
        headers = {**self._headers, MAP_HEADER: str(self._cluster.map_version)}
        frames = [frame for parcel in sent for frame in parcel.frames]
        reply = await self._plane.put(address, frames, headers, beat)
        self._receipts.append(reply.receipt)
        self.sent_bytes += sum(parcel.size for parcel in sent)
        short = set(reply.short)
        if self.durable is not None:
            done = ((chunk, len(content)) for chunk, content in frames if chunk not in short)
            self.durable.add(done, reply.receipt)
        for parcel in sent:
            if short and any(chunk in short for chunk, _ in parcel.frames):
                refuse(parcel, TooFewCopies("fewer fileservers than asked for hold the chunk"))
            elif parcel.open:
                parcel.result.set_result(None)


def verdict(failures: Mapping[FileserverId, CairnError]) -> CairnError:
    """Where full disks are all that stands in the way, waiting does not help."""
    full = [error for error in failures.values() if isinstance(error, NoSpace)]
    if full and all(isinstance(error, NoSpace | TooFewCopies) for error in failures.values()):
        return full[0]
    return worst(failures)
