"""Chunks by name: from any member that has them, each verified, many in one request.

What belongs here: fetching chunks and streaming runs of them in order with a bounded window. What
does not: which chunks a file has (`reading.py`). Bytes that do not have the hash asked for are never
given to anyone. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from cairnfs.client.cluster import Cluster
from cairnfs.client.courier import Courier, Item, Plan, Refuse, worst
from cairnfs.client.transfer import Beat, Budget, ChunkPlane
from cairnfs.client.workers import on_bytes
from cairnfs.clock import Clock
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes
from cairnfs.errors import CairnError, ChunkLost, ChunkMissing, ChunkNotYet
from cairnfs.ids import FileserverId
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


class Downloads:
    """Fetches chunks for all readers of one client, so that what they want of one server goes together."""

    def __init__(self, plane: ChunkPlane, cluster: Cluster, budget: Budget, *, clock: Clock) -> None:
        """`budget` bounds what all streams fetch ahead; the chunk that one waits for is never held back."""
        self.received_bytes = 0
        self._plane = plane
        self._cluster = cluster
        self._budget = budget
        self._courier = Courier(Plan(self._exchange, cluster.to_read, _verdict, STALL_S), cluster, clock)

    async def load(self) -> None:
        """To be awaited before fetching: see that the members are known."""
        await self._cluster.load()

    def fetch(self, chunk: Chunk) -> asyncio.Future[bytes]:
        """Begin to fetch a chunk. Raises (later) ChunkNotYet, ChunkLost, and what all members refused."""
        item: Item[bytes] = Item(chunk.hash, chunk.size)
        self._courier.carry(item)
        return item.result

    async def stream(self, chunks: AsyncIterator[tuple[int, Chunk]]) -> AsyncGenerator[Extent, None]:
        """The bytes of chunks and the lengths of holes, in order; some chunks are fetched ahead meanwhile.

        Each comes with its position in the file, which goes through unchanged.
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
                        ahead.append(_Ahead(at, chunk.size, counted, self.fetch(chunk)))
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
            for left in ahead:
                if left.content is not None and not left.content.cancel() and not left.content.cancelled():
                    left.content.exception()  # seen, so that nobody is told that it was not
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
        """Stop what is under way."""
        await self._courier.close()

    async def _exchange(
        self, address: str, items: Sequence[Item[bytes]], refuse: Refuse[bytes], beat: Beat
    ) -> None:
        wanted = [item for item in items if item.open]
        answers = self._plane.get(address, [item.chunk for item in wanted], beat)
        left = deque(wanted)
        async for digest, state, content in answers:
            item = left.popleft()
            assert item.chunk == digest
            self.received_bytes += len(content)
            if state != CHUNK:
                kind = "corrupt" if state == CORRUPT else "missing"
                refuse(item, ChunkMissing(f"the chunk is {kind} at {address}"))
            elif len(content) != item.size or not await _genuine(item, content):
                refuse(item, ChunkMissing(f"{address} gave other bytes than the chunk's"))
            elif item.open:
                item.result.set_result(content)
        for item in left:
            refuse(item, ChunkNotYet(f"{address} did not say whether it has the chunk"))


async def _genuine(item: Item[bytes], content: bytes) -> bool:
    if len(content) < _LARGE_BYTES:
        return hash_bytes(content) == item.chunk
    return await on_bytes(hash_bytes, content) == item.chunk


def _verdict(failures: Mapping[FileserverId, CairnError]) -> CairnError:
    """Lost only where every member has answered; until then the chunk may still be found."""
    if failures and all(isinstance(error, ChunkMissing) for error in failures.values()):
        return ChunkLost("every member of the chunk's group answered and none has a good copy")
    others = {member: error for member, error in failures.items() if not isinstance(error, ChunkMissing)}
    reason = worst(others)
    if not reason.retryable:
        return reason
    return ChunkNotYet(f"no member that answered has the chunk; {reason.detail}")
