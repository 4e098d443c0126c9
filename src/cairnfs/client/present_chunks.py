"""Asking what the cluster has of a file already, and sending from there what it wants sent after all.

What belongs here: the chunks of a file's present version, all of them page by page; fetching a chunk back
and sending it, for content that cannot be read again. What does not: which chunks are left out (`known.py`).
Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice

from cairnfs.client.connection import Connection
from cairnfs.client.known import KnownChunks
from cairnfs.client.upload import Upload
from cairnfs.core.manifest import Chunk
from cairnfs.errors import Conflict, Denied, Missing
from cairnfs.ids import Path
from cairnfs.wire import endpoints
from cairnfs.wire.commits import Base
from cairnfs.wire.directory import OPEN_CHUNKS_MAX, ChunkRef, OpenRequest, PathText

#: Chunks that are fetched back at once: 16 MiB at most.
_FETCHED = 4


async def learn_present(
    connection: Connection,
    path: Path,
    known: KnownChunks,
    *,
    at: int | None = None,
    start: int | None = 0,
    before: Sequence[ChunkRef] = (),
) -> list[ChunkRef]:
    """Remember, and give, the chunks of the file at the path now (or `at` a commit), if it may be read.

    `before`: those up to `start`, where they are known. To be asked under a hold on the session, which then
    needs the commit at which it was read.
    """
    text = PathText.of(path)
    chunks = list(before)
    while start is not None and not known.full:
        request = OpenRequest(
            path=text.path,
            path_b64=text.path_b64,
            at=None if at is None else str(at),
            start=start,
            limit=OPEN_CHUNKS_MAX,
        )
        try:
            reply = await connection.control.ask(endpoints.OPEN, request)
        except (Missing, Conflict, Denied):
            break
        at, start = reply.commit, reply.next_start
        known.learn(Base(path=text.path, path_b64=text.path_b64, at=at), reply.chunks)
        chunks += reply.chunks
    return chunks


async def send_back(connection: Connection, upload: Upload, chunks: Iterable[Chunk]) -> None:
    """Fetch chunks that the cluster has, and send them as if they had never been there.

    Raises ChunkNotYet, ChunkLost where one cannot be had, and what `Upload.add` raises.
    """
    await connection.downloads.load()
    left = iter(chunks)
    while part := list(islice(left, _FETCHED)):
        contents = [connection.downloads.fetch(chunk) for chunk in part]
        try:
            for chunk, content in zip(part, contents, strict=True):
                await upload.add(chunk, await content)
        finally:
            for content in contents:
                content.cancel()
            # Waited for, so that nobody is told of what nobody saw.
            await asyncio.gather(*contents, return_exceptions=True)
