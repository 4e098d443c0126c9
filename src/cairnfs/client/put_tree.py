"""Putting local files into the cluster: one file, or a tree in commits of up to 1,000 operations.

A tree of more operations appears in several commits, parents first; each is whole or absent, and if
one fails, those before it stay and none after it is made. While one is committed the next one's
chunks are on their way. What belongs here: the way from local files to commits. What does not: what
`cp -r` would choose as the target (the command's matter). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace

from cairnfs.client.commit import commit
from cairnfs.client.connection import Connection
from cairnfs.client.local_files import (
    GONE,
    Found,
    LocalPath,
    local_errors,
    look,
    open_to_read,
    read_short,
    scan,
)
from cairnfs.client.naming import below
from cairnfs.client.progress import Meter, Part
from cairnfs.client.results import SKIPPED_MAX, Durability, OnProgress, Skipped, Tree
from cairnfs.client.sources import Hashed, chunks_of, hashed
from cairnfs.client.upload import Upload
from cairnfs.client.workers import on_disk
from cairnfs.client.writing import UPLOADS_MAX, VOID, Target, write_file
from cairnfs.core import names as rules
from cairnfs.core.chunking import (
    CUT_AVERAGE_BYTES,
    HOLE_ALIGN_BYTES,
    HOLE_LEAST_BYTES,
    SINGLE_MAX_BYTES,
    split,
)
from cairnfs.core.manifest import HOLE_MAX_BYTES
from cairnfs.errors import IsADirectory, NotADirectory, NotFound
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.commits import OPERATIONS_MAX, CommitReply, MakeDirectory, Operation
from cairnfs.wire.directory import ChunkRef

#: Short files read at one go on the other thread.
_READ_FILES = 64
_READ_BYTES = 4 * 1024 * 1024
_SCAN_ENTRIES = 512
#: Chunks in one commit, roughly: with their receipts they must fit into one request.
_WINDOW_CHUNKS = 200_000


async def put_file(
    connection: Connection, local: LocalPath, target: Target, *, preserve: bool, tell: OnProgress | None
) -> Tree:
    """One local file becomes the file at the target's path, with its mode."""
    found = await on_disk(look, local)
    target = replace(target, mode=found.mode, mtime_ns=found.mtime_us * 1000 if preserve else None)
    if found.directory:
        raise IsADirectory("local: it is a directory, not a file", path=names.printable(found.path))
    meter = Meter(connection.clock, tell)
    meter.files_total, meter.bytes_total = 1, found.size
    stream = await on_disk(open_to_read, local)
    with stream, local_errors(local):
        written = await write_file(connection, target, stream, moved=meter.moved)
    meter.done()
    meter.finish()
    return Tree(files=1, bytes=written.size, sent_bytes=written.sent_bytes, commit=written.commit, commits=1)


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
        self._directories = 0
        self._sent_bytes = 0
        self._commits = 0
        self._last: CommitReply | None = None
        self._skipped: list[Skipped] = []
        self._skipped_count = 0
        self._gone: set[bytes] = set()

    async def run(self) -> Tree:
        """Move everything; `remote` is the tree's root itself afterwards."""
        root = await on_disk(look, self._local)
        if not root.directory:
            raise NotADirectory("local: it is no directory", path=names.printable(root.path))
        counting = asyncio.create_task(self._count()) if self._meter.listened else None
        running: list[asyncio.Task[None]] = []
        try:
            async with aclosing(self._windows(root)) as windows:
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
            directories=self._directories,
            bytes=self._meter.bytes,
            sent_bytes=self._sent_bytes,
            commit=self._last.commit,
            commits=self._commits,
            skipped=tuple(self._skipped),
            skipped_count=self._skipped_count,
        )

    async def _count(self) -> None:
        """What there is to do, for those who watch."""

        def count() -> tuple[int, int]:
            sizes = [
                found.size for found in scan(self._local) if isinstance(found, Found) and not found.directory
            ]
            return len(sizes), sum(sizes)

        self._meter.files_total, self._meter.bytes_total = await on_disk(count)

    async def _windows(self, root: Found) -> AsyncGenerator[list[Found], None]:
        """What each commit will hold."""
        window, chunks = [root], 0
        found = scan(self._local)
        while entries := await on_disk(_take, found):
            for entry in entries:
                if isinstance(entry, Skipped):
                    self._skip(entry)
                    continue
                cut = _chunks(entry)
                if len(window) == OPERATIONS_MAX or chunks + cut > _WINDOW_CHUNKS:
                    yield window
                    window, chunks = [], 0
                window.append(entry)
                chunks += cut
        yield window

    def _skip(self, skipped: Skipped) -> None:
        self._skipped_count += 1
        if len(self._skipped) < SKIPPED_MAX:
            self._skipped.append(skipped)

    async def _put(self, window: list[Found], before: asyncio.Task[None] | None) -> None:
        """One commit: send its chunks, wait for the commit before, make it."""
        for made in range(1, UPLOADS_MAX + 1):
            part = Part(self._meter)
            try:
                await self._put_once(window, before, part)
            except VOID:
                if made == UPLOADS_MAX:
                    raise
                part.undo()
            else:
                return

    async def _put_once(self, window: list[Found], before: asyncio.Task[None] | None, part: Part) -> None:
        async with self._connection.upload(
            self._connection.policies.guess(self._remote, self._durability)
        ) as upload:
            operations = await self._operations(window, upload, part)
            receipts = await upload.finish()
            if before is not None:
                await asyncio.shield(before)
            if not operations:
                return
            await upload.hold.ready()
            self._last = await commit(
                self._connection.control, operations, session=upload.hold.session, receipts=receipts
            )
            self._commits += 1
            self._sent_bytes += upload.sent_bytes
            self._directories += sum(found.directory for found in window)

    async def _operations(self, window: list[Found], upload: Upload, part: Part) -> list[Operation]:
        """Send what the files hold; give the operations in the window's order."""
        operations: list[Operation] = []
        for run in _runs(window):
            if run[0].directory:
                operations.extend(self._directory(found) for found in run)
                continue
            contents = await on_disk(_read_all, run)
            for found, chunks in zip(run, contents, strict=True):
                sent = await self._send(found, chunks, upload, part)
                if sent is None:
                    self._lose(found)
                    continue
                operations.append(self._target(found).operation(sent))
                part.done()
        return operations

    def _lose(self, found: Found) -> None:
        """The file is gone; told once, also where its commit is made again."""
        if found.path not in self._gone:
            self._gone.add(found.path)
            self._skip(Skipped(found.path, GONE))

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
            stream = await on_disk(open_to_read, found.path)
        except NotFound:
            return None
        with stream, local_errors(found.path):
            async for chunk, content in chunks_of(stream):
                await upload.add(chunk, content)
                part.moved(chunk.size)
                sent.append(ChunkRef(*chunk))
        return sent

    def _path(self, found: Found) -> Path:
        return below(self._remote, found.inside) if found.inside else self._remote

    def _target(self, found: Found) -> Target:
        return Target(
            self._path(found),
            durability=self._durability,
            mode=found.mode,
            mtime_ns=found.mtime_us * 1000 if self._preserve else None,
        )

    def _directory(self, found: Found) -> MakeDirectory:
        text, base64 = names.to_text(rules.path(self._path(found)))
        return MakeDirectory(path=text, path_b64=base64, parents=True, mode=found.mode)


def _take(found: Iterator[Found | Skipped]) -> list[Found | Skipped]:
    return [entry for _, entry in zip(range(_SCAN_ENTRIES), found, strict=False)]


def _chunks(found: Found) -> int:
    """How many chunks and holes a file may have, roughly."""
    if not found.sparse:
        return 1 + found.size // CUT_AVERAGE_BYTES
    # At worst every block that is stored stands alone between two holes.
    turns = min(found.stored // HOLE_ALIGN_BYTES, found.size // HOLE_LEAST_BYTES)
    return 1 + 2 * turns + found.size // HOLE_MAX_BYTES


def _runs(window: list[Found]) -> Iterator[list[Found]]:
    """The window in order, cut into runs: directories, or files that are read at one go."""
    run: list[Found] = []
    size = 0
    for found in window:
        alike = run and run[0].directory == found.directory
        if run and not (alike and len(run) < _READ_FILES and size + found.size <= _READ_BYTES):
            yield run
            run, size = [], 0
        run.append(found)
        size += found.size
    if run:
        yield run


def _read_all(run: list[Found]) -> list[list[Hashed] | None]:
    """The chunks of short files; None for one that is long or may have holes, or gone."""
    contents: list[list[Hashed] | None] = []
    for found in run:
        content = None
        if found.size <= SINGLE_MAX_BYTES and not found.sparse:
            with suppress(NotFound):
                content = read_short(found.path, SINGLE_MAX_BYTES)
        contents.append(None if content is None else [hashed(view) for view in split(content)])
    return contents
