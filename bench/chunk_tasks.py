"""What a client does with fileservers alone: chunks out and in, without a commit.

Tasks of a worker, through the client's own upload and downloads, so that routing, batching, hashing and
receipts are those of a real write; only the control plane has nothing to do. What does not belong here:
files (`tasks.py`), a fileserver's store without its network (`chunk_store.py`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bench.bursts import Burst
from bench.tasks import client
from cairnfs.core.manifest import Chunk, hash_bytes

if TYPE_CHECKING:
    from cairnfs.client.filesystem import Filesystem

#: Chunks that were put by this process, by the name of their row.
_put: dict[str, list[Chunk]] = {}


def put_alone(seconds: float, size: int, start_at: float) -> dict[str, object]:
    """One chunk after the other, each an upload of its own that ends when it is durable."""
    through, filesystem = client().inside()

    async def work() -> Burst:
        times = []
        contents = _contents(size)
        await asyncio.sleep(max(0.0, start_at - time.monotonic()))
        began = before = time.monotonic()
        while before - began < seconds:
            await _put_all(filesystem, [next(contents)])
            now = time.monotonic()
            times.append((now - before) * 1e6)
            before = now
        return Burst(began, before, times, len(times))

    return through.call(work()).reply()


def put_row(name: str, count: int, size: int, per: float) -> dict[str, object]:
    """So many chunks in one upload; `per` chunks make one unit. They can be got by their row's name."""
    through, filesystem = client().inside()

    async def work() -> Burst:
        contents = _contents(size)
        began = time.monotonic()
        _put[name] = await _put_all(filesystem, (next(contents) for _ in range(count)))
        return Burst(began, time.monotonic(), [], count / per)

    return through.call(work()).reply()


def get_row(name: str, per: float) -> dict[str, object]:
    """A row that this process has put, in its order, some fetched ahead; every chunk is verified."""
    through, filesystem = client().inside()

    async def work() -> Burst:
        began = time.monotonic()
        await _get_all(filesystem, _put[name])
        return Burst(began, time.monotonic(), [], len(_put[name]) / per)

    return through.call(work()).reply()


async def _put_all(filesystem: Filesystem, contents: Iterable[bytes]) -> list[Chunk]:
    chunks = []
    async with filesystem.connection.upload("majority") as upload:
        for content in contents:
            chunks.append(Chunk(hash_bytes(content), len(content)))
            await upload.add(chunks[-1], content)
        await upload.finish()
    return chunks


async def _get_all(filesystem: Filesystem, chunks: Sequence[Chunk]) -> None:
    async def row() -> AsyncIterator[tuple[int, Chunk]]:
        for at, chunk in enumerate(chunks):
            yield at, chunk

    seen = 0
    async for at, content in filesystem.connection.downloads.stream(row()):
        assert isinstance(content, bytes)
        assert len(content) == chunks[at].size
        seen += 1
    assert seen == len(chunks)


def _contents(size: int) -> Iterator[bytes]:
    """Chunks that differ in their first bytes: making them costs a copy."""
    rest = os.urandom(size - 16)
    start = int.from_bytes(os.urandom(15), "big")
    while True:
        start += 1
        yield start.to_bytes(16, "big") + rest


TASKS: dict[str, Callable[..., object]] = {
    "chunks.put_alone": put_alone,
    "chunks.put_row": put_row,
    "chunks.get_row": get_row,
}
