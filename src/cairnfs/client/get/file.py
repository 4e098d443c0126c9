"""Getting one file out of the cluster: its local file takes its place when it is whole.

What belongs here: one file, of any length, and what of it can be taken from the file that is there. What does
not: trees and many short files at once (`tree.py`). Used from one event loop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cairnfs.client.connection import Connection
from cairnfs.client.download import Extent
from cairnfs.client.get.attributes import KeptAtCommit
from cairnfs.client.local.attributes import Kept
from cairnfs.client.local.comparison import OldFile
from cairnfs.client.local.draft import Draft
from cairnfs.client.local.files import LocalPath
from cairnfs.client.local.naming import require_nameable
from cairnfs.client.local.places import Aside
from cairnfs.client.progress import Meter
from cairnfs.client.reading import Version, open_version
from cairnfs.client.results import OnProgress, Tree
from cairnfs.client.skips import Skips
from cairnfs.client.workers import on_disk
from cairnfs.core.manifest import Chunk
from cairnfs.ids import Path

#: Pieces of an old file that are compared at one go on the other thread.
_COMPARED_BYTES = 32 * 1024 * 1024


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
    meter = Meter(connection.clock, tell, "receiving")
    meter.files_total, meter.bytes_total = 1, version.size
    downloads = connection.downloads
    received, cached = downloads.received_bytes, downloads.cached_bytes
    skips = Skips()
    target, kept = os.fsencode(local), None
    if preserve:
        beside = KeptAtCommit(connection, version.commit, follow=True)
        [(kept, lost)] = await beside.of([(path, version.entry)])
        skips.add(target, lost)
    skips.add(target, await save(connection, version, target, meter, kept, follow=True))
    meter.done()
    meter.finish()
    return Tree(
        files=1,
        bytes=version.size,
        received_bytes=downloads.received_bytes - received,
        cached_bytes=downloads.cached_bytes - cached,
        commit=version.commit,
        skipped=tuple(skips.listed),
        skipped_count=skips.count,
    )


async def save(
    connection: Connection,
    version: Version,
    local: bytes,
    meter: Meter,
    kept: Kept | None,
    *,
    follow: bool,
    old: OldFile | None = None,
    aside: Aside | None = None,
    resumes: bool = False,
    keep: bool = False,
) -> list[str]:
    """Write one version to its local place. What could not be kept, in words.

    Chunks that `old` is known to have are taken from there. With `aside`, a directory in the way gives way.
    `resumes`: it goes on with what a killed process left beside the place; `keep`: and leaves what it has
    there itself, if this fails.
    """
    mode = version.entry.mode
    known_as = version.etag.encode() if resumes else None
    draft = await on_disk(lambda: Draft(local, mode, follow=follow, aside=aside, known_as=known_as))
    done = False
    try:
        start = await _resume(draft, version) if draft.resumed else 0
        meter.moved(start)
        parts = version.extents(start) if old is None else _with_old(connection, version, old, start)
        async with aclosing(parts) as extents:
            async for _, part in extents:
                for piece in draft.taken(part):
                    await on_disk(draft.append, piece)
                    meter.moved(piece if isinstance(piece, int) else len(piece))
        lost = await on_disk(draft.publish, kept)
        done = True
    finally:
        draft.discard(keep=keep and not done)
    return lost


async def _resume(draft: Draft, version: Version) -> int:
    """How much of the version a draft has that was left behind, in whole chunks; it goes on from there."""
    start = 0
    async with aclosing(version.chunks()) as chunks:
        async for at, chunk in chunks:
            start = await on_disk(draft.has, at, [chunk])
            if start == at:
                break
    await on_disk(draft.go_on, start)
    return start


async def _with_old(
    connection: Connection, version: Version, old: OldFile, start: int
) -> AsyncGenerator[Extent, None]:
    """A version's bytes and holes in order: what the old file has from there, runs of the others fetched."""
    downloads = connection.downloads
    keep = downloads.keeps(version.size)
    async with aclosing(version.chunks(start)) as chunks:
        upcoming = await anext(chunks, None)

        async def run() -> AsyncGenerator[tuple[int, Chunk], None]:
            nonlocal upcoming
            while upcoming is not None and not old.has(upcoming[1].hash):
                yield upcoming
                upcoming = await anext(chunks, None)

        while upcoming is not None:
            at, chunk = upcoming
            if not old.has(chunk.hash):
                async with aclosing(downloads.stream(run(), keep=keep)) as extents:
                    async for extent in extents:
                        yield extent
                continue
            content = await on_disk(old.read, chunk)
            if content is None:  # it was written to meanwhile
                await downloads.load()
                content = await downloads.fetch(chunk, keep=keep)
            yield at, content
            upcoming = await anext(chunks, None)


async def same_version(old: OldFile, version: Version) -> bool:
    """Whether the old file's content is the version's."""
    if (await on_disk(old.status)).st_size != version.size:
        return False
    start, held, run = 0, 0, list[Chunk]()
    async with aclosing(version.chunks()) as chunks:
        async for _, chunk in chunks:
            run.append(chunk)
            held += chunk.size
            if held >= _COMPARED_BYTES:
                if not await on_disk(old.has_all, start, run):
                    return False
                start, held, run = start + held, 0, []
    return await on_disk(old.has_all, start, run)
