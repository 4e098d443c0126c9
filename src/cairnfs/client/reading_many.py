"""Reading many files whole, at one commit: few questions, and few requests for chunks.

What belongs here: asking for the versions of many files, conditionally, and putting short ones together from
chunks that are fetched together. What does not: a long file's way (`reading.py`), where chunks come from
(`download.py`). Used from one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from cairnfs.client.cache import answers
from cairnfs.client.cache.answers import Answer
from cairnfs.client.connection import Connection
from cairnfs.client.pin import Pin
from cairnfs.client.reading import Version
from cairnfs.core.manifest import HOLE, Chunk
from cairnfs.errors import CairnError, Internal
from cairnfs.ids import Hash, Path
from cairnfs.wire import endpoints, problems
from cairnfs.wire.directory import (
    OPEN_FILES_MAX,
    Opened,
    OpenManyRequest,
    OpenReply,
    OpenResult,
    PathText,
    Wanted,
)

#: Files of more are read one by one, as streams.
SHORT_BYTES = 1024 * 1024
#: Bytes of short files that are fetched together.
BATCH_BYTES = 4 * 1024 * 1024


class _Short(NamedTuple):
    """A short file, and its place in the answer."""

    place: int
    version: Version
    chunks: list[Chunk]


async def read_many(
    connection: Connection, paths: Sequence[Path], at: str | None
) -> list[bytes | CairnError]:
    """Each path's bytes, or why they cannot be had, all at one commit. Raises only what concerns all.

    The caller bounds how many bytes that is.
    """
    contents: list[bytes | CairnError] = [b""] * len(paths)
    batch: list[_Short] = []
    held = 0
    with Pin(connection.sessions) as pin:
        async with aclosing(_versions(connection, paths, at, pin)) as versions:
            async for place, version, chunks in versions:
                if isinstance(version, CairnError):
                    contents[place] = version
                elif chunks is None:
                    contents[place] = await _alone(version)
                else:
                    batch.append(_Short(place, version, chunks))
                    held += version.size
                    if held >= BATCH_BYTES:
                        await _together(connection, batch, contents)
                        batch, held = [], 0
        await _together(connection, batch, contents)
    return contents


async def _versions(
    connection: Connection, paths: Sequence[Path], at: str | None, pin: Pin
) -> AsyncGenerator[tuple[int, Version | CairnError, list[Chunk] | None], None]:
    """Every path's version with its place, and its chunks where the file is short and has no holes."""
    first = 0
    while first < len(paths):
        page = paths[first : first + OPEN_FILES_MAX]
        before = await answers.recall(connection, page)
        request = OpenManyRequest(
            files=[_wanted(path, answer) for path, answer in zip(page, before, strict=True)], at=at
        )
        reply = await connection.control.ask(endpoints.OPEN_MANY, request)
        if not reply.results:
            raise Internal("many files were asked for and none was answered")
        at = str(reply.commit)
        if len(reply.results) < len(paths) - first:
            await pin.at(reply.commit)
        for place, (path, answer, result) in enumerate(zip(page, before, reply.results, strict=False), first):
            opened = _opened(result)
            if isinstance(opened, CairnError):
                yield place, opened, None
                continue
            if opened.unchanged and answer is not None:
                opened = msgspec.structs.replace(opened, unchanged=False, chunks=answer.chunks)
            elif opened.next_start is None:
                answers.keep(connection, path, opened.entry.etag, opened.chunks)
            yield place, _version(connection, path, reply.commit, reply.incarnation, opened), _short(opened)
        first += len(reply.results)


def _wanted(path: Path, answer: Answer | None) -> Wanted:
    text = PathText.of(path)
    return Wanted(path=text.path, path_b64=text.path_b64, known=None if answer is None else answer.etag)


def _opened(result: OpenResult) -> Opened | CairnError:
    if result.opened is not None:
        return result.opened
    if result.error is None:
        raise Internal("an opening that says neither what is there nor why not")
    return problems.to_error(result.error)


def _version(connection: Connection, path: Path, commit: int, incarnation: int, opened: Opened) -> Version:
    reply = OpenReply(
        commit=commit,
        incarnation=incarnation,
        entry=opened.entry,
        chunks=opened.chunks,
        next_start=opened.next_start,
    )
    return Version(connection, path, reply)


def _short(opened: Opened) -> list[Chunk] | None:
    if opened.entry.size > SHORT_BYTES or opened.next_start is not None:
        return None
    chunks = [Chunk(Hash(digest), size) for digest, size in opened.chunks]
    return None if any(chunk.hash == HOLE for chunk in chunks) else chunks


async def _together(
    connection: Connection, batch: Sequence[_Short], contents: list[bytes | CairnError]
) -> None:
    """The contents of short files. Where one cannot be had, each is tried by itself."""
    if not batch:
        return
    size = sum(short.version.size for short in batch)
    await connection.budget.take(size)
    try:
        found = await connection.downloads.fetch_many(chunk for short in batch for chunk in short.chunks)
    except CairnError:
        found = None
    finally:
        connection.budget.give(size)
    for place, version, chunks in batch:
        if found is None:
            contents[place] = await _alone(version)
        else:
            parts = [found[chunk.hash] for chunk in chunks]
            contents[place] = parts[0] if len(parts) == 1 else b"".join(parts)


async def _alone(version: Version) -> bytes | CairnError:
    try:
        return await version.read()
    except CairnError as error:
        return error
