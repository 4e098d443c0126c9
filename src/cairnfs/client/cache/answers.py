"""What the directory last said of files, kept in the cache: an ETag and the chunks of that version.

A file is opened by asking whether it still is that version; where it is, its chunks need not be told again.
The directory judges at every opening whether one may read, so these answers alone open nothing, and whose
they were does not matter. What does not belong here: asking (`reading.py`, `reading_many.py`). Used from one
event loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cairnfs.client.connection import Connection
from cairnfs.ids import Path
from cairnfs.wire.directory import ChunkRef

#: A single chunk is told in as many bytes as the question whether it is still that version.
WORTH_CHUNKS = 2


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """One file's: all its chunks and holes, in order."""

    etag: str
    chunks: list[ChunkRef]


async def recall(connection: Connection, paths: Sequence[Path]) -> list[Answer | None]:
    """What was last said of these paths, where that is known here."""
    front = connection.downloads.front
    if front is None:
        return [None] * len(paths)
    return [_decoded(content) for content in await front.recall_many([_name(path) for path in paths])]


def keep(connection: Connection, path: Path, etag: str, chunks: list[ChunkRef]) -> None:
    """Remember what was said just now, if that is more than one would ask to be spared it."""
    front = connection.downloads.front
    if front is not None and len(chunks) >= WORTH_CHUNKS:
        front.keep_named(_name(path), msgspec.msgpack.encode(Answer(etag, chunks)))


def _name(path: Path) -> bytes:
    return b"version " + path


def _decoded(content: bytes | None) -> Answer | None:
    try:
        return None if content is None else msgspec.msgpack.decode(content, type=Answer)
    except msgspec.MsgspecError:
        return None
