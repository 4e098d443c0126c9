"""Where a file's bytes come from, cut into hashed chunks on the way.

A source is bytes, a binary file object, or an iterator of bytes, asynchronous or not. Cutting and
hashing large pieces is done on another thread, so that the loop stays free for the network. The holes of
local files are told as such. What does not belong here: sending, where a file's holes are
(`local/sparse.py`). Used from one event loop, each source once unless it can be replayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import BinaryIO, Protocol, TypeGuard

from cairnfs.client.local.sparse import SparseReader, local_file
from cairnfs.client.workers import on_bytes
from cairnfs.core.chunking import SINGLE_MAX_BYTES, Splitter, split
from cairnfs.core.manifest import HOLE_MAX_BYTES, Chunk, hash_bytes, holes
from cairnfs.errors import BadRequest, TooLarge
from cairnfs.ids import Hash
from cairnfs.wire.commits import FILE_CHUNKS_MAX

Buffer = bytes | bytearray | memoryview
Content = Buffer | BinaryIO | AsyncIterable[bytes] | Iterable[bytes]
#: A chunk and its bytes; a hole's entry has none.
Hashed = tuple[Chunk, bytes]

READ_BYTES = 1024 * 1024


class Reads(Protocol):
    """What is needed of a file object."""

    def read(self, size: int = -1, /) -> bytes: ...


async def chunks_of(content: Content) -> AsyncIterator[Hashed]:
    """The content's chunks with their names, in order. Raises BadRequest where it is not bytes.

    A regular local file's holes come as entries named HOLE, without bytes. Raises TooLarge where they
    alone are more than a file may have.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        views = split(content)
        while cut := await _cut_next(views, len(content)):
            for chunk in cut:
                yield chunk
        return
    splitter = Splitter()
    async for piece in runs_of(content):
        if isinstance(piece, int):
            for chunk in await on_bytes(_finish, splitter):
                yield chunk
            splitter = Splitter()
            if piece > HOLE_MAX_BYTES * FILE_CHUNKS_MAX:
                raise TooLarge(f"a hole of {piece} bytes is more than a file may have")
            for entry in holes(piece):
                yield entry, b""
        else:
            for chunk in await on_bytes(_feed, splitter, piece):
                yield chunk
    for chunk in await on_bytes(_finish, splitter):
        yield chunk


async def runs_of(content: Content) -> AsyncIterator[bytes | int]:
    """The content in pieces of bytes and, where it is a local file with holes, their lengths."""
    local = local_file(content)
    if local is None:
        async for piece in pieces_of(content):
            yield piece
        return
    reader = SparseReader(local, READ_BYTES)
    while step := await asyncio.to_thread(reader.step):
        yield step


async def pieces_of(content: Content) -> AsyncIterator[bytes]:
    """The bytes in pieces of about 1 MiB, so that the work on each is worth a thread's while.

    A caller's file may keep its reader waiting for ever (a pipe), so it is read on the loop's threads.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        yield bytes(content)
    elif _reads(content):
        while piece := await asyncio.to_thread(_checked_read, content):
            yield piece
    elif isinstance(content, AsyncIterable):
        gathered = bytearray()
        async for part in content:
            gathered += _checked(part)
            if len(gathered) >= READ_BYTES:
                yield bytes(gathered)
                gathered.clear()
        if gathered:
            yield bytes(gathered)
    elif hasattr(content, "__iter__") and not _is_text(content):
        parts = iter(content)
        while piece := await asyncio.to_thread(_gather, parts):
            yield piece
    else:
        raise BadRequest(
            f"content is bytes, a binary file or an iterator of bytes, not {type(content).__name__}"
        )


async def settled(content: Content) -> Content:
    """The content as bytes where it cannot be read twice but is short; else as it is, unconsumed."""
    if isinstance(content, (bytes, bytearray, memoryview)) or replayable(content):
        return content
    pieces = pieces_of(content)
    first = bytearray()
    async for piece in pieces:
        first += piece
        if len(first) > SINGLE_MAX_BYTES:
            return _joined(bytes(first), pieces)
    return bytes(first)


def replayable(content: Content) -> bool:
    """Whether the content can be read again from where it began."""
    return isinstance(content, (bytes, bytearray, memoryview)) or _seeks(content)


def position(content: Content) -> int:
    """Where a replayable content begins."""
    return content.tell() if _seeks(content) else 0


def rewind(content: Content, to: int) -> None:
    """Go back to where a replayable content began."""
    if _seeks(content):
        content.seek(to)


def hashed(content: Buffer) -> Hashed:
    """A chunk that is already cut, with its name."""
    owned = bytes(content)
    return Chunk(Hash(hash_bytes(owned)), len(owned)), owned


def _reads(content: object) -> TypeGuard[Reads]:
    return callable(getattr(content, "read", None))


def _seeks(content: object) -> TypeGuard[BinaryIO]:
    """Whether it is a file that can go back; what stands for one (a temporary file, say) is as good."""
    seekable = getattr(content, "seekable", None)
    can = callable(getattr(content, "seek", None)) and callable(getattr(content, "tell", None))
    return _reads(content) and can and callable(seekable) and bool(seekable())


def _is_text(content: object) -> bool:
    return isinstance(content, str)


def _checked(piece: object) -> bytes:
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise BadRequest(f"content must come as bytes, not {type(piece).__name__}")
    return bytes(piece)


def _checked_read(content: Reads) -> bytes:
    return _checked(content.read(READ_BYTES) or b"")


def _gather(parts: Iterator[bytes]) -> bytes:
    gathered = bytearray()
    for part in parts:
        gathered += _checked(part)
        if len(gathered) >= READ_BYTES:
            break
    return bytes(gathered)


async def _cut_next(views: Iterator[memoryview], size: int) -> list[Hashed]:
    """The next chunk, in a list; an empty one at the end."""

    def cut() -> list[Hashed]:
        view = next(views, None)
        return [] if view is None else [hashed(view)]

    return cut() if size <= SINGLE_MAX_BYTES // 4 else await on_bytes(cut)


def _feed(splitter: Splitter, piece: bytes) -> list[Hashed]:
    return [hashed(chunk) for chunk in splitter.feed(piece)]


def _finish(splitter: Splitter) -> list[Hashed]:
    return [hashed(chunk) for chunk in splitter.finish()]


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
