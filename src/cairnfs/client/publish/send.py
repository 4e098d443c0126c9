"""Making the differences of two trees one commit: what has to be sent is sent, then all appears at once.

What belongs here: pages of changes, whose chunks go out while the page before is made; the commit with the
expectation that nothing else changed there. What does not: what has changed (`compare.py`), which
operations that takes (`plan.py`), where pages wait for the commit (`places.py`), reading
(`reading.py`), going round again (`publish.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from cairnfs.client.connection import Connection
from cairnfs.client.known import KnownChunks, Reliance
from cairnfs.client.local.content import READS_MAX
from cairnfs.client.local.files import local_errors, open_regular
from cairnfs.client.present_chunks import learn_present
from cairnfs.client.progress import Meter, Part
from cairnfs.client.publish.compare import Change
from cairnfs.client.publish.known import TreeKnown, tree_known
from cairnfs.client.publish.looked import Looked
from cairnfs.client.publish.places import InCommit, InTree, place_for
from cairnfs.client.publish.reading import Read, Shifted, is_content, is_still, read_all, runs, windows
from cairnfs.client.publish.rows import MadeRows
from cairnfs.client.record.record import content_of, known
from cairnfs.client.results import Durability
from cairnfs.client.sources import chunks_of
from cairnfs.client.upload import Upload
from cairnfs.client.workers import on_disk
from cairnfs.client.writing import UPLOADS_MAX, VOID
from cairnfs.core.durability import DURABILITIES
from cairnfs.errors import CairnError, NotDurable, NotFound, SessionEnded
from cairnfs.wire import names
from cairnfs.wire.commits import CommitReply, Operation, Unchanged
from cairnfs.wire.directory import ChunkRef


@dataclass(slots=True)
class Sending:
    """The changes on their way, made several times where the cluster says that an upload no longer counts."""

    connection: Connection
    looked: Looked
    meter: Meter
    durability: Durability | None
    message: str
    sent_bytes: int = 0
    #: Files that never held still while they were read: what was read is what is there.
    moved: list[bytes] = field(default_factory=list)
    #: Makes what takes the changes of each page that was made; for each attempt a new one.
    begin_rows: Callable[[], MadeRows] | None = None
    rows: MadeRows | None = None
    #: Chunks that are sent whatever is known of them.
    never: set[bytes] = field(default_factory=set)

    async def run(self) -> CommitReply:
        """Send and commit. Raises VersionChanged, Shifted, and what refused the commit."""
        for made in range(1, UPLOADS_MAX + 1):
            self.moved.clear()
            self.meter.files = 0
            self.meter.moved(-self.meter.bytes)
            try:
                async with self._held() as at:
                    trusting = made < UPLOADS_MAX
                    async with tree_known(self.looked, at, trusting=trusting) as known:
                        return await self._recorded(known)
            except VOID as error:
                if made == UPLOADS_MAX:
                    raise
                await self.learn(error)
        raise AssertionError("counted to the end")

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[int]:
        """Hold the session while the body runs; gives the commit whose files are to vouch for chunks."""
        hold = await self.connection.begin_upload()
        try:
            if hold.incarnation != self.looked.incarnation:
                raise SessionEnded("the cluster's history was cut")
            yield max(self.looked.since, hold.begin)
        finally:
            hold.release()

    async def learn(self, error: CairnError) -> None:
        """What a refusal says of chunks that have to be sent, or more safely."""
        if isinstance(error, NotDurable):
            self.never.update(error.chunks)
            with suppress(CairnError):
                await self.connection.policies.learn(self.looked.below(b"x"), refused=True)

    async def _recorded(self, known: TreeKnown) -> CommitReply:
        """One attempt, with its record where that is written meanwhile."""
        if self.begin_rows is None:
            return await self._once(known)
        rows = self.rows = await on_disk(self.begin_rows)
        try:
            reply = await self._once(known)
            await on_disk(rows.finish, reply.commit)
            return reply
        finally:
            await on_disk(rows.abandon)

    async def _once(self, known: TreeKnown) -> CommitReply:
        looked = self.looked
        pages = windows(looked.each(), bool(looked.comparison.closed))
        window, following = await on_disk(next, pages, None), await on_disk(next, pages, None)
        much = following is not None
        place = await place_for(self.connection.control, looked, self.durability, much=much)
        await known.note(place)
        running: list[asyncio.Task[None]] = []
        try:
            while window is not None:
                before = running[-1] if running else None
                page = _Page(self, place, window, known, await known.follow(window))
                running.append(asyncio.create_task(page.make(before)))
                # One is being made, one is being sent: more would only hold more.
                if len(running) > 1:
                    await running[0]
                    del running[0]
                window, following = following, await on_disk(next, pages, None)
            for task in running:
                await task
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        self.meter.enter("committing")
        reply = await place.finish(self.expected(), self.message)
        await known.done()
        return reply

    def expected(self) -> list[Operation]:
        """That nothing at or below the directory has changed since it was looked at."""
        text, base64 = names.to_text(self.looked.path)
        return [Unchanged(path=text, path_b64=base64, since=self.looked.since)]


class _Page:
    """Some of the changes."""

    def __init__(
        self,
        sending: Sending,
        place: InCommit | InTree,
        changes: Sequence[Change],
        known: TreeKnown,
        followed: KnownChunks,
    ) -> None:
        self._sending = sending
        self._connection = sending.connection
        self._looked = sending.looked
        self._place = place
        self._changes = changes
        self._known = known
        #: The last is of the file that is replaced just now.
        self._there = [*known.there, followed, KnownChunks()]

    async def make(self, before: asyncio.Task[None] | None) -> None:
        """Send what it needs, wait for the page before, and make it; again where that alone can be."""
        for made in range(1, UPLOADS_MAX + 1):
            part = Part(self._sending.meter)
            try:
                await self._once(before, part)
            except VOID as error:
                if made == UPLOADS_MAX or not self._place.repeats:
                    raise
                await self._sending.learn(error)
                part.undo()
            else:
                return

    async def _once(self, before: asyncio.Task[None] | None, part: Part) -> None:
        known = self._known
        reliance = Reliance(self._there, self._sending.never, known.proven)
        async with self._connection.upload(self._durability()) as upload:
            known.watch(upload)
            try:
                contents = await self._send(upload, reliance, part)
                receipts = await upload.finish()
            finally:
                self._sending.sent_bytes += upload.sent_bytes
            if before is not None:
                await asyncio.shield(before)
            made = list(zip(self._changes, contents, strict=True))
            await known.keep(upload, contents, self._place)
            await upload.hold.ready()
            await self._place.add(made, upload.hold.session, receipts, reliance.bases)
            known.made(made, self._place)
            if self._sending.rows is not None:
                await on_disk(self._sending.rows.add, self._changes)

    def _durability(self) -> Durability:
        """The durability with which the chunks are sent: what the strictest directory asks."""
        policies, asked = self._connection.policies, self._sending.durability
        above = {change.path.rpartition(b"/")[0] for change in self._changes if is_content(change)}
        guesses = {policies.guess(self._looked.below(up + b"/x" if up else b"x"), asked) for up in above}
        return max(guesses or {"async"}, key=DURABILITIES.index)

    async def _send(self, upload: Upload, reliance: Reliance, part: Part) -> list[list[ChunkRef]]:
        """Send what the files hold; give each change's chunks, in order."""
        contents: list[list[ChunkRef]] = []
        for run in runs(self._changes):
            if not is_content(run[0]):
                contents.extend([] for _ in run)
                continue
            for change, read in zip(run, await on_disk(read_all, run), strict=True):
                if read is None:
                    contents.append(await self._send_long(change, upload, reliance, part))
                else:
                    contents.append(await self._send_short(change, read, upload, reliance, part))
                part.done()
            await self._known.gather(upload)
        return contents

    async def _send_short(
        self, change: Change, read: Read, upload: Upload, reliance: Reliance, part: Part
    ) -> list[ChunkRef]:
        chunk = read.chunk
        if chunk is not None:
            if not reliance.covers(chunk):
                await upload.add(chunk, read.content)
            part.moved(chunk.size)
        chunks = [] if chunk is None else [ChunkRef(*chunk)]
        self._note(change, read.status, chunks, still=read.still)
        return chunks

    async def _send_long(
        self, change: Change, upload: Upload, reliance: Reliance, part: Part
    ) -> list[ChunkRef]:
        """Send a long file, of which the one that is there may have most; again if it changes meanwhile."""
        here, there = change.here, change.there
        assert here is not None
        if self._known.trusting and there is not None and there.kind == "file":
            self._there[-1] = KnownChunks()
            await learn_present(self._connection, self._looked.below(change.path), self._there[-1])
        for left in reversed(range(READS_MAX)):
            chunks: list[ChunkRef] = []
            try:
                stream = await on_disk(open_regular, here.place)
            except NotFound as error:
                raise Shifted from error
            with stream, local_errors(here.place):
                before = os.fstat(stream.fileno())
                async for chunk, content in chunks_of(stream):
                    if not reliance.covers(chunk):
                        await upload.add(chunk, content)
                    part.moved(chunk.size)
                    chunks.append(ChunkRef(*chunk))
                still = is_still(before, here.place)
            if still or not left:
                self._note(change, before, chunks, still=still)
                return chunks
            part.moved(-sum(chunk.size for chunk in chunks))
        raise AssertionError("counted to the end")

    def _note(self, change: Change, status: os.stat_result, chunks: list[ChunkRef], *, still: bool) -> None:
        """What the record will say of a file that was sent."""
        now_ns = self._connection.clock.now_us() * 1000 if still else 0
        change.row = known(change.path, "file", status, now_ns=now_ns, content=content_of(chunks))
        if not still and change.here is not None:
            self._sending.moved.append(change.here.place)
