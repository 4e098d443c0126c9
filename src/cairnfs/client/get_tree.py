"""Getting files out of the cluster: one file, or a tree as it was at one commit.

Each local file takes its place when it is whole. Many small files are on their way at once, so that
their chunks share requests; of long ones two. What belongs here: the way from versions to local
files. What does not: what stands beside their content (`get_attributes.py`), what `cp -r` would choose as the
target. Used from one event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from cairnfs.client.clashes import Clashes
from cairnfs.client.connection import Connection
from cairnfs.client.download import Extent
from cairnfs.client.draft import Draft
from cairnfs.client.get_attributes import KeptAtCommit, Unfinished
from cairnfs.client.listing import walk
from cairnfs.client.local_attributes import Kept
from cairnfs.client.local_files import LocalPath
from cairnfs.client.local_naming import Capabilities, require_nameable
from cairnfs.client.local_places import make_inside, make_link, make_root, make_symlink
from cairnfs.client.progress import Meter
from cairnfs.client.reading import Version, open_version
from cairnfs.client.results import OnProgress, Tree
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.core.chunking import SINGLE_MAX_BYTES
from cairnfs.ids import Path
from cairnfs.wire.directory import Entry

WORKERS = 16
LONG_WORKERS = 2
_QUEUE_MAX = 64
_NAMES_AT_ONCE = 1000
#: Things whose extended attributes are asked for together: 16 MiB where each has as many as may be.
_BATCH = 128


async def get_file(
    connection: Connection,
    path: Path,
    local: LocalPath,
    *,
    at: str | None,
    preserve: bool,
    tell: OnProgress | None,
) -> Tree:
    """The file at `path` becomes the local file."""
    await on_disk(require_nameable, local)
    version = await open_version(connection, path, at)
    meter = Meter(connection.clock, tell)
    meter.files_total, meter.bytes_total = 1, version.size
    before = connection.downloads.received_bytes
    skips = Skips()
    target, kept = os.fsencode(local), None
    if preserve:
        beside = KeptAtCommit(connection, version.commit, follow=True)
        [(kept, lost)] = await beside.of([(path, version.entry)])
        skips.add(target, lost)
    skips.add(target, await _save(version, target, meter, kept, follow=True))
    meter.finish()
    received = connection.downloads.received_bytes - before
    return Tree(
        files=1,
        bytes=version.size,
        received_bytes=received,
        commit=version.commit,
        skipped=tuple(skips.listed),
        skipped_count=skips.count,
    )


@dataclass(slots=True)
class _First:
    """The first name of a file that has several. Its directory is not finished before the last is made.

    So many are still to be `met`, and to be `made`.
    """

    local: bytes
    within: Unfinished
    met: int
    made: int
    there: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Something of the tree that is no directory, and where it goes."""

    path: Path
    entry: Entry
    local: bytes
    within: Unfinished
    kept: Kept | None
    first: _First | None = None


class GetTree:
    """One tree on its way. What the local system cannot hold is refused before anything is written."""

    def __init__(
        self,
        connection: Connection,
        remote: Path,
        local: LocalPath,
        *,
        commit: int,
        preserve: bool,
        tell: OnProgress | None,
    ) -> None:
        """`commit` is the one that is read; `remote` is a directory there."""
        self._connection = connection
        self._remote = remote
        self._local = os.fsencode(local)
        self._commit = commit
        self._beside = KeptAtCommit(connection, commit, follow=False) if preserve else None
        self._meter = Meter(connection.clock, tell)
        self._skips = Skips()
        self._directories = self._symlinks = self._links = 0
        self._firsts: dict[int, _First] = {}
        self._wanted: asyncio.Queue[_Wanted | None] = asyncio.Queue(_QUEUE_MAX)
        self._long = asyncio.Semaphore(LONG_WORKERS)

    async def run(self, root: Entry) -> Tree:
        """Get everything; `local` is the tree's root itself afterwards."""
        before = self._connection.downloads.received_bytes
        hold = await self._connection.sessions.hold(self._commit)
        try:
            await self._require_nameable()
            await self._work(root)
        finally:
            hold.release()
        self._meter.finish()
        return Tree(
            files=self._meter.files,
            directories=self._directories,
            bytes=self._meter.bytes,
            received_bytes=self._connection.downloads.received_bytes - before,
            commit=self._commit,
            skipped=tuple(self._skips.listed),
            skipped_count=self._skips.count,
            symlinks=self._symlinks,
            links=self._links,
        )

    async def _require_nameable(self) -> None:
        """Where the local system does not hold every name, look at all of them first. Raises BadName."""
        await on_disk(require_nameable, self._local)
        holds = await on_disk(Capabilities.probe, self._local)
        if holds.unlimited:
            return
        clashes = Clashes(holds, root=self._remote, local=self._local)
        async with aclosing(walk(self._connection, self._remote, str(self._commit))) as found:
            batch: list[tuple[bytes, str]] = []
            async for path, entry in found:
                batch.append((path, entry.kind))
                if len(batch) == _NAMES_AT_ONCE:
                    await on_disk(clashes.see, batch)
                    batch = []
        await on_disk(clashes.see, batch)
        clashes.require_none()

    async def _work(self, root: Entry) -> None:
        """Find things and get them, until all is done or one fails."""
        finding = asyncio.create_task(self._find(root))
        workers = [asyncio.create_task(self._get_on()) for _ in range(WORKERS)]
        try:
            await asyncio.wait([finding, *workers], return_when=asyncio.FIRST_EXCEPTION)
            for task in (finding, *workers):
                if task.done():
                    task.result()
            for first in self._firsts.values():
                # Some of its names are not in the tree.
                await first.within.less()
        finally:
            for task in (finding, *workers):
                task.cancel()
            await asyncio.gather(finding, *workers, return_exceptions=True)

    async def _find(self, root: Entry) -> None:
        """Make the directories and queue all else; afterwards one end for each worker."""
        [kept] = await self._kept([(self._remote, root)])
        new = await on_disk(make_root, self._local, root.mode)
        self._directories = 1
        over = [Unfinished(self._remote, self._local, root.mode, kept, new, None, self._skips)]
        async with aclosing(walk(self._connection, self._remote, str(self._commit))) as found:
            async for batch in _batches(found):
                for (path, entry), kept in zip(batch, await self._kept(batch), strict=True):
                    while not over[-1].holds(path):
                        await over.pop().less()
                    await self._take(path, entry, kept, over)
        while over:
            await over.pop().less()
        for _ in range(WORKERS):
            await self._wanted.put(None)

    async def _kept(self, batch: Sequence[tuple[Path, Entry]]) -> Sequence[Kept | None]:
        """What these get beside their content."""
        if self._beside is None:
            return [None] * len(batch)
        told = await self._beside.of(batch)
        for (path, _), (_, lost) in zip(batch, told, strict=True):
            self._skips.add(self._local_path(path), lost)
        return [kept for kept, _ in told]

    async def _take(self, path: Path, entry: Entry, kept: Kept | None, over: list[Unfinished]) -> None:
        local, within = self._local_path(path), over[-1]
        within.more()
        if entry.kind == "directory":
            new = await on_disk(make_inside, local, entry.mode, kept is not None)
            self._directories += 1
            over.append(Unfinished(path, local, entry.mode, kept, new, within, self._skips))
            return
        await self._wanted.put(_Wanted(path, entry, local, within, kept, self._first(entry, local, within)))

    def _first(self, entry: Entry, local: bytes, within: Unfinished) -> _First | None:
        """The first name that was met of what has several."""
        if entry.links == 1:
            return None
        first = self._firsts.get(entry.inode)
        if first is None:
            within.more()
            first = self._firsts[entry.inode] = _First(local, within, entry.links, entry.links)
        first.met -= 1
        if first.met == 0:
            del self._firsts[entry.inode]
        return first

    def _local_path(self, path: Path) -> bytes:
        inside = path.removeprefix(self._remote.removesuffix(b"/"))
        return self._local + inside.replace(b"/", os.fsencode(os.sep))

    async def _get_on(self) -> None:
        """Get one thing after the other until there are none left."""
        while (wanted := await self._wanted.get()) is not None:
            first = wanted.first
            if first is None or first.local == wanted.local or not await self._link(wanted, first):
                await self._get(wanted)
            if first is not None:
                first.there.set()
                first.made -= 1
                if first.made == 0:
                    await first.within.less()
            await wanted.within.less()

    async def _link(self, wanted: _Wanted, first: _First) -> bool:
        """Make it another name of what is here already; whether that can be."""
        # Whatever came first was taken from the queue before.
        await first.there.wait()
        linked = await on_disk(make_link, wanted.local, first.local)
        self._links += linked
        return linked

    async def _get(self, wanted: _Wanted) -> None:
        budget, size = self._connection.budget, wanted.entry.size
        if wanted.entry.kind == "symlink":
            target = wanted.entry.raw_target()
            self._skips.add(wanted.local, await on_disk(make_symlink, wanted.local, target, wanted.kept))
            self._symlinks += 1
        elif size > SINGLE_MAX_BYTES:
            async with self._long:
                await self._get_file(wanted)
        else:
            await budget.take(size)
            try:
                await self._get_file(wanted)
            finally:
                budget.give(size)

    async def _get_file(self, wanted: _Wanted) -> None:
        version = await open_version(self._connection, wanted.path, str(self._commit))
        lost = await _save(version, wanted.local, self._meter, wanted.kept, follow=False)
        self._skips.add(wanted.local, lost)


async def _batches(
    found: AsyncIterable[tuple[Path, Entry]],
) -> AsyncIterator[list[tuple[Path, Entry]]]:
    """A walk, a few at a time."""
    batch: list[tuple[Path, Entry]] = []
    async for one in found:
        batch.append(one)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


async def _save(
    version: Version, local: bytes, meter: Meter, kept: Kept | None, *, follow: bool
) -> list[str]:
    """Write one version to its local place. What could not be kept, in words."""
    mode = version.entry.mode
    if version.size <= SINGLE_MAX_BYTES:
        async with aclosing(version.extents()) as extents:
            short = [extent async for extent in extents]
        lost = await on_disk(_save_short, short, local, mode, kept, follow)
        meter.moved(version.size)
    else:
        draft = await on_disk(lambda: Draft(local, mode, follow=follow))
        try:
            async with aclosing(version.extents()) as extents:
                async for _, part in extents:
                    for piece in draft.taken(part):
                        await on_disk(draft.append, piece)
                        meter.moved(piece if isinstance(piece, int) else len(piece))
            lost = await on_disk(draft.publish, kept)
        finally:
            draft.discard()
    meter.done()
    return lost


def _save_short(extents: list[Extent], local: bytes, mode: int, kept: Kept | None, follow: bool) -> list[str]:
    draft = Draft(local, mode, follow=follow)
    try:
        for _, part in extents:
            draft.append(part)
        return draft.publish(kept)
    finally:
        draft.discard()
