"""Putting local files into the cluster: one file, or a tree in commits of up to 1,000 operations.

A tree of more operations appears in several commits, parents first; each is whole or absent, and if
one fails, those before it stay and none after it is made. While one is committed the next one's
chunks are on their way. What belongs here: the way from local files to commits. What does not: what each
commit does (`put_plan.py`), what `cp -r` would choose as the target (the command's matter). Used from one
event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial

from cairnfs.client.commit import commit
from cairnfs.client.connection import Connection
from cairnfs.client.listing import stat_paths
from cairnfs.client.local_attributes import Beside, look_beside, process_umask
from cairnfs.client.local_files import (
    GONE,
    Found,
    LocalPath,
    local_errors,
    look,
    open_regular,
    open_to_read,
    read_short,
    scan,
)
from cairnfs.client.progress import Meter, Part
from cairnfs.client.put_plan import Plan, Step, Window, attributes_of
from cairnfs.client.results import Durability, OnProgress, Skipped, Tree
from cairnfs.client.skips import Skips
from cairnfs.client.sources import Hashed, chunks_of, hashed
from cairnfs.client.upload import Upload
from cairnfs.client.workers import on_disk
from cairnfs.client.writing import UPLOADS_MAX, VOID, Target, write_file
from cairnfs.core.chunking import SINGLE_MAX_BYTES, split
from cairnfs.core.durability import DURABILITIES
from cairnfs.errors import CairnError, IsADirectory, NotADirectory, NotDurable, NotFound
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import CommitReply, Operation
from cairnfs.wire.directory import ChunkRef, Entry

#: Short files read at one go on the other thread.
_READ_FILES = 64
_READ_BYTES = 4 * 1024 * 1024
#: Things found at one go, and the bytes of extended attributes that may come with them.
_SCAN_ENTRIES = 512
_SCAN_XATTR_BYTES = 8 * 1024 * 1024

#: Something found, and what it has beside its content if that is kept.
_Taken = tuple[Found, Beside | None]


async def put_file(
    connection: Connection, local: LocalPath, target: Target, *, preserve: bool, tell: OnProgress | None
) -> Tree:
    """One local file, to which symlinks are followed, becomes the file at the target's path."""
    found = await on_disk(look, local)
    if found.directory:
        raise IsADirectory("local: it is a directory, not a file", path=names.printable(found.path))
    beside = await on_disk(partial(look_beside, found, follow=True)) if preserve else None
    target = replace(
        target,
        mode=found.mode & 0o777 & ~process_umask(),
        mtime_ns=None if beside is None else beside.mtime_ns,
        attributes=None if beside is None else attributes_of(found, beside),
    )
    meter = Meter(connection.clock, tell)
    meter.files_total, meter.bytes_total = 1, found.size
    stream = await on_disk(open_to_read, local)
    with stream, local_errors(local):
        written = await write_file(connection, target, stream, moved=meter.moved)
    meter.done()
    meter.finish()
    skips = Skips()
    skips.add(found.path, () if beside is None else beside.lost)
    return Tree(
        files=1,
        bytes=written.size,
        sent_bytes=written.sent_bytes,
        commit=written.commit,
        commits=1,
        skipped=tuple(skips.listed),
        skipped_count=skips.count,
    )


class PutTree:
    """One tree on its way."""

    def __init__(
        self,
        connection: Connection,
        local: LocalPath,
        remote: Path,
        *,
        durability: Durability | None,
        preserve: bool,
        tell: OnProgress | None,
    ) -> None:
        self._connection = connection
        self._local = local
        self._remote = remote
        self._durability = durability
        self._preserve = preserve
        self._meter = Meter(connection.clock, tell)
        self._plan = Plan(remote, self._look, preserve=preserve, umask=process_umask())
        self._done = dict.fromkeys(("enter", "symlink", "link"), 0)
        self._sent_bytes = 0
        self._commits = 0
        self._last: CommitReply | None = None
        self._skips = Skips()
        self._gone: set[bytes] = set()

    async def run(self) -> Tree:
        """Move everything; `remote` is the tree's root itself afterwards."""
        root = await on_disk(look, self._local)
        if not root.directory:
            raise NotADirectory("local: it is no directory", path=names.printable(root.path))
        await self._begin(root)
        counting = asyncio.create_task(self._count()) if self._meter.listened else None
        running: list[asyncio.Task[None]] = []
        try:
            async with aclosing(self._windows()) as windows:
                async for window in windows:
                    before = running[-1] if running else None
                    running.append(asyncio.create_task(self._put(window, before)))
                    # One is committing, one is sending: more would only hold more.
                    if len(running) > 1:
                        await running[0]
                        del running[0]
            for task in running:
                await task
        finally:
            tasks = [*running, *([counting] if counting else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._meter.finish()
        assert self._last is not None
        return Tree(
            files=self._meter.files,
            directories=self._done["enter"],
            bytes=self._meter.bytes,
            sent_bytes=self._sent_bytes,
            commit=self._last.commit,
            commits=self._commits,
            skipped=tuple(self._skips.listed),
            skipped_count=self._skips.count,
            symlinks=self._done["symlink"],
            links=self._done["link"],
        )

    async def _begin(self, root: Found) -> None:
        """See what is at the tree's place, and what is asked for there."""
        await self._connection.policies.learn(self._remote)
        [there] = (await stat_paths(self._connection, [self._remote], None, follow=True)).results
        beside = await on_disk(partial(look_beside, root, follow=True)) if self._preserve else None
        self._skips.add(root.path, () if beside is None else beside.lost)
        self._plan.begin(root, beside, there if isinstance(there, Entry) else None)

    async def _look(self, paths: Sequence[Path]) -> Sequence[Entry | None]:
        """What is there; what cannot be looked at is for the commit to refuse."""
        found = await stat_paths(self._connection, paths, None, follow=False)
        return [one if isinstance(one, Entry) else None for one in found.results]

    async def _count(self) -> None:
        """What there is to do, for those who watch."""

        def count() -> tuple[int, int]:
            files, size = 0, 0
            twins: set[tuple[int, int]] = set()
            for found in scan(self._local):
                if isinstance(found, Skipped) or found.kind != "file" or found.twins in twins:
                    continue
                if found.twins is not None:
                    twins.add(found.twins)
                files, size = files + 1, size + found.size
            return files, size

        self._meter.files_total, self._meter.bytes_total = await on_disk(count)

    async def _windows(self) -> AsyncGenerator[Window, None]:
        """What each commit will hold."""
        found = scan(self._local)
        while entries := await on_disk(_take, found, self._preserve):
            for entry in entries:
                if isinstance(entry, Skipped):
                    self._skips.add(entry.path, [entry.reason])
                elif entry[1] is not None:
                    self._skips.add(entry[0].path, entry[1].lost)
            for window in await self._plan.take([one for one in entries if not isinstance(one, Skipped)]):
                yield window
        for window in self._plan.end():
            yield window

    async def _put(self, window: Window, before: asyncio.Task[None] | None) -> None:
        """One commit: send its chunks, wait for the commit before, make it."""
        for made in range(1, UPLOADS_MAX + 1):
            part = Part(self._meter)
            try:
                await self._put_once(window, before, part)
            except VOID as error:
                if made == UPLOADS_MAX:
                    raise
                if isinstance(error, NotDurable):
                    with suppress(CairnError):
                        await self._connection.policies.learn(window.steps[0].path, refused=True)
                part.undo()
            else:
                return

    async def _put_once(self, window: Window, before: asyncio.Task[None] | None, part: Part) -> None:
        async with self._connection.upload(self._asked(window)) as upload:
            planned = await self._operations(window, upload, part)
            receipts = await upload.finish()
            if before is not None:
                await asyncio.shield(before)
            made = [(step, operations) for step, operations in planned if not self._has_lost(step)]
            if not made:
                return
            await upload.hold.ready()
            self._last = await commit(
                self._connection.control,
                [operation for _, operations in made for operation in operations],
                session=upload.hold.session,
                receipts=receipts,
            )
            self._commits += 1
            self._sent_bytes += upload.sent_bytes
            for step, _ in made:
                if step.act in self._done:
                    self._done[step.act] += 1

    def _asked(self, window: Window) -> Durability:
        """The durability with which the chunks of a commit are sent: what the strictest directory asks."""
        policies = self._connection.policies
        guesses = {policies.guess(step.path, self._durability) for step in window.steps}
        return max(guesses, key=DURABILITIES.index)

    async def _operations(
        self, window: Window, upload: Upload, part: Part
    ) -> list[tuple[Step, list[Operation]]]:
        """Send what the files hold; give the operations of each step in the window's order."""
        planned: list[tuple[Step, list[Operation]]] = []
        for run in _runs(window.steps):
            if run[0].act != "write":
                planned.extend((step, self._plan.operations(step)) for step in run)
                continue
            contents = await on_disk(_read_all, run)
            for step, chunks in zip(run, contents, strict=True):
                sent = await self._send(step.found, chunks, upload, part)
                if sent is None:
                    self._lose(step.found, step.path, GONE)
                    continue
                planned.append((step, [*self._plan.operations(step), self._target(step).operation(sent)]))
                part.done()
        return planned

    def _lose(self, found: Found, path: Path, reason: str) -> None:
        """The file is gone; told once, also where its commit is made again."""
        if path not in self._gone:
            self._gone.add(path)
            self._skips.add(found.path, [reason])

    def _has_lost(self, step: Step) -> bool:
        """Whether it would be another name of a file that went away."""
        if step.act != "link" or step.first not in self._gone:
            return False
        self._lose(step.found, step.path, "its file changed its names meanwhile")
        return True

    async def _send(
        self, found: Found, chunks: list[Hashed] | None, upload: Upload, part: Part
    ) -> list[ChunkRef] | None:
        """Send one file's chunks; None says that they are too many, or too sparse, to have been read yet.

        Gives what was sent, or None where the file is no longer there.
        """
        if chunks is not None:
            for chunk, content in chunks:
                await upload.add(chunk, content)
                part.moved(chunk.size)
            return [ChunkRef(*chunk) for chunk, _ in chunks]
        sent = []
        try:
            stream = await on_disk(open_regular, found.path)
        except NotFound:
            return None
        with stream, local_errors(found.path):
            async for chunk, content in chunks_of(stream):
                await upload.add(chunk, content)
                part.moved(chunk.size)
                sent.append(ChunkRef(*chunk))
        return sent

    def _target(self, step: Step) -> Target:
        beside = step.beside
        return Target(
            step.path,
            durability=self._durability,
            mode=self._plan.mode(step.found),
            mtime_ns=None if beside is None else beside.mtime_ns,
            attributes=None if beside is None else attributes_of(step.found, beside),
            follow=False,
        )


def _take(found: Iterator[Found | Skipped], preserve: bool) -> list[_Taken | Skipped]:
    """The next things, with what they have beside their content."""
    taken: list[_Taken | Skipped] = []
    room = _SCAN_XATTR_BYTES
    for entry in found:
        if isinstance(entry, Skipped):
            taken.append(entry)
        else:
            try:
                beside = look_beside(entry) if preserve else None
            except NotFound:
                taken.append(Skipped(entry.path, GONE))
                continue
            taken.append((entry, beside))
            xattrs = (beside.xattrs if beside else None) or {}
            room -= sum(len(name) + len(value) for name, value in xattrs.items())
        if len(taken) >= _SCAN_ENTRIES or room < 0:
            break
    return taken


def _runs(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """The steps in order, cut into runs: files that are read at one go, or all else."""
    run: list[Step] = []
    size = 0
    for step in steps:
        alike = run and (run[0].act == "write") == (step.act == "write")
        if run and not (alike and len(run) < _READ_FILES and size + step.found.size <= _READ_BYTES):
            yield run
            run, size = [], 0
        run.append(step)
        size += step.found.size
    if run:
        yield run


def _read_all(run: list[Step]) -> list[list[Hashed] | None]:
    """The chunks of short files; None for one that is long or may have holes, or gone."""
    contents: list[list[Hashed] | None] = []
    for step in run:
        found, content = step.found, None
        if found.size <= SINGLE_MAX_BYTES and not found.sparse:
            with suppress(NotFound):
                content = read_short(found.path, SINGLE_MAX_BYTES)
        contents.append(None if content is None else [hashed(view) for view in split(content)])
    return contents
