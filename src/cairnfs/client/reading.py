"""Reading one version of a file: opened once, read in any parts, each byte verified.

What belongs here: a file's chunks page by page, the bytes (or holes) between two positions, and the reader
object with a position of its own. What does not: fetching chunks (`download.py`).
Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType

import msgspec

from cairnfs.client.cache import answers
from cairnfs.client.connection import Connection
from cairnfs.client.download import Extent
from cairnfs.client.zeros import zeros
from cairnfs.core.manifest import Chunk
from cairnfs.errors import BadRange, BadRequest, BeforeHorizon, ChunkCollected, ChunkLost, Internal
from cairnfs.ids import Hash, Path
from cairnfs.wire import endpoints
from cairnfs.wire.directory import Entry, OpenReply, OpenRequest, PathText

#: Chunks asked for at first; a file of more is read in larger pages.
_FIRST_PAGE = 256
_NEXT_PAGE = 4096
#: Reading more than this takes so long that the session keeps the commit meanwhile.
HOLD_BYTES = 64 * 1024 * 1024


class Version:
    """One version of a file, as it was at `commit`."""

    def __init__(self, connection: Connection, path: Path, reply: OpenReply) -> None:
        self.path = path
        self.entry: Entry = reply.entry
        self.commit = reply.commit
        #: Whether the version is still the one that was known; then no chunks came.
        self.unchanged = reply.unchanged
        self._connection = connection
        self._first = reply

    @property
    def size(self) -> int:
        """Bytes."""
        return self.entry.size

    @property
    def etag(self) -> str:
        """The version's ETag."""
        return self.entry.etag

    async def pieces(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `stop` (default: the end), a chunk at a time, of holes 1 MiB at most.

        Raises ChunkNotYet, ChunkLost or ChunkCollected where bytes cannot be had.
        """
        async with aclosing(self.extents(start, stop)) as extents:
            async for _, part in extents:
                if not isinstance(part, int):
                    yield part
                    continue
                for piece in zeros(part):
                    yield piece
                    # Nothing is waited for in a hole, and others want to go on too.
                    await asyncio.sleep(0)

    async def extents(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[Extent, None]:
        """The same in order as (position, bytes) for data and (position, length) for holes, as ints.

        A hole of 4 GiB or more comes as several in a row. Raises as `pieces` does.
        """
        stop = self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return
        hold = await self._connection.sessions.hold(self.commit) if stop - start > HOLD_BYTES else None
        try:
            downloads = self._connection.downloads
            stream = downloads.stream(self._covering(start, stop), keep=downloads.keeps(stop - start))
            async with aclosing(stream):
                async for at, part in stream:
                    size = part if isinstance(part, int) else len(part)
                    first, last = max(at, start), min(at + size, stop)
                    if isinstance(part, int):
                        yield first, last - first
                    else:
                        yield first, part if last - first == size else part[first - at : last - at]
        except ChunkLost as error:
            await self._explain(error)
        finally:
            if hold is not None:
                hold.release()

    def chunks(self, start: int = 0) -> AsyncGenerator[tuple[int, Chunk], None]:
        """All chunks and holes from a position on, in order, each with its own. Raises BeforeHorizon."""
        return self._covering(start, self.size)

    async def read(self) -> bytes:
        """All bytes at once."""
        parts = [piece async for piece in self.pieces()]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _covering(self, start: int, stop: int) -> AsyncGenerator[tuple[int, Chunk], None]:
        """The chunks that hold the bytes from `start` to `stop`, each with its position."""
        if start >= stop:
            return
        page = self._first
        if start < page.offset or (page.next_start is not None and start >= page.next_start):
            page = await self._page(start)
        at = page.offset
        while True:
            for digest, size in page.chunks:
                if at + size > start:
                    yield at, Chunk(Hash(digest), size)
                at += size
                if at >= stop:
                    return
            if page.next_start is None:
                raise Internal(f"the chunks of {self.entry.name!r} end before its {self.size} bytes")
            page = await self._page(page.next_start)

    async def _page(self, start: int) -> OpenReply:
        return await _open(self._connection, self.path, str(self.commit), start=start, limit=_NEXT_PAGE)

    async def _explain(self, error: ChunkLost) -> None:
        """A chunk of a version that history no longer holds is not lost but collected."""
        try:
            await self._page(0)
        except BeforeHorizon as gone:
            raise ChunkCollected(f"version {self.etag} is older than the retained history") from gone
        raise error


async def open_version(
    connection: Connection, path: Path, at: str | None = None, *, known: str | None = None
) -> Version:
    """Open the file at `path`, now or at a point in history. Raises NotFound, IsADirectory, Forbidden.

    `known` is an ETag: where it is still the version, the answer is `unchanged` and cannot be read.
    """
    if known is not None:
        return Version(connection, path, await _open(connection, path, at, known=known))
    [answer] = await answers.recall(connection, [path])
    reply = await _open(connection, path, at, known=None if answer is None else answer.etag)
    if reply.unchanged and answer is not None:
        reply = msgspec.structs.replace(reply, unchanged=False, chunks=answer.chunks)
    elif reply.next_start is None:
        answers.keep(connection, path, reply.entry.etag, reply.chunks)
    return Version(connection, path, reply)


async def _open(
    connection: Connection,
    path: Path,
    at: str | None,
    *,
    known: str | None = None,
    start: int = 0,
    limit: int = _FIRST_PAGE,
) -> OpenReply:
    text = PathText.of(path)
    request = OpenRequest(
        path=text.path, path_b64=text.path_b64, at=at, known=known, start=start, limit=limit
    )
    return await connection.control.ask(endpoints.OPEN, request)


class Reader:
    """An open file with a position. Reading on is one stream that fetches ahead; seeking begins anew."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self._at = 0
        self._stream: AsyncGenerator[bytes, None] | None = None
        self._rest = memoryview(b"")
        self._closed = False
        self._closing: asyncio.Task[None] | None = None

    async def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (all that are left where it is negative); none only at the end."""
        parts: list[bytes] = []
        while size != 0:
            part = await self.read_some(size)
            if not part:
                break
            parts.append(part)
            size = size - len(part) if size > 0 else size
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def read_some(self, size: int = -1) -> bytes:
        """At least one byte and at most `size`, as they come; none only at the end."""
        if self._closed:
            raise BadRequest("the file is closed")
        if not self._rest:
            if self._stream is None:
                self._stream = self.version.pieces(self._at)
            self._rest = memoryview(await anext(self._stream, b""))
        part = bytes(self._rest if size < 0 else self._rest[:size])
        self._rest = self._rest[len(part) :]
        self._at += len(part)
        return part

    async def seek(self, position: int) -> int:
        """Go to a position, counted in bytes from the beginning. Raises BadRange below 0."""
        if position < 0:
            raise BadRange("a position is 0 or more")
        ahead = position - self._at
        if 0 <= ahead <= len(self._rest):
            self._rest = self._rest[ahead:]
        else:
            await self._drop()
        self._at = position
        return position

    def tell(self) -> int:
        """The position in bytes."""
        return self._at

    async def close(self) -> None:
        """Stop fetching ahead."""
        self._closed = True
        await self._drop()

    def abandon(self) -> None:
        """Close, without waiting until everything has stopped."""
        self._closing = asyncio.get_running_loop().create_task(self.close())

    async def _drop(self) -> None:
        stream, self._stream, self._rest = self._stream, None, memoryview(b"")
        if stream is not None:
            await stream.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await self.read_some()
        if not part:
            raise StopAsyncIteration
        return part

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
