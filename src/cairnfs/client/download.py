"""Chunks by name: from the cache, else from any member that has them, each verified, many in one request.

What belongs here: fetching chunks and streaming runs of them in order with a bounded window. What
does not: which chunks a file has (`reading.py`), when the cache is asked (`cache/front.py`). Bytes that do
not have the hash asked for are never given to anyone. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from cairnfs.client.cache.directory import CacheSettings
from cairnfs.client.cache.front import CacheFront
from cairnfs.client.cache.store import Cache, stream_bytes
from cairnfs.client.cluster import Cluster
from cairnfs.client.courier import Courier, Item, Plan, Refuse, worst
from cairnfs.client.transfer import BATCH_BYTES, BATCH_CHUNKS, Beat, Budget, ChunkPlane
from cairnfs.client.workers import on_bytes
from cairnfs.clock import Clock
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes
from cairnfs.errors import CairnError, ChunkLost, ChunkMissing, ChunkNotYet
from cairnfs.ids import FileserverId, Hash
from cairnfs.wire.chunks import CHUNK, CORRUPT

#: A member that lets a read wait for so long is overtaken by the next one.
STALL_S = 0.5
#: How much of one stream is fetched ahead at most.
WINDOW_BYTES = 16 * 1024 * 1024
WINDOW_ENTRIES = 1024
#: Hashing this much is worth another thread: the interpreter is free meanwhile.
_LARGE_BYTES = 512 * 1024


#: A part of a file with its position: data, or the length of a hole.
Extent = tuple[int, bytes | int]


class _Ahead(NamedTuple):
    """A chunk of a stream that is being fetched; `counted` bytes of the budget are taken for it.

    There is nothing to fetch of a hole, and it counts for nothing.
    """

    at: int
    size: int
    counted: int
    content: asyncio.Future[bytes] | None


class _Single(Item[bytes]):
    """One chunk to be fetched; to be kept in the cache, or not."""

    def __init__(self, chunk: Chunk, keep: bool) -> None:
        super().__init__(chunk.hash, chunk.size)
        self.keep = keep

    def wanted(self) -> dict[Hash, int]:
        """What is still to come: hashes and sizes."""
        return {self.chunk: self.size}

    def take(self, digest: Hash, content: bytes) -> None:
        """It came, and is what it should be."""
        assert digest == self.chunk
        if self.open:
            self.result.set_result(content)


class _Parcel(Item[dict[Hash, bytes]]):
    """Many chunks whose groups have the same members. What one member lacks, the next ones are asked for."""

    keep = True

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        super().__init__(chunks[0].hash, sum(chunk.size for chunk in chunks))
        self.count = len(chunks)
        self._left = {chunk.hash: chunk.size for chunk in chunks}
        self._found: dict[Hash, bytes] = {}

    def wanted(self) -> dict[Hash, int]:
        """What is still to come: hashes and sizes."""
        return dict(self._left)

    def take(self, digest: Hash, content: bytes) -> None:
        """One came, and is what it should be."""
        if self.open and self._left.pop(digest, None) is not None:
            self._found[digest] = content
            if not self._left:
                self.result.set_result(self._found)


class Downloads:
    """Fetches chunks for all readers of one client, so that what they want of one server goes together."""

    def __init__(
        self,
        plane: ChunkPlane,
        cluster: Cluster,
        budget: Budget,
        *,
        clock: Clock,
        cache: CacheSettings | None = None,
    ) -> None:
        """`budget` bounds what all streams fetch ahead; the chunk that one waits for is never held back."""
        #: Chunk bytes that came from fileservers; see `cached_bytes` for the others.
        self.received_bytes = 0
        self._settings = None if cache is None or cache.off else cache
        self._front: CacheFront | None = None
        self._missed: list[_Single] = []
        self._carrying: asyncio.Task[None] | None = None
        self._plane = plane
        self._cluster = cluster
        self._budget = budget
        self._courier: Courier[Any] = Courier(
            Plan(self._exchange, cluster.to_read, _verdict, STALL_S), cluster, clock
        )

    @property
    def cached_bytes(self) -> int:
        """Chunk bytes that came from the cache."""
        return 0 if self._front is None else self._front.cached_bytes

    async def load(self) -> None:
        """To be awaited before fetching: see that the cache is at hand, or that the members are known."""
        if self.front is None:
            await self._cluster.load()

    @property
    def front(self) -> CacheFront | None:
        """The cache, if there is one; there is none before the cluster's id is known."""
        if self._front is None and self._settings is not None and self._cluster.cluster_id is not None:
            self._front = CacheFront(Cache(self._settings, self._cluster.cluster_id))
        return self._front

    def keeps(self, size: int) -> bool:
        """Whether a stream of so many bytes belongs in the cache; a long one passes it by."""
        if self._front is not None:
            return size <= self._front.cache.stream_bytes
        return self._settings is not None and size <= stream_bytes(self._settings.limit_bytes)

    def fetch(self, chunk: Chunk, *, keep: bool = True) -> asyncio.Future[bytes]:
        """Begin to fetch a chunk. Raises (later) ChunkNotYet, ChunkLost, and what all members refused.

        Without `keep` the cache is asked, but not changed in any way.
        """
        item = _Single(chunk, keep)
        if (front := self.front) is None:
            self._courier.carry(item)
        else:
            front.look(chunk, partial(self._looked, item), refresh=keep)
        return item.result

    def _looked(self, item: _Single, content: bytes | None) -> None:
        """The cache has answered; what it does not have goes to the members, together."""
        if content is not None:
            item.take(item.chunk, content)
        elif item.open and self._cluster.fresh:
            self._courier.carry(item)
        elif item.open:
            self._missed.append(item)
            if self._carrying is None or self._carrying.done():
                self._carrying = asyncio.create_task(self._carry())

    async def _carry(self) -> None:
        while self._missed:
            try:
                await self._cluster.load()
            except CairnError as error:
                missed, self._missed = self._missed, []
                for item in missed:
                    if item.open:
                        item.result.set_exception(error)
                return
            missed, self._missed = self._missed, []
            for item in missed:
                if item.open:
                    self._courier.carry(item)

    async def fetch_many(self, chunks: Iterable[Chunk]) -> dict[Hash, bytes]:
        """Many chunks at once, by hash, in few requests; holes are left out. Raises what `fetch` does.

        The caller bounds how many bytes that is.
        """
        found: dict[Hash, bytes] = {}
        await self.load()
        front = self.front
        if front is not None:
            chunks = list(chunks)
            found = await front.look_many(chunks)
            chunks = [chunk for chunk in chunks if chunk.hash not in found]
            if not chunks:
                return found
        await self._cluster.load()
        parcels = [_Parcel(part) for part in self._parts(chunks)]
        for parcel in parcels:
            self._courier.carry(parcel)
        try:
            for parcel in parcels:
                found |= await parcel.result
        finally:
            _drop(parcel.result for parcel in parcels)
        return found

    def _parts(self, chunks: Iterable[Chunk]) -> Iterable[Sequence[Chunk]]:
        """The chunks without holes, each once, in parts that go to the same members in one request."""
        by_members: dict[tuple[int, ...], dict[Hash, Chunk]] = {}
        for chunk in chunks:
            if chunk.hash != HOLE:
                by_members.setdefault(self._cluster.members(chunk.hash), {})[chunk.hash] = chunk
        for alike in by_members.values():
            part: list[Chunk] = []
            size = 0
            for chunk in alike.values():
                if part and (len(part) == BATCH_CHUNKS or size + chunk.size > BATCH_BYTES):
                    yield part
                    part, size = [], 0
                part.append(chunk)
                size += chunk.size
            yield part

    async def stream(
        self, chunks: AsyncIterator[tuple[int, Chunk]], *, keep: bool = True
    ) -> AsyncGenerator[Extent, None]:
        """The bytes of chunks and the lengths of holes, in order; some chunks are fetched ahead meanwhile.

        Each comes with its position in the file, which goes through unchanged. `keep` as for `fetch`.
        """
        await self.load()
        ahead: deque[_Ahead] = deque()
        held = 0
        upcoming = await anext(chunks, None)
        try:
            while upcoming is not None or ahead:
                while upcoming is not None and self._may_take(upcoming[1], held, len(ahead)):
                    at, chunk = upcoming
                    if chunk.hash == HOLE:
                        ahead.append(_Ahead(at, chunk.size, 0, None))
                    else:
                        counted = chunk.size if ahead else 0
                        ahead.append(_Ahead(at, chunk.size, counted, self.fetch(chunk, keep=keep)))
                        held += chunk.size
                    upcoming = await anext(chunks, None)
                first = ahead[0]
                if first.content is None:
                    yield first.at, first.size
                else:
                    yield first.at, await first.content
                    held -= first.size
                ahead.popleft()
                self._budget.give(first.counted)
                # Its bytes are not to be kept alive while the next ones are awaited.
                del first
        finally:
            _drop(left.content for left in ahead if left.content is not None)
            for left in ahead:
                self._budget.give(left.counted)

    def _may_take(self, chunk: Chunk, held: int, ahead: int) -> bool:
        if ahead == 0:
            return True
        if ahead >= WINDOW_ENTRIES:
            return False
        if chunk.hash == HOLE:
            return True
        return held + chunk.size <= WINDOW_BYTES and self._budget.try_take(chunk.size)

    async def close(self) -> None:
        """Stop what is under way; what came is still kept."""
        await self._courier.close()
        if self._front is not None:
            await self._front.close()
        if self._carrying is not None:
            self._carrying.cancel()
            await asyncio.gather(self._carrying, return_exceptions=True)
        for item in self._missed:
            self._courier.carry(item)

    async def _exchange(
        self, address: str, items: Sequence[Item[Any]], refuse: Refuse[Any], beat: Beat
    ) -> None:
        wanted: list[tuple[_Single | _Parcel, Hash, int]] = []
        for item in items:
            assert isinstance(item, _Single | _Parcel)
            if item.open:
                wanted += [(item, *one) for one in item.wanted().items()]
        answers = self._plane.get(address, [digest for _, digest, _ in wanted], beat)
        left = deque(wanted)
        async for digest, state, content in answers:
            item, asked, size = left.popleft()
            assert asked == digest
            self.received_bytes += len(content)
            if state != CHUNK:
                kind = "corrupt" if state == CORRUPT else "missing"
                refuse(item, ChunkMissing(f"the chunk is {kind} at {address}"))
            elif len(content) != size or not await _genuine(digest, content):
                refuse(item, ChunkMissing(f"{address} gave other bytes than the chunk's"))
            else:
                item.take(digest, content)
                if item.keep and self._front is not None:
                    self._front.keep(digest, content)
        for item, _, _ in left:
            refuse(item, ChunkNotYet(f"{address} did not say whether it has the chunk"))


async def _genuine(digest: Hash, content: bytes) -> bool:
    if len(content) < _LARGE_BYTES:
        return hash_bytes(content) == digest
    return await on_bytes(hash_bytes, content) == digest


def _drop(unwanted: Iterable[asyncio.Future[Any]]) -> None:
    """Nobody waits for these any more."""
    for one in unwanted:
        if not one.cancel() and not one.cancelled():
            one.exception()  # seen, so that nobody is told that it was not


def _verdict(failures: Mapping[FileserverId, CairnError]) -> CairnError:
    """Lost only where every member has answered; until then the chunk may still be found."""
    if failures and all(isinstance(error, ChunkMissing) for error in failures.values()):
        return ChunkLost("every member of the chunk's group answered and none has a good copy")
    others = {member: error for member, error in failures.items() if not isinstance(error, ChunkMissing)}
    reason = worst(others)
    if not reason.retryable:
        return reason
    return ChunkNotYet(f"no member that answered has the chunk; {reason.detail}")
