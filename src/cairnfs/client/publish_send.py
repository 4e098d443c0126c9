"""Making the differences of two trees one commit: what has to be sent is sent, then all appears at once.

What belongs here: reading what changed, sending chunks that the cluster has nowhere in the tree, the commit
with the expectation that nothing else changed there. What does not: what has changed (`publish_compare.py`),
which operations that takes (`publish_plan.py`), going round again (`publish.py`). Used from one event loop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cairnfs.client.bases import learn_present
from cairnfs.client.commit import commit
from cairnfs.client.connection import Connection
from cairnfs.client.known import Known as KnownChunks
from cairnfs.client.known import Reliance
from cairnfs.client.local_content import READS_MAX, holds_still, is_short, named
from cairnfs.client.local_files import local_errors, open_regular
from cairnfs.client.local_walk import Here
from cairnfs.client.progress import Meter, Part
from cairnfs.client.publish_compare import Change
from cairnfs.client.publish_plan import PublishPlan
from cairnfs.client.record import content_of, known
from cairnfs.client.results import Durability
from cairnfs.client.sources import chunks_of
from cairnfs.client.upload import Upload
from cairnfs.client.workers import on_disk
from cairnfs.client.writing import UPLOADS_MAX, VOID
from cairnfs.core.durability import DURABILITIES
from cairnfs.core.manifest import Chunk
from cairnfs.errors import CairnError, NotDurable, NotFound, SessionEnded
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import CommitReply, Operation, Unchanged
from cairnfs.wire.directory import ChunkRef

#: Short files read at one go on the other thread.
_READ_FILES = 64
_READ_BYTES = 4 * 1024 * 1024


class Shifted(Exception):
    """What was found here is not there any more: it is to be looked for again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be true of the remote directory, and how it is to be made so."""

    remote: Path
    since: int
    incarnation: int
    durability: Durability | None
    message: str

    @property
    def top(self) -> bytes:
        """What stands before the paths of what is in it."""
        return self.remote.rstrip(b"/")


@dataclass(slots=True)
class _Read:
    """A short local file as it was read: looked at before, whether it held still, and its one chunk."""

    status: os.stat_result
    still: bool
    chunk: Chunk | None
    content: bytes


@dataclass(slots=True)
class Sending:
    """One attempt to make the changes, in several rounds where the cluster wants to be sent more."""

    connection: Connection
    asked: Asked
    changes: Sequence[Change]
    plan: Callable[[], PublishPlan]
    meter: Meter
    #: Chunks of the remote tree as it was; asked for when there is more to send than a little.
    chunks_there: Callable[[int], Awaitable[KnownChunks]]
    sent_bytes: int = 0
    #: Files that never held still while they were read: what was read is what is there.
    moved: list[bytes] = field(default_factory=list)
    _never: set[bytes] = field(default_factory=set)
    _relied: list[KnownChunks] = field(default_factory=list)

    async def run(self) -> CommitReply:
        """Send and commit. Raises VersionChanged, Shifted, and what refused the commit."""
        for made in range(1, UPLOADS_MAX + 1):
            part = Part(self.meter)
            self.moved.clear()
            try:
                return await self._once(part, trusting=made < UPLOADS_MAX)
            except VOID as error:
                if made == UPLOADS_MAX:
                    raise
                if isinstance(error, NotDurable):
                    with suppress(CairnError):
                        await self.connection.policies.learn(Path(self.asked.top + b"/x"), refused=True)
                part.undo()
        raise AssertionError("counted to the end")

    async def _once(self, part: Part, *, trusting: bool) -> CommitReply:
        async with self.connection.upload(self._durability()) as upload:
            if upload.hold.incarnation != self.asked.incarnation:
                raise SessionEnded("the cluster's history was cut")
            try:
                return await self._commit(upload, part, trusting=trusting)
            finally:
                self.sent_bytes += upload.sent_bytes

    def _durability(self) -> Durability:
        policies = self.connection.policies
        files = [c for c in self.changes if c.here is not None and c.here.kind == "file"]
        above = {c.path.rpartition(b"/")[0] for c in files}
        guesses = {
            policies.guess(Path(self.asked.top + b"/" + up + b"/x"), self.asked.durability) for up in above
        }
        return max(guesses or {"async"}, key=DURABILITIES.index)

    async def _commit(self, upload: Upload, part: Part, *, trusting: bool) -> CommitReply:
        """Everything as one commit; what it relies on in vain is sent, and it is asked for again."""
        while True:
            at = max(self.asked.since, upload.hold.begin)
            # The second place is for the file that is replaced just now.
            self._relied = [await self.chunks_there(at) if trusting else KnownChunks(), KnownChunks()]
            reliance = Reliance(self._relied, self._never)
            operations = [self._unchanged()]
            plan = self.plan()
            async for change, chunks in self._contents(upload, reliance, part):
                operations.extend(plan.operations(change, chunks))
            operations.extend(plan.end())
            receipts = await upload.finish()
            await upload.hold.ready()
            try:
                return await commit(
                    self.connection.control,
                    operations,
                    session=upload.hold.session,
                    receipts=receipts,
                    bases=reliance.bases,
                    message=self.asked.message,
                )
            except NotDurable as error:
                wanted = reliance.refused(error)
                if not wanted:
                    raise
                # Each time something less is relied upon, so this ends.
                self._never.update(chunk.hash for chunk in wanted)
                part.undo()

    def _unchanged(self) -> Operation:
        text, base64 = names.to_text(self.asked.remote)
        return Unchanged(path=text, path_b64=base64, since=self.asked.since)

    async def _contents(
        self, upload: Upload, reliance: Reliance, part: Part
    ) -> AsyncIterator[tuple[Change, list[ChunkRef]]]:
        """The changes in order, with the chunks of those that give a file its content."""
        for run in _runs(self.changes):
            if not _is_content(run[0]):
                for change in run:
                    yield change, []
                continue
            short = [change for change in run if change.here is not None and is_short(change.here.status)]
            read = dict(zip([c.path for c in short], await on_disk(_read_all, short), strict=True))
            for change in run:
                assert change.here is not None
                if change.path in read:
                    yield change, await self._send_short(change, read[change.path], upload, reliance, part)
                else:
                    yield change, await self._send_long(change, upload, reliance, part)
                part.done()

    async def _send_short(
        self, change: Change, read: _Read | None, upload: Upload, reliance: Reliance, part: Part
    ) -> list[ChunkRef]:
        if read is None:
            raise Shifted
        chunks = [] if read.chunk is None else [ChunkRef(*read.chunk)]
        if read.chunk is not None:
            if not reliance.covers(read.chunk):
                await upload.add(read.chunk, read.content)
            part.moved(read.chunk.size)
        self._note(change, read.status, chunks, still=read.still)
        return chunks

    async def _send_long(
        self, change: Change, upload: Upload, reliance: Reliance, part: Part
    ) -> list[ChunkRef]:
        """Send a long file, of which the one that is there may have most; again if it changes meanwhile."""
        here, there = change.here, change.there
        assert here is not None
        if there is not None and there.kind == "file" and change.act == "write":
            present = KnownChunks()
            await learn_present(self.connection, Path(self.asked.top + b"/" + change.path), present)
            self._relied[1] = present
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
                still = _is_still(before, here.place)
            if still or not left:
                self._note(change, before, chunks, still=still)
                return chunks
            part.moved(-sum(chunk.size for chunk in chunks))
        raise AssertionError("counted to the end")

    def _note(self, change: Change, status: os.stat_result, chunks: list[ChunkRef], *, still: bool) -> None:
        """What the record will say of a file that was sent."""
        now_ns = self.connection.clock.now_us() * 1000 if still else 0
        change.row = known(change.path, "file", status, now_ns=now_ns, content=content_of(chunks))
        if not still:
            self.moved.append(change.path)


def _is_content(change: Change) -> bool:
    return change.act in ("make", "write") and change.here is not None and change.here.kind == "file"


def _runs(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The changes in order, cut into runs: files that are read at one go, or all else."""
    run: list[Change] = []
    size = 0
    for change in changes:
        alike = run and _is_content(run[0]) == _is_content(change)
        added = change.here.status.st_size if change.here is not None and _is_content(change) else 0
        if run and not (alike and len(run) < _READ_FILES and size + added <= _READ_BYTES):
            yield run
            run, size = [], 0
        run.append(change)
        size += added
    if run:
        yield run


def _read_all(run: list[Change]) -> list[_Read | None]:
    return [_read(change.here) for change in run if change.here is not None]


def _read(here: Here) -> _Read | None:
    """A short file; None where it is not there any more, or no longer short."""
    for left in reversed(range(READS_MAX)):
        try:
            with open_regular(here.place) as stream, local_errors(here.place):
                before = os.fstat(stream.fileno())
                if not is_short(before):
                    return None
                content = stream.read(before.st_size + 1)
        except NotFound:
            return None
        still = len(content) == before.st_size and _is_still(before, here.place)
        if still or not left:
            return _Read(before, still, named(content) if content else None, content)
    raise AssertionError("counted to the end")


def _is_still(before: os.stat_result, place: bytes) -> bool:
    try:
        return holds_still(before, os.lstat(place))
    except OSError:
        return False
