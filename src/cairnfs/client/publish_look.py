"""Looking at both sides of a publish: by the record alone, or by walking through the remote directory.

What belongs here: which of the two, and what comes of it. What does not: the decision for each path
(`publish_compare.py`), sending. Used from one event loop; local files are looked at on another thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from cairnfs.client.bases import learn_present
from cairnfs.client.connection import Connection
from cairnfs.client.known import KNOWN_MAX
from cairnfs.client.known import Known as KnownChunks
from cairnfs.client.listing import walk_pages
from cairnfs.client.local_content import read_content
from cairnfs.client.local_files import LocalPath
from cairnfs.client.local_walk import Here, walk_local
from cairnfs.client.publish_compare import Change, Comparison, Counts, There, Ways
from cairnfs.client.publish_plan import PublishPlan
from cairnfs.client.record import Known, Pair, content_of
from cairnfs.client.resolving import Resolved
from cairnfs.client.results import Durability
from cairnfs.client.skips import Skips
from cairnfs.client.walk_merge import Met, WalkMerge
from cairnfs.client.workers import on_disk
from cairnfs.core.chunking import SINGLE_MAX_BYTES
from cairnfs.errors import Conflict, Denied, Missing
from cairnfs.ids import Path
from cairnfs.wire import endpoints, names
from cairnfs.wire.commits import Base
from cairnfs.wire.directory import OPEN_CHUNKS_MAX, ChunkRef, OpenRequest, PathText, WalkItem

#: New content up to here is sent without asking whether the tree has it: asking would take longer.
_LITTLE_BYTES = 256 * 1024
#: Long new files for which a file of the same length is looked up.
_LOOKED_UP_MAX = 64


@dataclass(slots=True)
class Looked:
    """What differs, and since when nothing may have changed there for that to be all.

    `to_send`: files with new content, and their bytes. `by_record`: nothing was asked of the remote side.
    """

    connection: Connection
    path: Path
    since: int
    incarnation: int
    by_record: bool
    comparison: Comparison
    pair: Pair | None
    preserve: bool
    top: Here
    seen: list[tuple[bytes, list[ChunkRef]]] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        """In the order of a walk."""
        return self.comparison.changes

    @property
    def counts(self) -> Counts:
        """Names on both sides."""
        return self.comparison.counts

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done there."""
        return all(change.act == "row" for change in self.changes)

    @property
    def to_send(self) -> tuple[int, int]:
        """See above."""
        sizes = [
            change.here.status.st_size
            for change in self.changes
            if change.act in ("make", "write") and change.here is not None and change.here.kind == "file"
        ]
        return len(sizes), sum(sizes)

    @property
    def is_new(self) -> bool:
        """Whether nothing is there yet: the first change makes the top."""
        return bool(self.changes) and not self.changes[0].path

    def plan(self, durability: Durability | None, *, detached: bool = False) -> PublishPlan:
        """The operations of these changes, from the beginning; `detached`: in a tree of its own."""
        directories = dict(self.comparison.directories)
        if self.preserve:
            directories[b""] = self.top
        return PublishPlan(
            Path(b"/") if detached else self.path,
            preserve=self.preserve,
            closed=self.comparison.closed,
            directories=directories,
            durability=durability,
            final=detached,
        )

    def below(self, path: bytes) -> Path:
        """The path of something in the remote directory."""
        return Path(self.path.rstrip(b"/") + b"/" + path)

    async def chunks_there(self, at: int) -> KnownChunks:
        """Chunks that files of the remote tree have, with these as bases as of the commit `at`."""
        chunks = KnownChunks()
        if self.to_send[1] <= _LITTLE_BYTES:
            return chunks
        if not self.by_record:
            for path, refs in self.seen:
                chunks.learn(self._base(path, at), refs)
        elif self.pair is not None:
            long = await on_disk(self._learn_rows, self.pair.known(), chunks, at)
            for path in long[:_LOOKED_UP_MAX]:
                await learn_present(self.connection, self.below(path), chunks)
        return chunks

    def _learn_rows(self, rows: Iterable[Known], chunks: KnownChunks, at: int) -> list[bytes]:
        """Learn files of one chunk; give the long ones that are as long as a new one."""
        sizes = {
            change.here.status.st_size
            for change in self.changes
            if change.act == "make" and change.here is not None and change.here.kind == "file"
        }
        long: list[bytes] = []
        for row in rows:
            if row.kind != "file" or not row.size:
                continue
            if row.size > SINGLE_MAX_BYTES:
                if row.size in sizes:
                    long.append(row.path)
            elif not chunks.full:
                chunks.learn(self._base(row.path, at), [(row.content, row.size)])
        return long

    def _base(self, path: bytes, at: int) -> Base:
        text, base64 = names.to_text(self.below(path))
        return Base(path=text, path_b64=base64, at=at)


class Looking:
    """One look."""

    def __init__(
        self,
        connection: Connection,
        local: LocalPath,
        resolved: Resolved,
        pair: Pair | None,
        skips: Skips,
    ) -> None:
        self._connection = connection
        self._local = os.fsencode(local)
        self._resolved = resolved
        self._pair = pair
        self._skips = skips
        self._seen: list[tuple[bytes, list[ChunkRef]]] = []
        self._room = KNOWN_MAX

    async def run(self, *, trusts: bool, preserve: bool, distrust: bool) -> Looked:
        """Compare. `trusts`: the record says what is there, if it says anything.

        Raises Torn, and what walking through the directory raises.
        """
        pair, resolved = self._pair, self._resolved
        kept = pair is not None and pair.kept
        by_record = (
            trusts
            and pair is not None
            and resolved.entry is not None
            and pair.incarnation == resolved.incarnation
            and (kept or not preserve)
        )
        ways = Ways(walked=not by_record, preserve=preserve, kept=kept, distrust=distrust)
        clock = self._connection.clock
        comparison = Comparison(ways, read_content, lambda: clock.now_us() * 1000)
        top = Here(b"", "directory", await on_disk(os.stat, self._local), self._local)
        if resolved.entry is None:
            comparison.changes.append(Change(b"", "make", top))
        elif resolved.entry.mode & 0o300 != 0o300:
            comparison.closed[b""] = resolved.entry.mode
        merge = await on_disk(self._merge)
        since = resolved.commit
        if by_record and pair is not None and pair.commit is not None:
            since = pair.commit
            await on_disk(_see, comparison, merge.end())
        else:
            since = await self._walk(comparison, merge)
        await self._settle_doubts(comparison, since)
        return Looked(
            self._connection,
            resolved.path,
            since,
            resolved.incarnation,
            by_record,
            comparison,
            pair,
            preserve,
            top,
            self._seen,
        )

    def _merge(self) -> WalkMerge[There]:
        rows = () if self._pair is None else self._pair.known()
        return WalkMerge(walk_local(self._local, lambda path, why: self._skips.add(path, [why])), rows)

    async def _walk(self, comparison: Comparison, merge: WalkMerge[There]) -> int:
        """Walk through the remote directory; the commit that was read."""
        commit = self._resolved.commit
        if self._resolved.entry is not None:
            pages = walk_pages(self._connection, self._resolved.path, None, contents=True)
            async with aclosing(pages) as found:
                async for page in found:
                    commit = page.commit
                    await on_disk(self._take, comparison, merge, page.items)
        await on_disk(_see, comparison, merge.end())
        return commit

    def _take(self, comparison: Comparison, merge: WalkMerge[There], items: list[WalkItem]) -> None:
        page = [There.of_item(item) for item in items]
        for there in page:
            if there.chunks and self._room > 0:
                self._seen.append((there.path, there.chunks))
                self._room -= len(there.chunks)
        _see(comparison, merge.take(page))

    async def _settle_doubts(self, comparison: Comparison, at: int) -> None:
        """Of files whose chunks a walk does not tell: find out whether they are what they were."""
        for change in comparison.changes:
            if change.doubtful and change.content is not None:
                content = await self._content(change.path, at)
                if content == change.content:
                    comparison.is_same(change)

    async def _content(self, path: bytes, at: int) -> bytes | None:
        text = PathText.of(Path(self._resolved.path.rstrip(b"/") + b"/" + path))
        chunks: list[ChunkRef] = []
        start: int | None = 0
        while start is not None:
            request = OpenRequest(
                path=text.path, path_b64=text.path_b64, at=str(at), start=start, limit=OPEN_CHUNKS_MAX
            )
            try:
                reply = await self._connection.control.ask(endpoints.OPEN, request)
            except (Missing, Conflict, Denied):
                return None
            chunks += reply.chunks
            start = reply.next_start
        return content_of(chunks)


def _see(comparison: Comparison, met: Iterable[Met[There]]) -> None:
    for one in met:
        comparison.see(one)
