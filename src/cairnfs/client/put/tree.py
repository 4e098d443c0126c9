"""Putting a local tree into the cluster, in one commit.

A tree where nothing is yet is built detached, page by page, and then attached; one that goes into what is
there is staged page by page; a small one is one request. While one page is made the next one's chunks are on
their way. Nothing is seen before the commit, and whatever fails leaves everything as it was. What belongs
here: one attempt from the first look to the commit, and how often it is made. What does not: what a tree
becomes (`plan.py`, `changes.py`), what the cluster has already (`present.py`), reading local files
(`reading.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from os.path import dirname

from cairnfs.client.connection import Connection
from cairnfs.client.known import KnownChunks, Reliance
from cairnfs.client.listing import stat_paths
from cairnfs.client.local.attributes import look_beside, process_umask
from cairnfs.client.local.files import (
    GONE,
    Found,
    LocalPath,
    local_errors,
    look,
    open_regular,
    scan,
)
from cairnfs.client.progress import Meter, Part
from cairnfs.client.put.changes import Changes
from cairnfs.client.put.places import AtOnce, InDetachedTree
from cairnfs.client.put.plan import Plan, Step, Window
from cairnfs.client.put.present import Bases
from cairnfs.client.put.reading import Taken, count, read_all, runs, take
from cairnfs.client.put.stash import Stash
from cairnfs.client.results import Durability, OnProgress, Skipped, Tree
from cairnfs.client.skips import Skips
from cairnfs.client.sources import Hashed, chunks_of
from cairnfs.client.upload import Upload
from cairnfs.client.workers import on_disk
from cairnfs.client.writing import UPLOADS_MAX, VOID
from cairnfs.core.durability import DURABILITIES
from cairnfs.errors import CairnError, Exists, NotADirectory, NotDurable, NotFound
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import Operation
from cairnfs.wire.directory import CONTENT_CHUNKS_MAX, ChunkRef, Entry

#: A file's chunks as they are to be; None where it is gone.
_Content = Sequence[ChunkRef] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be put where."""

    connection: Connection
    local: LocalPath
    remote: Path
    durability: Durability | None
    preserve: bool
    meter: Meter


async def put_tree(
    connection: Connection,
    local: LocalPath,
    remote: Path,
    *,
    durability: Durability | None,
    preserve: bool,
    tell: OnProgress | None,
) -> Tree:
    """Put everything below a local directory; `remote` is the tree's root itself afterwards."""
    root = await on_disk(look, local)
    if not root.directory:
        raise NotADirectory("local: it is no directory", path=names.printable(root.path))
    meter = Meter(connection.clock, tell)
    asked = Asked(connection, local, remote, durability, preserve, meter)
    counting = asyncio.create_task(_count(asked)) if meter.listened else None
    never: set[bytes] = set()
    sent_bytes = 0
    try:
        for made in range(1, UPLOADS_MAX + 1):
            stash = await Stash.begin(connection, remote)
            attempt = _Attempt(asked, stash, never, trusting=made < UPLOADS_MAX)
            try:
                return await attempt.run(root, sent_bytes)
            except (*VOID, Exists) as error:
                # Somebody made the tree's place meanwhile: then it goes into what is there.
                if made == UPLOADS_MAX or (isinstance(error, Exists) and not attempt.detached):
                    raise
                if isinstance(error, NotDurable):
                    never.update(error.chunks)
                    with suppress(CairnError):
                        await connection.policies.learn(remote, refused=True)
                sent_bytes += attempt.sent_bytes
                meter.files = 0
                meter.moved(-meter.bytes)
            finally:
                await stash.close()
        raise AssertionError("counted to the end")
    finally:
        if counting is not None:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)


async def _count(asked: Asked) -> None:
    """What there is to do, for those who watch."""
    asked.meter.files_total, asked.meter.bytes_total = await on_disk(count, asked.local)


async def _stop(running: Sequence[asyncio.Task[None]]) -> None:
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


class _Attempt:
    """One tree on its way."""

    def __init__(self, asked: Asked, stash: Stash, never: set[bytes], *, trusting: bool) -> None:
        """Chunks in `never` are sent; `trusting`: others need not be, where the cluster has them."""
        self.sent_bytes = 0
        self._asked = asked
        self._connection = asked.connection
        self._stash = stash
        self._never = never
        self._plan = Plan(asked.remote, self._look, preserve=asked.preserve)
        self._bases = Bases(asked.connection, asked.remote, stash, trusting=trusting)
        self._place: AtOnce | InDetachedTree | None = None
        self._looked_at = 0
        self._done = dict.fromkeys(("enter", "symlink", "link"), 0)
        self._unchanged = 0
        self._skips = Skips()
        self._gone: set[bytes] = set()

    @property
    def detached(self) -> bool:
        """Whether it is built where no name leads."""
        return isinstance(self._place, InDetachedTree)

    async def run(self, root: Found, sent_bytes: int) -> Tree:
        """Make it; so much was sent before. Raises what refused it: then nothing was changed."""
        # What is in a commit that was looked at stays there as long as this is held.
        hold = await self._connection.sessions.hold()
        running: list[asyncio.Task[None]] = []
        try:
            await self._begin(root)
            async with aclosing(self._windows()) as windows:
                async for window, alone in windows:
                    self._place = self._place or await self._choose(alone)
                    followed = await self._bases.follow(window)
                    before = running[-1] if running else None
                    running.append(asyncio.create_task(self._put(window, self._place, followed, before)))
                    # One is being made, one is being sent: more would only hold more.
                    if len(running) > 1:
                        await running[0]
                        del running[0]
            for task in running:
                await task
            assert self._place is not None
            self._asked.meter.enter("committing")
            reply = await self._place.finish()
            await self._stash.done()
        except CairnError:
            await _stop(running)
            if self._place is not None and not self._stash.on:
                await self._place.give_up()
            raise
        finally:
            await _stop(running)
            hold.release()
        meter = self._asked.meter
        meter.finish()
        return Tree(
            files=meter.files,
            directories=self._done["enter"],
            bytes=meter.bytes,
            sent_bytes=sent_bytes + self.sent_bytes,
            commit=self._looked_at if reply is None else reply.commit,
            commits=0 if reply is None else 1,
            skipped=tuple(self._skips.listed),
            skipped_count=self._skips.count,
            symlinks=self._done["symlink"],
            links=self._done["link"],
            unchanged=self._unchanged,
        )

    async def _begin(self, root: Found) -> None:
        """See what is at the tree's place, and what is asked for there."""
        asked = self._asked
        await self._connection.policies.learn(asked.remote)
        stats = await stat_paths(self._connection, [asked.remote], None, follow=True)
        self._looked_at, there = stats.commit, stats.results[0]
        beside = await on_disk(partial(look_beside, root, follow=True)) if asked.preserve else None
        self._skips.add(root.path, () if beside is None else beside.lost)
        self._plan.begin(root, beside, there if isinstance(there, Entry) else None)

    async def _choose(self, alone: bool) -> AtOnce | InDetachedTree:
        """How it appears; `alone`: there is only one page of it."""
        asked, plan = self._asked, self._plan
        detached = plan.fresh and not (alone and not plan.closed)
        changes = Changes(
            preserve=asked.preserve,
            umask=process_umask(),
            durability=asked.durability,
            final=plan.fresh,
            detached=asked.remote if detached else None,
        )
        if not detached:
            return AtOnce(self._connection.control, changes)
        place = await InDetachedTree.begin(self._connection.control, changes, plan.root)
        await self._stash.note_tree(place.tree)
        return place

    async def _look(self, paths: Sequence[Path]) -> Sequence[Entry | None]:
        """What is there; what cannot be looked at is for the commit to refuse."""
        found = await stat_paths(self._connection, paths, None, follow=False)
        return [one if isinstance(one, Entry) else None for one in found.results]

    async def _windows(self) -> AsyncGenerator[tuple[Window, bool], None]:
        """What each page will hold, and whether there is only one."""
        found = scan(self._asked.local)
        while entries := await on_disk(take, found, self._asked.preserve):
            taken: list[Taken] = []
            for entry in entries:
                if isinstance(entry, Skipped):
                    self._skips.add(entry.path, [entry.reason])
                else:
                    taken.append(entry)
                    if entry[1] is not None:
                        self._skips.add(entry[0].path, entry[1].lost)
            for window in await self._plan.take(taken):
                yield window, False
        *more, last = self._plan.end()
        for window in more:
            yield window, False
        yield last, last.number == 0

    async def _put(
        self,
        window: Window,
        place: AtOnce | InDetachedTree,
        followed: KnownChunks,
        before: asyncio.Task[None] | None,
    ) -> None:
        """One page: send its chunks, wait for the page before, make it."""
        for made in range(1, UPLOADS_MAX + 1):
            part = Part(self._asked.meter)
            try:
                await self._put_once(window, place, followed, before, part)
            except VOID as error:
                if made == UPLOADS_MAX or not place.repeats:
                    raise
                if isinstance(error, NotDurable):
                    self._never.update(error.chunks)
                    with suppress(CairnError):
                        await self._connection.policies.learn(window.steps[0].path, refused=True)
                part.undo()
            else:
                return

    async def _put_once(
        self,
        window: Window,
        place: AtOnce | InDetachedTree,
        followed: KnownChunks,
        before: asyncio.Task[None] | None,
        part: Part,
    ) -> None:
        async with self._connection.upload(self._durability(window)) as upload:
            self._stash.watch(upload)
            try:
                known, now = await self._bases.of(window, followed)
                reliance = Reliance(known, self._never, self._bases.proven)
                contents = await self._send(window, upload, reliance, part)
                receipts = await upload.finish()
            finally:
                self.sent_bytes += upload.sent_bytes
            if before is not None:
                await asyncio.shield(before)
            operations: list[Operation] = []
            for step, chunks in zip(window.steps, contents, strict=True):
                if chunks is None or self._has_lost(step):
                    continue
                made = place.changes.of(step, chunks, now.get(step.path))
                operations += made
                if step.act == "write" and not made:
                    self._unchanged += 1
                elif step.act in self._done:
                    self._done[step.act] += 1
            await self._keep(upload, contents, place)
            await upload.hold.ready()
            await place.add(window, operations, upload.hold.session, receipts, reliance.bases)
            self._bases.made(window, contents, place)

    async def _keep(
        self, upload: Upload, contents: Sequence[_Content], place: AtOnce | InDetachedTree
    ) -> None:
        """See that what was sent is found again by whoever repeats this put."""
        if place.tree is None:
            self._stash.take(upload)
            await self._stash.gather(upload)
        elif any(chunks is not None and len(chunks) > CONTENT_CHUNKS_MAX for chunks in contents):
            # A walk of the tree does not tell the chunks of such a file.
            await self._stash.gather(upload, all_of_it=True)

    def _durability(self, window: Window) -> Durability:
        """The durability with which the chunks of a page are sent: what the strictest directory asks."""
        policies, asked = self._connection.policies, self._asked.durability
        directories = {dirname(step.path): step.path for step in window.steps}
        return max({policies.guess(path, asked) for path in directories.values()}, key=DURABILITIES.index)

    async def _send(self, window: Window, upload: Upload, reliance: Reliance, part: Part) -> list[_Content]:
        """Send what the files hold; give each step's chunks in the window's order."""
        contents: list[_Content] = []
        for run in runs(window.steps):
            if run[0].act != "write":
                contents.extend(() for _ in run)
                continue
            for step, chunks in zip(run, await on_disk(read_all, run), strict=True):
                sent = await self._send_file(step.found, chunks, upload, reliance, part)
                if sent is None:
                    self._lose(step.found, step.path, GONE)
                else:
                    part.done()
                contents.append(sent)
            await self._stash.gather(upload)
        return contents

    async def _send_file(
        self, found: Found, chunks: list[Hashed] | None, upload: Upload, reliance: Reliance, part: Part
    ) -> _Content:
        """Send one file's chunks; None says that they are too many, or too sparse, to have been read yet.

        Gives what was sent, or None where the file is no longer there.
        """
        sent: list[ChunkRef] = []

        async def send(hashed: Hashed) -> None:
            chunk, content = hashed
            if not reliance.covers(chunk):
                await upload.add(chunk, content)
            part.moved(chunk.size)
            sent.append(ChunkRef(*chunk))

        if chunks is not None:
            for one in chunks:
                await send(one)
            return sent
        try:
            stream = await on_disk(open_regular, found.path)
        except NotFound:
            return None
        with stream, local_errors(found.path):
            async for one in chunks_of(stream):
                await send(one)
                await self._stash.gather(upload)
        return sent

    def _lose(self, found: Found, path: Path, reason: str) -> None:
        """The file is gone; told once, also where its page is made again."""
        if path not in self._gone:
            self._gone.add(path)
            self._skips.add(found.path, [reason])

    def _has_lost(self, step: Step) -> bool:
        """Whether it would be another name of a file that went away."""
        if step.act != "link" or step.first is None or step.first.path not in self._gone:
            return False
        self._lose(step.found, step.path, "its file changed its names meanwhile")
        return True
