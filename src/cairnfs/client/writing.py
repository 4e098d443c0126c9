"""Writing one file: its chunks first, then the commit that makes them the file's new version.

What belongs here: whole files, and the writer object that gathers one. An upload whose session ended
or whose holders restarted is made again from the beginning where the content can be read again.
What does not: trees (`put_tree.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from types import TracebackType

from cairnfs.client.attributes import parts
from cairnfs.client.commit import commit
from cairnfs.client.connection import Connection
from cairnfs.client.results import Durability, Written
from cairnfs.client.sources import Buffer, Content, chunks_of, position, replayable, rewind, settled
from cairnfs.errors import BadRequest, CairnError, NotDurable, ReceiptInvalid, SessionEnded
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import Attributes, CommitReply, Write
from cairnfs.wire.directory import ChunkRef

#: So often is a whole upload made, where the cluster says that an earlier one no longer counts.
UPLOADS_MAX = 3
#: What makes an upload void although nothing is wrong with it.
VOID = (SessionEnded, NotDurable, ReceiptInvalid)


Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a file is written; see `wire.commits.Write`. `durability` None: as its directory asks."""

    path: Path
    expected: str | None = None
    parents: bool = False
    durability: Durability | None = None
    mode: int | None = None
    mtime_ns: int | None = None
    attributes: Attributes | None = None
    follow: bool = True

    def operation(self, chunks: list[ChunkRef]) -> Write:
        """The operation that gives the path these chunks."""
        text, base64 = names.to_text(self.path)
        mtime_us, mtime_sub_ns = parts(self.mtime_ns)
        return Write(
            path=text,
            path_b64=base64,
            chunks=chunks,
            size=sum(chunk.size for chunk in chunks),
            expected=self.expected,
            parents=self.parents,
            mode=self.mode,
            mtime_us=mtime_us,
            mtime_sub_ns=mtime_sub_ns,
            attributes=self.attributes,
            follow=self.follow,
            durability=self.durability,
        )


async def write_file(
    connection: Connection, target: Target, content: Content, *, moved: Moved | None = None
) -> Written:
    """Make the content the file's new version. Raises what refused it; then nothing was published.

    `moved` is told the bytes of each chunk on its way, and less than nothing where they go again.
    """
    content = await settled(content)
    again = replayable(content)
    start = position(content) if again else 0
    asked = target.durability
    if not again or (asked == "async" != connection.policies.guess(target.path, asked)):
        # Sent with too little it would be lost, or refused: better ask first. And whoever has said that
        # one disk is enough is not to wait for more unless the directory wants it.
        with suppress(CairnError):
            await connection.policies.learn(target.path)
    for made in count(1):
        told = 0

        def tell(size: int) -> None:
            nonlocal told
            told += size
            if moved is not None:
                moved(size)

        try:
            return await _write_once(connection, target, content, tell)
        except VOID as error:
            if isinstance(error, NotDurable):
                with suppress(CairnError):
                    await connection.policies.learn(target.path, refused=True)
            if not again or made == UPLOADS_MAX:
                raise
            rewind(content, start)
            tell(-told)
    raise AssertionError("counted to the end")


async def _write_once(connection: Connection, target: Target, content: Content, moved: Moved) -> Written:
    source = chunks_of(content)
    first = await anext(source, None)
    if first is None:
        # An empty file has no chunks: no upload, no session.
        reply = await commit(connection.control, [target.operation([])])
        return _written(reply, 0, 0)
    async with connection.upload(connection.policies.guess(target.path, target.durability)) as upload:
        chunks = [ChunkRef(*first[0])]
        await upload.add(*first)
        moved(first[0].size)
        del first
        async for chunk, data in source:
            chunks.append(ChunkRef(*chunk))
            await upload.add(chunk, data)
            moved(chunk.size)
        receipts = await upload.finish()
        await upload.hold.ready()
        operation = target.operation(chunks)
        session = upload.hold.session
        reply = await commit(connection.control, [operation], session=session, receipts=receipts)
        return _written(reply, operation.size, upload.sent_bytes)


def _written(reply: CommitReply, size: int, sent_bytes: int) -> Written:
    (result,) = reply.results
    assert result.etag is not None
    return Written(result.etag, reply.commit, reply.at_us, result.inode, size, sent_bytes)


class Writer:
    """A file being written; published whole at `close`, or not at all.

    As a context manager it is closed where the body ends well and given up where the body raises.
    """

    def __init__(self, connection: Connection, target: Target) -> None:
        self.written: Written | None = None
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._size = 0
        self._closed = False
        self._task = asyncio.create_task(write_file(connection, target, self._arriving()))

    async def write(self, data: Buffer) -> int:
        """Take bytes on; waits while too much is under way. Raises what stopped the upload."""
        if self._closed:
            raise BadRequest("the file is closed")
        if data:
            await self._put(bytes(data))
            self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """How many bytes were written."""
        return self._size

    async def close(self) -> Written:
        """Publish the new version. Raises what refused it; closing again says the same."""
        if not self._closed:
            self._closed = True
            await self._put(None)
        self.written = await asyncio.shield(self._task)
        return self.written

    def abandon(self) -> None:
        """Publish nothing, without waiting until everything has stopped."""
        self._closed = True
        self._task.cancel()

    async def abort(self) -> None:
        """Publish nothing."""
        self.abandon()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _put(self, part: bytes | None) -> None:
        """Hand a part on, unless the upload has ended meanwhile."""
        putting = asyncio.ensure_future(self._parts.put(part))
        try:
            await asyncio.wait((putting, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
        if self._task.done() and part is not None:
            self._closed = True
            await self._task

    async def _arriving(self) -> AsyncIterator[bytes]:
        while (part := await self._parts.get()) is not None:
            yield part

    async def __aenter__(self) -> Writer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self.abort()
        elif not self._closed or self.written is None:
            await self.close()
