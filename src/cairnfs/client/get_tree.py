"""Getting files out of the cluster: one file, or a tree as it was at one commit.

Each local file takes its place when it is whole. Many small files are on their way at once, so that
their chunks share requests; of long ones two. What belongs here: the way from versions to local
files. What does not: what `cp -r` would choose as the target. Used from one event loop.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from dataclasses import dataclass

from cairnfs.client.clashes import Clashes
from cairnfs.client.connection import Connection
from cairnfs.client.download import Extent
from cairnfs.client.draft import Draft
from cairnfs.client.listing import walk
from cairnfs.client.local_files import LocalPath, make_directory
from cairnfs.client.local_naming import Capabilities, require_nameable
from cairnfs.client.progress import Meter
from cairnfs.client.reading import Version, open_version
from cairnfs.client.results import OnProgress, Tree
from cairnfs.client.workers import on_disk
from cairnfs.core.chunking import SINGLE_MAX_BYTES
from cairnfs.ids import Path
from cairnfs.wire.directory import Entry

WORKERS = 16
LONG_WORKERS = 2
_QUEUE_MAX = 64
_NAMES_AT_ONCE = 1000


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
    await _save(version, os.fsencode(local), preserve, meter)
    meter.finish()
    received = connection.downloads.received_bytes - before
    return Tree(files=1, bytes=version.size, received_bytes=received, commit=version.commit)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file of the tree, its bytes, and where it goes."""

    path: Path
    size: int
    local: bytes


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
        self._preserve = preserve
        self._meter = Meter(connection.clock, tell)
        self._directories = 0
        self._wanted: asyncio.Queue[_Wanted | None] = asyncio.Queue(_QUEUE_MAX)
        self._long = asyncio.Semaphore(LONG_WORKERS)

    async def run(self, root: Entry) -> Tree:
        """Get everything; `local` is the tree's root itself afterwards."""
        before = self._connection.downloads.received_bytes
        hold = await self._connection.sessions.hold(self._commit)
        try:
            await self._require_nameable()
            await on_disk(make_directory, self._local, root.mode)
            await self._work()
        finally:
            hold.release()
        self._meter.finish()
        return Tree(
            files=self._meter.files,
            directories=self._directories + 1,
            bytes=self._meter.bytes,
            received_bytes=self._connection.downloads.received_bytes - before,
            commit=self._commit,
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

    async def _work(self) -> None:
        """Find files and get them, until all is done or one fails."""
        finding = asyncio.create_task(self._find())
        workers = [asyncio.create_task(self._get_on()) for _ in range(WORKERS)]
        try:
            await asyncio.wait([finding, *workers], return_when=asyncio.FIRST_EXCEPTION)
            for task in (finding, *workers):
                if task.done():
                    task.result()
        finally:
            for task in (finding, *workers):
                task.cancel()
            await asyncio.gather(finding, *workers, return_exceptions=True)

    async def _find(self) -> None:
        """Make the directories and queue the files; afterwards one end for each worker."""
        async with aclosing(walk(self._connection, self._remote, str(self._commit))) as found:
            async for path, entry in found:
                local = self._local_path(path)
                if entry.kind == "directory":
                    await on_disk(make_directory, local, entry.mode)
                    self._directories += 1
                else:
                    await self._wanted.put(_Wanted(path, entry.size, local))
        for _ in range(WORKERS):
            await self._wanted.put(None)

    def _local_path(self, path: Path) -> bytes:
        inside = path.removeprefix(self._remote.removesuffix(b"/"))
        return self._local + inside.replace(b"/", os.fsencode(os.sep))

    async def _get_on(self) -> None:
        """Get files one after the other until there are none left."""
        budget = self._connection.budget
        while (wanted := await self._wanted.get()) is not None:
            if wanted.size > SINGLE_MAX_BYTES:
                async with self._long:
                    await self._get(wanted)
                continue
            await budget.take(wanted.size)
            try:
                await self._get(wanted)
            finally:
                budget.give(wanted.size)

    async def _get(self, wanted: _Wanted) -> None:
        version = await open_version(self._connection, wanted.path, str(self._commit))
        await _save(version, wanted.local, self._preserve, self._meter)


async def _save(version: Version, local: bytes, preserve: bool, meter: Meter) -> None:
    """Write one version to its local place."""
    mtime_us = version.entry.mtime_us if preserve else None
    if version.size <= SINGLE_MAX_BYTES:
        async with aclosing(version.extents()) as extents:
            short = [extent async for extent in extents]
        await on_disk(_save_short, short, local, version.entry.mode, mtime_us)
        meter.moved(version.size)
    else:
        draft = await on_disk(Draft, local, version.entry.mode)
        try:
            async with aclosing(version.extents()) as extents:
                async for _, part in extents:
                    for piece in draft.taken(part):
                        await on_disk(draft.append, piece)
                        meter.moved(piece if isinstance(piece, int) else len(piece))
            await on_disk(draft.publish, mtime_us)
        finally:
            draft.discard()
    meter.done()


def _save_short(extents: list[Extent], local: bytes, mode: int, mtime_us: int | None) -> None:
    draft = Draft(local, mode)
    try:
        for _, part in extents:
            draft.append(part)
        draft.publish(mtime_us)
    finally:
        draft.discard()
