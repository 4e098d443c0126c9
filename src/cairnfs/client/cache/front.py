"""The cache for an event loop: questions of one turn go together, and nobody waits for what is kept.

What belongs here: when the cache is asked and given to, on a thread of its own, and how much may wait for
that. What does not: what is in it (`store.py`), what is done where it has nothing (`download.py`). Used from
one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from cairnfs.client.cache.store import Cache
from cairnfs.client.workers import on_cache
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.ids import Hash

#: What one question asks for at most: many small chunks, or few large ones, whose memory is soon free again.
ASK_CHUNKS = 1024
ASK_BYTES = 2 * 1024 * 1024
#: So little is looked up in passing, if it is in memory: asking another thread takes longer.
AT_ONCE = 8
AT_ONCE_BYTES = 128 * 1024
#: What is to be kept is gathered for so long, or until it is so much: each writing has its price.
GATHER_S = 0.05
GATHER_BYTES = 1024 * 1024
#: Bytes that wait to be kept; what comes while so many wait is not kept.
WAITING_BYTES = 8 * 1024 * 1024
#: A disk that takes longer hangs: the client goes on without the cache, or ends.
PATIENCE_S = 10.0

Then = Callable[[bytes | None], None]
R = TypeVar("R")


class CacheFront:
    """One client's way to the cache."""

    def __init__(self, cache: Cache) -> None:
        """Owns the cache."""
        self.cache = cache
        #: Chunk bytes that came from the cache.
        self.cached_bytes = 0
        self._asked: deque[tuple[Chunk, bool, Then]] = deque()
        self._kept: list[tuple[Hash, bytes]] = []
        self._named: list[tuple[bytes, bytes]] = []
        self._waiting_bytes = 0
        self._enough = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closed = False
        self._hangs = False
        self._passing = 0

    def look(self, chunk: Chunk, then: Then, *, refresh: bool = True) -> None:
        """Have `then` called with the chunk's bytes, or with None where they are not here.

        With `refresh` the chunk counts as used.
        """
        if not self._open:
            then(None)
            return
        if not self._asked and self._passing < AT_ONCE and (found := self._in_passing([chunk], refresh)):
            self._count_passing()
            self._answer(then, found[0])
            return
        self._asked.append((chunk, refresh, then))
        if self._asking is None or self._asking.done():
            # It begins later in this turn of the loop, so that all that comes in this turn goes together.
            self._asking = asyncio.create_task(self._ask())

    async def look_many(self, chunks: Iterable[Chunk]) -> dict[Hash, bytes]:
        """Those of the chunks that are here. The caller bounds how many bytes that may be."""
        found: dict[Hash, bytes] = {}
        wanted = {chunk.hash: chunk for chunk in chunks if chunk.hash != HOLE}
        for part in _parts(wanted.values()):
            if not self._open:
                break
            for chunk, content in zip(part, await self._lookup(part, refresh=True), strict=True):
                if content is not None:
                    found[chunk.hash] = content
                    self.cached_bytes += len(content)
        return found

    async def recall_many(self, names: Sequence[bytes]) -> list[bytes | None]:
        """What was kept under these names."""
        nothing: list[bytes | None] = [None] * len(names)
        if self._open and len(names) <= AT_ONCE:
            told = self.cache.recall_at_once(names)
            if told is not None:
                return told
        return await self._apart(lambda: self.cache.recall_many(names), nothing) if self._open else nothing

    def keep(self, digest: Hash, content: bytes) -> None:
        """Keep a chunk's verified bytes, sometime soon."""
        if self._takes(len(content)):
            self._kept.append((digest, content))

    def keep_named(self, name: bytes, content: bytes) -> None:
        """Keep bytes under a name, sometime soon."""
        if self._takes(len(content)):
            self._named.append((name, content))

    async def close(self) -> None:
        """Keep what is still to be kept, tell those who wait that there is nothing, let the cache go."""
        self._closed = True
        self._enough.set()
        tasks = [task for task in (self._asking, self._keeping) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._asked:
            self._asked.popleft()[2](None)
        if not self._hangs:
            await self._apart(self.cache.close, None)

    @property
    def _open(self) -> bool:
        return not self._closed and not self._hangs and self.cache.usable

    async def _apart(self, work: Callable[[], R], otherwise: R) -> R:
        """The work's result, or the other where the disk hangs."""
        if self._hangs:
            return otherwise
        try:
            return await asyncio.wait_for(on_cache(work), PATIENCE_S)
        except TimeoutError:
            self._hangs = True
            self.cache.give_up("its disk does not answer")
            return otherwise
        except RuntimeError:
            # The interpreter is about to end, and begins nothing on threads any more.
            return work()

    async def _lookup(self, chunks: Sequence[Chunk], *, refresh: bool) -> list[bytes | None]:
        nothing: list[bytes | None] = [None] * len(chunks)
        if (found := self._in_passing(chunks, refresh)) is not None:
            return found
        return await self._apart(lambda: self.cache.lookup_many(chunks, refresh=refresh), nothing)

    def _takes(self, size: int) -> bool:
        if not self._open or self._waiting_bytes + size > WAITING_BYTES:
            return False
        self._waiting_bytes += size
        if self._waiting_bytes >= GATHER_BYTES:
            self._enough.set()
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep())
        return True

    async def _ask(self) -> None:
        while self._asked:
            batch = self._batch()
            found: list[bytes | None] = [None] * len(batch)
            try:
                found = await self._lookup([one[0] for one in batch], refresh=batch[0][1])
            finally:
                for (_, _, then), content in zip(batch, found, strict=True):
                    self._answer(then, content)

    def _in_passing(self, chunks: Sequence[Chunk], refresh: bool) -> list[bytes | None] | None:
        """What is found without waiting, where that is little; else None."""
        if len(chunks) > AT_ONCE or sum(chunk.size for chunk in chunks) > AT_ONCE_BYTES:
            return None
        return self.cache.lookup_at_once(chunks, refresh=refresh)

    def _count_passing(self) -> None:
        """Few in one turn of the loop; the others go together on the other thread."""
        if self._passing == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._passing += 1

    def _next_turn(self) -> None:
        self._passing = 0

    def _answer(self, then: Then, content: bytes | None) -> None:
        self.cached_bytes += len(content) if content is not None else 0
        then(content)

    def _batch(self) -> list[tuple[Chunk, bool, Then]]:
        batch = [self._asked.popleft()]
        size = batch[0][0].size
        while self._asked and len(batch) < ASK_CHUNKS and self._asked[0][1] == batch[0][1]:
            size += self._asked[0][0].size
            if size > ASK_BYTES:
                break
            batch.append(self._asked.popleft())
        return batch

    async def _keep(self) -> None:
        while self._kept or self._named:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), GATHER_S)
            self._enough.clear()
            chunks, self._kept = self._kept, []
            named, self._named = self._named, []
            await self._apart(partial(self._store, chunks, named), None)
            self._waiting_bytes -= sum(len(content) for _, content in [*chunks, *named])

    def _store(self, chunks: Sequence[tuple[Hash, bytes]], named: Sequence[tuple[bytes, bytes]]) -> None:
        self.cache.store_many(chunks)
        self.cache.keep_many(named)


def _parts(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """The chunks, as many together as one question may ask for."""
    part: list[Chunk] = []
    size = 0
    for chunk in chunks:
        if part and (len(part) == ASK_CHUNKS or size + chunk.size > ASK_BYTES):
            yield part
            part, size = [], 0
        part.append(chunk)
        size += chunk.size
    if part:
        yield part
