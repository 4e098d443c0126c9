"""Getting a tree out of the cluster, as it was at one commit.

The walk gives files with their chunks; its directories are made here, all else is queued in batches for those
who get it (`batches.py`). What belongs here: the way through the tree, and its end. What does not: one file
(`file.py`), what stands beside content (`attributes.py`), what `cp -r` would choose as the target.
Used from one event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from cairnfs.client.connection import Connection
from cairnfs.client.get.attributes import KeptAtCommit, Unfinished, finish
from cairnfs.client.get.batches import Getting
from cairnfs.client.get.recording import WAITING_MAX, Recording, Remembered, Row, record_of
from cairnfs.client.get.unchanged import Unchanged
from cairnfs.client.get.wanted import First, Trust, Wanted, batches
from cairnfs.client.listing import find_root, walk_pages
from cairnfs.client.local.attributes import Kept
from cairnfs.client.local.clashes import Clashes
from cairnfs.client.local.files import LocalPath
from cairnfs.client.local.naming import Capabilities, require_nameable
from cairnfs.client.local.places import Aside, make_inside, make_root
from cairnfs.client.progress import Meter
from cairnfs.client.record.record import Known, Pair, Record, content_of
from cairnfs.client.results import OnProgress, Tree
from cairnfs.client.search import du
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.errors import CairnError
from cairnfs.ids import Path
from cairnfs.wire.directory import Entry, WalkItem, WalkReply

WORKERS = 3
_QUEUE_MAX = 4
#: Things whose extended attributes are asked for together: 16 MiB where each has as many as may be.
_ATTRIBUTED = 128


class GetTree:
    """One tree on its way. What the local system cannot hold is refused before anything is written."""

    def __init__(
        self,
        connection: Connection,
        remote: Path,
        local: LocalPath,
        *,
        commit: int,
        incarnation: int,
        preserve: bool,
        tell: OnProgress | None,
        record: Record | None = None,
        trust: Trust | None = None,
        aside: Aside | None = None,
        exact: bool = False,
    ) -> None:
        """`commit` is the one that is read, of that incarnation; `remote` is a directory there.

        `record` tells what is here already. Without `aside` directories and files stand in each other's way.
        `exact`: where there is more here than there is to be, that counts as a difference.
        """
        self.connection = connection
        self._remote = remote
        self._local = os.fsencode(local)
        self._commit = commit
        self._incarnation = incarnation
        self._beside = KeptAtCommit(connection, commit, follow=False) if preserve else None
        self._meter = Meter(connection.clock, tell, "receiving")
        self._skips = Skips()
        self._record = record
        self._trust = trust or Trust()
        self._aside = aside
        self._exact = exact
        self._pair: Pair | None = None
        self._directories = 0
        self._firsts: dict[int, First] = {}
        self._queue: asyncio.Queue[list[Wanted] | None] = asyncio.Queue(_QUEUE_MAX)
        self._remembered: Remembered | None = None
        self._recording: Recording | None = None
        self._getting = Getting(connection, commit, incarnation, self._meter, self._skips, aside, keep=exact)

    async def run(self, root: Entry) -> Tree:
        """Get everything; `local` is the tree's root itself afterwards."""
        hold = await self.connection.sessions.hold(self._commit)
        try:
            return await self.look() or await self.get_all(root)
        finally:
            hold.release()

    @property
    def pair(self) -> Pair | None:
        """What the record knows of these directories, once it was looked up, if it is of this incarnation."""
        return self._pair if self._pair is not None and self._pair.incarnation == self._incarnation else None

    @property
    def same(self) -> int:
        """Names, of whatever but directories, that were here as they are to be, once all is got."""
        return self._getting.same

    async def look(self) -> Tree | None:
        """What is here, where the record tells that nothing is to be done. Under a hold on the commit."""
        if self._record is None:
            return None
        with suppress(OSError):
            self._pair = await on_disk(self._record.pair, self._local, self._remote)
        if self._pair is None or not self._trust.record:
            return None
        self._meter.enter("looking")
        found = await Unchanged(
            self.connection,
            self._pair,
            self._remote,
            commit=self._commit,
            incarnation=self._incarnation,
            preserve=self._beside is not None,
            exact=self._exact,
            meter=self._meter,
        ).look()
        if found is None:
            self._meter.files = self._meter.bytes = 0
            return None
        self._meter.finish()
        return Tree(
            files=found.files,
            directories=found.directories,
            bytes=found.size,
            commit=self._commit,
            symlinks=found.symlinks,
            links=found.links,
            unchanged=found.files,
        )

    async def get_all(self, root: Entry) -> Tree:
        """Get what is not here already. Under a hold on the commit."""
        self._meter.enter("receiving")
        downloads, getting = self.connection.downloads, self._getting
        received, cached = downloads.received_bytes, downloads.cached_bytes
        try:
            await self._require_nameable()
            await self._work(root)
            if self._recording is not None:
                await self._recording.finish()
        finally:
            if self._recording is not None:
                await on_disk(self._recording.abandon)
        self._meter.finish()
        return Tree(
            files=self._meter.files,
            directories=self._directories,
            bytes=self._meter.bytes,
            received_bytes=downloads.received_bytes - received,
            cached_bytes=downloads.cached_bytes - cached,
            commit=self._commit,
            skipped=tuple(self._skips.listed),
            skipped_count=self._skips.count,
            symlinks=getting.symlinks,
            links=getting.links,
            unchanged=getting.unchanged,
        )

    async def _require_nameable(self) -> None:
        """Where the local system does not hold every name, look at all of them first. Raises BadName."""
        await on_disk(require_nameable, self._local)
        holds = await on_disk(Capabilities.probe, self._local)
        if holds.unlimited:
            return
        clashes = Clashes(holds, root=self._remote, local=self._local)
        async with aclosing(walk_pages(self.connection, self._remote, str(self._commit))) as pages:
            async for page in pages:
                met = [(self._path(item), item.entry.kind) for item in page.items]
                await on_disk(clashes.see, met)
        clashes.require_none()

    async def _work(self, root: Entry) -> None:
        """Find things and get them, until all is done or one fails."""
        tasks = [asyncio.create_task(self._find(root))]
        tasks += [asyncio.create_task(self._get_on()) for _ in range(WORKERS)]
        counting = asyncio.create_task(self._count()) if self._meter.listened else None
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
            # Of some, not all names are in the tree.
            await finish([first.within for first in self._firsts.values() if first.within.less()])
        finally:
            tasks += [] if counting is None else [counting]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _count(self) -> None:
        """What there is to do, for those who watch; not to know it is no trouble."""
        with suppress(CairnError):
            async with aclosing(du(self, self._remote, depth=0, at=self._commit)) as usages:
                async for usage in usages:
                    self._meter.files_total, self._meter.bytes_total = usage.files, usage.size

    async def _get_on(self) -> None:
        """Get one batch after the other until there are none left."""
        while (batch := await self._queue.get()) is not None:
            await self._getting.get(batch)

    async def _find(self, root: Entry) -> None:
        """Make the directories and queue all else; afterwards one end for each worker."""
        [kept] = await self._kept([(self._remote, root)])
        new = await on_disk(make_root, self._local, root.mode)
        self._directories = 1
        over = [Unfinished(self._remote, self._local, root.mode, kept, new, None, self._skips)]
        if self._record is not None:
            await self._remember(self._record)
        walk = walk_pages(self.connection, self._remote, str(self._commit), contents=True)
        async with aclosing(walk) as pages:
            async for page in pages:
                for items in self._parts(page):
                    await self._take(items, over)
        while over:
            await self._leave([over.pop()])
        for _ in range(WORKERS):
            await self._queue.put(None)

    def _parts(self, page: WalkReply) -> Iterator[Sequence[WalkItem]]:
        """A page, in parts where there may be too many attributes in it."""
        many = self._beside is not None and any(item.entry.xattrs is not None for item in page.items)
        step = _ATTRIBUTED if many else max(len(page.items), 1)
        for start in range(0, len(page.items), step):
            yield page.items[start : start + step]

    async def _take(self, items: Sequence[WalkItem], over: list[Unfinished]) -> None:
        """The next things of the walk: directories are made, all else is queued."""
        met = [(self._path(item), item.entry) for item in items]
        rows, known = await self._look_up(met, items)
        wanted: list[Wanted] = []
        made: list[Unfinished] = []
        left: list[Unfinished] = []
        for number, ((path, entry), kept) in enumerate(zip(met, await self._kept(met), strict=True)):
            while not over[-1].holds(path):
                left.append(over.pop())
            local, within, row = self._local_path(path), over[-1], rows[number]
            within.more()
            if entry.kind == "directory":
                over.append(Unfinished(path, local, entry.mode, kept, False, within, self._skips))
                made.append(over[-1])
                continue
            first = self._first(entry, local, within)
            chunks = items[number].chunks
            wanted.append(Wanted(path, entry, local, within, kept, chunks, row, known[number], first))
        if made:
            await on_disk(self._make, made)
            self._directories += len(made)
        self._record_directories(items, rows)
        for batch in batches(wanted):
            await self._queue.put(batch)
        await self._leave(left)
        await self._record_on()

    def _make(self, directories: list[Unfinished]) -> None:
        for one in directories:
            one.new = make_inside(one.local, one.mode, one.kept is not None, self._aside)

    async def _leave(self, left: Sequence[Unfinished]) -> None:
        """The walk has been through these, the deepest first."""
        await finish([one for one in left if one.less()])

    async def _kept(self, met: Sequence[tuple[Path, Entry]]) -> Sequence[Kept | None]:
        """What these get beside their content."""
        if self._beside is None:
            return [None] * len(met)
        told = await self._beside.of(met)
        for (path, _), (_, lost) in zip(met, told, strict=True):
            self._skips.add(self._local_path(path), lost)
        return [kept for kept, _ in told]

    def _first(self, entry: Entry, local: bytes, within: Unfinished) -> First | None:
        """The first name that was met of what has several."""
        if entry.links == 1:
            return None
        first = self._firsts.get(entry.inode)
        if first is None:
            within.more()
            first = self._firsts[entry.inode] = First(local, within, entry.links, entry.links)
        first.met -= 1
        if first.met == 0:
            del self._firsts[entry.inode]
        return first

    def _path(self, item: WalkItem) -> Path:
        return Path(self._remote.removesuffix(b"/") + b"/" + item.raw_path())

    def _local_path(self, path: Path) -> bytes:
        inside = path.removeprefix(self._remote.removesuffix(b"/"))
        return self._local + inside.replace(b"/", os.fsencode(os.sep))

    # The record.

    async def _remember(self, record: Record) -> None:
        """Look up what the record knows, and begin the next one."""

        def begin() -> Pair:
            pair = self._pair or record.pair(self._local, self._remote)
            if pair.incarnation == self._incarnation:
                self._remembered = Remembered(pair)
            return pair

        try:
            pair = await on_disk(begin)
        except OSError:
            return
        kept = self._beside is not None
        self._getting.trust = replace(self._trust, attributes=pair.kept or not kept)
        self._recording = Recording(pair, self._commit, self._incarnation, kept=kept)

    async def _look_up(
        self, met: Sequence[tuple[Path, Entry]], items: Sequence[WalkItem]
    ) -> tuple[Sequence[Row | None], Sequence[Known | None]]:
        """Rows to be recorded of these, and what the record has known of them."""
        nothing = [None] * len(met)
        if self._recording is None:
            return nothing, nothing
        rows = []
        for (path, entry), item in zip(met, items, strict=True):
            content = b"" if item.chunks is None else content_of(item.chunks)
            if entry.kind == "symlink":
                content = entry.raw_target()
            row = Row(
                path=item.raw_path(),
                local=self._local_path(path),
                kind=entry.kind,
                etag=entry.etag,
                mode=entry.mode,
                size=entry.size,
                content=b"" if entry.kind == "directory" else content,
            )
            rows.append(self._recording.expect(row))
        if self._remembered is None:
            return rows, nothing
        return rows, await on_disk(self._remembered.find, [row.path for row in rows])

    def _record_directories(self, items: Sequence[WalkItem], rows: Sequence[Row | None]) -> None:
        for item, row in zip(items, rows, strict=True):
            if row is not None and item.entry.kind == "directory":
                row.done = True
                if self._beside is not None:
                    row.ends_with = (item.entry.mode, item.entry.mtime_ns)

    async def _record_on(self) -> None:
        """Record what is done; where too much waits for a long file, wait for it."""
        while self._recording is not None:
            await self._recording.flush()
            if self._recording.waiting <= WAITING_MAX:
                return
            await self.connection.clock.sleep(0.05)


async def get_tree(
    connection: Connection,
    remote: Path,
    local: LocalPath,
    *,
    at: str | None,
    preserve: bool,
    tell: OnProgress | None,
) -> Tree:
    """Get everything below `remote`, as of one commit. Raises NotFound, NotADirectory, BadName."""
    root = await find_root(connection, remote, at)
    record = await record_of(connection)
    tree = GetTree(
        connection,
        remote,
        local,
        commit=root.commit,
        incarnation=root.incarnation,
        preserve=preserve,
        tell=tell,
        record=record,
    )
    try:
        return await tree.run(root.entry)
    finally:
        if record is not None:
            await on_disk(record.close)
