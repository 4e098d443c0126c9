"""Getting batches of what a tree holds: short files by the hundreds, long ones alone, links, symlinks.

Short files cost one or two requests to each fileserver and two hops to another thread for all of them; of
long ones two are on their way at once. What is here already and equal stays as it is. Each local file takes
its place when it is whole. What does not belong here: finding what there is (`tree.py`), one file
(`file.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from cairnfs.client.connection import Connection
from cairnfs.client.get.attributes import Unfinished, finish
from cairnfs.client.get.file import same_version, save
from cairnfs.client.get.wanted import Trust, Wanted, give_beside, here_already, is_long
from cairnfs.client.local.batch import Short, place_all
from cairnfs.client.local.comparison import OldFile, as_chunks
from cairnfs.client.local.places import Aside, is_link, make_link, make_symlink
from cairnfs.client.progress import Meter
from cairnfs.client.reading import Version, open_version
from cairnfs.client.record.record import content_of
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.errors import CairnError
from cairnfs.ids import Hash
from cairnfs.wire.directory import OpenReply

LONG_WORKERS = 2


class Getting:
    """Gets what it is given; counts what came."""

    def __init__(
        self,
        connection: Connection,
        commit: int,
        incarnation: int,
        meter: Meter,
        skips: Skips,
        aside: Aside | None,
        *,
        keep: bool,
    ) -> None:
        """`keep`: what there is of a long file stays beside its place if this fails, for the next time."""
        self._keep = keep
        self.unchanged = self.symlinks = self.links = 0
        #: Names, of whatever but directories, that were as they are to be.
        self.same = 0
        self.trust = Trust()
        self._connection = connection
        self._commit = commit
        self._incarnation = incarnation
        self._meter = meter
        self._skips = skips
        self._aside = aside
        self._long = asyncio.Semaphore(LONG_WORKERS)

    async def get(self, batch: Sequence[Wanted]) -> None:
        """Get these; their directories are there. What has several names comes in the order of the walk."""
        leading = [wanted for wanted in batch if wanted.is_first]
        await self._get(leading)
        await self._done(leading)
        # All that these are other names of was begun before: nobody waits in a circle.
        others = [wanted for wanted in batch if not wanted.is_first]
        if others:
            await self._link(others)
            await self._done(others)

    async def _done(self, batch: Sequence[Wanted]) -> None:
        """All of these are there."""
        complete: list[Unfinished] = []
        for wanted in batch:
            if wanted.row is not None:
                wanted.row.done = True
            first = wanted.first
            if first is not None:
                first.there.set()
                first.made -= 1
                if first.made == 0 and first.within.less():
                    complete.append(first.within)
            if wanted.within.less():
                complete.append(wanted.within)
        await finish(complete)

    async def _link(self, others: Sequence[Wanted]) -> None:
        """Make further names of what is here already; where that cannot be, files of their own."""
        alone: list[Wanted] = []
        for wanted in others:
            assert wanted.first is not None
            await wanted.first.there.wait()
            if await on_disk(is_link, wanted.local, wanted.first.local):
                self.links += 1
                self.same += 1
            elif await on_disk(make_link, wanted.local, wanted.first.local, self._aside):
                self.links += 1
            else:
                alone.append(wanted)
        await self._get(alone)

    async def _get(self, batch: Sequence[Wanted]) -> None:
        """Get these, whatever they are."""
        missing = list(batch)
        if any(not wanted.within.new for wanted in batch):
            missing = []
            for wanted, lost in await on_disk(here_already, batch, self.trust):
                if lost is None:
                    missing.append(wanted)
                else:
                    self.unchanged += wanted.entry.kind == "file"
                    self.same += 1
                    self._count(wanted, lost)
        short = [wanted for wanted in missing if not is_long(wanted)]
        if short:
            await self._get_short(short)
        for wanted in missing:
            if is_long(wanted):
                async with self._long:
                    await self._get_long(wanted)

    def _count(self, wanted: Wanted, lost: Sequence[str], size: int | None = None) -> None:
        """It is there; `size` bytes of it are still to be told."""
        self._skips.add(wanted.local, lost)
        if wanted.entry.kind == "symlink":
            self.symlinks += 1
        else:
            self._meter.moved(wanted.entry.size if size is None else size)
            self._meter.done()

    async def _get_short(self, batch: Sequence[Wanted]) -> None:
        """Fetch what these hold, and write them."""
        budget = self._connection.budget
        size = sum(wanted.entry.size for wanted in batch if wanted.entry.kind == "file")
        await budget.take(size)
        try:
            chunks = [chunk for wanted in batch for chunk in as_chunks(wanted.chunks or ())]
            contents = await self._connection.downloads.fetch_many(chunks)
            losses = await on_disk(self._place, batch, contents)
        finally:
            budget.give(size)
        for wanted, lost in zip(batch, losses, strict=True):
            self._count(wanted, lost)

    def _place(self, batch: Sequence[Wanted], contents: Mapping[Hash, bytes]) -> list[Sequence[str]]:
        """Runs on another thread."""
        files: list[Short] = []
        losses: list[Sequence[str]] = []
        for wanted in batch:
            if wanted.entry.kind == "symlink":
                continue
            fresh = wanted.within.new
            files.append(Short(wanted.local, wanted.entry.mode, wanted.chunks or (), wanted.kept, fresh))
        placed = iter(place_all(files, contents, self._aside))
        for wanted in batch:
            if wanted.entry.kind == "symlink":
                target = wanted.entry.raw_target()
                losses.append(make_symlink(wanted.local, target, wanted.kept, self._aside))
                continue
            now = next(placed)
            losses.append(now.lost)
            if wanted.row is not None:
                wanted.row.placed = (now.inode, now.size, now.mtime_ns)
        return losses

    async def _get_long(self, wanted: Wanted) -> None:
        """One file, from what is here as far as that has it."""
        version = await self._version(wanted)
        old = None if wanted.within.new else await on_disk(_open, wanted.local)
        try:
            if old is not None and await same_version(old, version):
                status = await on_disk(old.status)
                lost = await on_disk(give_beside, wanted, status)
                self.unchanged += 1
                self.same += 1
                self._count(wanted, lost)
                await self._name(wanted, version)
                return
            if old is not None:
                await on_disk(old.cut)
            lost = await save(
                self._connection,
                version,
                wanted.local,
                self._meter,
                wanted.kept,
                follow=False,
                old=old,
                aside=self._aside,
                resumes=True,
                keep=self._keep,
            )
        finally:
            if old is not None:
                await on_disk(old.close)
        self._count(wanted, lost, 0)
        if wanted.row is not None:
            with suppress(OSError):
                status = await on_disk(os.lstat, wanted.local)
                wanted.row.placed = (status.st_ino, status.st_size, status.st_mtime_ns)
            await self._name(wanted, version)

    async def _version(self, wanted: Wanted) -> Version:
        """What is to be read: opened, unless the walk told all of it."""
        if wanted.chunks is None:
            return await open_version(self._connection, wanted.path, str(self._commit))
        reply = OpenReply(
            commit=self._commit,
            incarnation=self._incarnation,
            entry=wanted.entry,
            chunks=list(wanted.chunks),
        )
        return Version(self._connection, wanted.path, reply)

    async def _name(self, wanted: Wanted, version: Version) -> None:
        """Name the content of a file for the record where the walk did not tell all of it."""
        if wanted.row is not None and wanted.chunks is None:
            wanted.row.content = content_of([chunk async for _, chunk in version.chunks()])


def _open(path: bytes) -> OldFile | None:
    """The regular file that is there."""
    try:
        return OldFile(path)
    except CairnError:
        return None
