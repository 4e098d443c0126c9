"""Looking at both sides of a publish: by the record alone, or by walking through the remote directory.

What belongs here: which of the two, and what comes of it. What does not: the decision for each path
(`compare.py`), sending. Used from one event loop; local files are looked at on another thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from itertools import islice

from cairnfs.client.connection import Connection
from cairnfs.client.known import KNOWN_MAX
from cairnfs.client.listing import walk_pages
from cairnfs.client.local.content import read_content
from cairnfs.client.local.files import LocalPath
from cairnfs.client.local.walk import Here, walk_local
from cairnfs.client.progress import Meter
from cairnfs.client.publish.compare import Comparison, There, Ways
from cairnfs.client.publish.looked import Looked
from cairnfs.client.record.record import Pair, content_of
from cairnfs.client.record.walk_merge import Met, WalkMerge
from cairnfs.client.resolving import Resolved
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.errors import Conflict, Denied, Missing
from cairnfs.ids import Path
from cairnfs.wire import endpoints
from cairnfs.wire.directory import OPEN_CHUNKS_MAX, ChunkRef, OpenRequest, PathText, WalkItem

#: Names that are looked at on the other thread at one go.
_AT_ONCE = 20_000


class Looking:
    """One look."""

    def __init__(
        self,
        connection: Connection,
        local: LocalPath,
        resolved: Resolved,
        pair: Pair | None,
        skips: Skips,
        meter: Meter,
    ) -> None:
        self._connection = connection
        self._local = os.fsencode(local)
        self._resolved = resolved
        self._pair = pair
        self._skips = skips
        self._meter = meter
        self._seen: list[tuple[bytes, list[ChunkRef]]] = []
        self._room = KNOWN_MAX

    async def run(self, *, trusts: bool, preserve: bool, distrust: bool, whole: bool) -> Looked:
        """Compare. `trusts`: the record says what is there, if it says anything.

        Where nothing is there, all is to be made, and only `whole` says that it has to be known what that is.
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
        if resolved.entry is not None and resolved.entry.mode & 0o300 != 0o300:
            comparison.closed[b""] = resolved.entry.mode
        found = Looked(
            self._connection,
            resolved.path,
            resolved.commit,
            resolved.incarnation,
            by_record,
            comparison,
            pair,
            preserve,
            top,
            self._seen,
        )
        if resolved.entry is None and not whole:
            found.all_of_it = lambda: WalkMerge[There](self._here(), ()).end()
            return found
        if resolved.entry is None:
            comparison.changes.append(found.making_top)
        merge = await on_disk(self._merge)
        if by_record and pair is not None and pair.commit is not None:
            found.since = pair.commit
            await self._end(comparison, merge)
        else:
            found.since = await self._walk(comparison, merge)
        await self._settle_doubts(comparison, found.since)
        return found

    def _merge(self) -> WalkMerge[There]:
        rows = () if self._pair is None else self._pair.known()
        return WalkMerge(self._here(), rows)

    def _here(self) -> Iterator[Here]:
        return walk_local(self._local, lambda path, why: self._skips.add(path, [why]))

    async def _walk(self, comparison: Comparison, merge: WalkMerge[There]) -> int:
        """Walk through the remote directory; the commit that was read."""
        commit = self._resolved.commit
        if self._resolved.entry is not None:
            pages = walk_pages(self._connection, self._resolved.path, None, contents=True)
            async with aclosing(pages) as found:
                async for page in found:
                    commit = page.commit
                    await on_disk(self._take, comparison, merge, page.items)
                    self._meter.looked(comparison.counts.here)
        await self._end(comparison, merge)
        return commit

    async def _end(self, comparison: Comparison, merge: WalkMerge[There]) -> None:
        """What is met where nothing more is there."""
        met = merge.end()
        while await on_disk(_see, comparison, islice(met, _AT_ONCE)):
            self._meter.looked(comparison.counts.here)

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


def _see(comparison: Comparison, met: Iterable[Met[There]]) -> bool:
    """Compare these; whether there were any."""
    any_of_them = False
    for one in met:
        any_of_them = True
        comparison.see(one)
    return any_of_them
