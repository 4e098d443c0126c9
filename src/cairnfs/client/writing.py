"""Writing one file: its chunks first, then the commit that makes them the file's new version.

What belongs here: whole files, and the writer object that gathers one. Chunks that the file's present
version has are not sent. Where the cluster wants some of them after all, they are read again, or fetched
from the cluster itself where they are few or the content cannot be read again (a pipe): so nothing is ever
kept for that. An upload whose session ended or whose holders restarted is made again from the beginning
where the content can be read again. What does not: trees (`put/tree.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from itertools import count
from types import TracebackType

from cairnfs.client.attributes import parts
from cairnfs.client.commit import commit
from cairnfs.client.connection import Connection
from cairnfs.client.known import KnownChunks, Reliance
from cairnfs.client.locks import turns
from cairnfs.client.present_chunks import learn_present, send_back
from cairnfs.client.put.stash import Stash
from cairnfs.client.results import Durability, Written
from cairnfs.client.singles import SINGLE_BYTES
from cairnfs.client.sources import Buffer, Content, Hashed, chunks_of, position, replayable, rewind, settled
from cairnfs.client.upload import Upload
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.errors import BadRequest, CairnError, NotDurable, ReceiptInvalid, SessionEnded
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import Attributes, CommitReply, Write
from cairnfs.wire.directory import ChunkRef

#: So often is a whole upload made, where the cluster says that an earlier one no longer counts.
UPLOADS_MAX = 3
#: What the cluster wants after all is fetched from it and sent again up to here; more is read again.
_FETCHED_BYTES_MAX = 32 * 1024 * 1024
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
    writing = _Writing(connection, target, again)
    try:
        return await _persist(writing, content, start, moved)
    finally:
        await writing.close()


async def _persist(writing: _Writing, content: Content, start: int, moved: Moved | None) -> Written:
    """Write it, from the beginning again where what was sent counts no more and that can be done."""
    for made in count(1):
        told = 0

        def tell(size: int) -> None:
            nonlocal told
            told += size
            if moved is not None:
                moved(size)

        try:
            return await writing.make(content, tell, trusting=made < UPLOADS_MAX)
        except VOID as error:
            if isinstance(error, NotDurable):
                await writing.learn_policy()
            if not writing.again or made == UPLOADS_MAX:
                raise
            rewind(content, start)
            tell(-told)
    raise AssertionError("counted to the end")


class _Writing:
    """One file on its way, however often it is begun."""

    def __init__(self, connection: Connection, target: Target, again: bool) -> None:
        """`again`: the content can be read once more."""
        self.again = again
        self._connection = connection
        self._target = target
        self._never: set[bytes] = set()
        self._sent_bytes = 0
        self._stash: Stash | None = None

    async def learn_policy(self) -> None:
        """What was sent did not count: see what the directory asks for."""
        with suppress(CairnError):
            await self._connection.policies.learn(self._target.path, refused=True)

    async def close(self) -> None:
        """It is over, one way or the other."""
        if self._stash is not None:
            await self._stash.close()

    async def make(self, content: Content, moved: Moved, *, trusting: bool) -> Written:
        """Send the content and commit it. `trusting`: what the cluster has already need not be sent."""
        source = chunks_of(content)
        first = await anext(source, None)
        if first is None:
            # An empty file has no chunks: no upload, no session.
            reply = await commit(self._connection.control, [self._target.operation([])])
            return _written(reply, 0, self._sent_bytes)
        second = None
        if first[0].size <= SINGLE_BYTES and first[0].hash != HOLE:
            second = await anext(source, None)
            if second is None:
                return await self._make_single(*first, moved)
        guess = self._connection.policies.guess(self._target.path, self._target.durability)
        async with self._connection.upload(guess) as upload:
            try:
                second = second or await anext(source, None)
                reliance = Reliance([], self._never)
                if second is not None:
                    reliance = Reliance(await self._known(upload, trusting), self._never)
                chunks: list[ChunkRef] = []
                for hashed in (first, second):
                    if hashed is not None:
                        await _add(hashed, upload, reliance, chunks, moved)
                del first, second, hashed
                async for hashed in source:
                    await _add(hashed, upload, reliance, chunks, moved)
                    del hashed
                    if self._stash is not None:
                        await self._stash.gather(upload)
                reply = await self._commit(upload, reliance, self._target.operation(chunks))
            finally:
                self._sent_bytes += upload.sent_bytes
        if self._stash is not None:
            await self._stash.done()
        return _written(reply, sum(chunk.size for chunk in chunks), self._sent_bytes)

    async def _make_single(self, chunk: Chunk, content: bytes, moved: Moved) -> Written:
        """A file of one small chunk, which may go together with others."""
        connection, target = self._connection, self._target
        hold = await connection.begin_upload()
        try:
            durability = connection.policies.guess(target.path, target.durability)
            receipt = await connection.singles.send(hold, chunk, content, durability)
            self._sent_bytes += chunk.size
            moved(chunk.size)
            await hold.ready()
            operation = target.operation([ChunkRef(*chunk)])
            reply = await commit(connection.control, [operation], session=hold.session, receipts=[receipt])
        finally:
            hold.release()
        return _written(reply, chunk.size, self._sent_bytes)

    async def _known(self, upload: Upload, trusting: bool) -> list[KnownChunks]:
        """What the file's present version has, and what an interrupted upload has sent."""
        if self._stash is None:
            self._stash = await Stash.begin(self._connection, self._target.path)
        self._stash.watch(upload)
        if not trusting:
            return []
        present = KnownChunks()
        if self._target.expected != "none":
            await learn_present(self._connection, self._target.path, present)
        return [present, self._stash.known]

    async def _commit(self, upload: Upload, reliance: Reliance, operation: Write) -> CommitReply:
        """Commit, and send what the cluster says is to be sent after all."""
        while True:
            receipts = await upload.finish()
            await upload.hold.ready()
            try:
                return await commit(
                    self._connection.control,
                    [operation],
                    session=upload.hold.session,
                    receipts=receipts,
                    bases=reliance.bases,
                )
            except NotDurable as error:
                # Each time something less is relied upon, so this ends.
                wanted = reliance.refused(error)
                if not wanted:
                    raise
                self._never.update(chunk.hash for chunk in wanted)
                if self.again and sum(chunk.size for chunk in wanted) > _FETCHED_BYTES_MAX:
                    raise
                await send_back(self._connection, upload, wanted)


async def _add(
    hashed: Hashed, upload: Upload, reliance: Reliance, chunks: list[ChunkRef], moved: Moved
) -> None:
    chunk, content = hashed
    chunks.append(ChunkRef(*chunk))
    if not reliance.covers(chunk):
        await upload.add(chunk, content)
    moved(chunk.size)


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
        self._context = copy_context()
        self._task = asyncio.create_task(
            write_file(connection, target, self._arriving()), context=self._context
        )

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
        """Publish the new version, under the locks that are held here, and those held where it was opened.

        Raises what refused it; closing again says the same.
        """
        if not self._closed:
            self._closed = True
            turns.bring(self._context)
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
