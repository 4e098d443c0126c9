"""What local files hold, with proof that they held still while they were read.

What belongs here: reading a short file whole, naming the content of any file, seeing whether it changed
meanwhile. What does not: sending. Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from cairnfs.client.local.files import local_errors, open_regular
from cairnfs.client.local.sparse import SparseReader, local_file
from cairnfs.client.local.walk import Here
from cairnfs.client.record.record import content_of
from cairnfs.client.sources import READ_BYTES
from cairnfs.core.chunking import HOLE_LEAST_BYTES, SINGLE_MAX_BYTES, Splitter
from cairnfs.core.manifest import Chunk, hash_bytes, holes
from cairnfs.errors import NotFound
from cairnfs.ids import Hash

#: So often is a file read that changes while it is read.
READS_MAX = 3


def is_short(status: os.stat_result) -> bool:
    """Whether the file is one chunk, if any: it is read at one go, and has no hole worth keeping."""
    size = status.st_size
    if size > SINGLE_MAX_BYTES:
        return False
    return size < HOLE_LEAST_BYTES or getattr(status, "st_blocks", size) * 512 >= size


def holds_still(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether both tell the same file with the same times."""
    return (
        before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
        and before.st_size == after.st_size
        and before.st_ino == after.st_ino
        and before.st_dev == after.st_dev
    )


def read_content(here: Here) -> bytes | None:
    """The name of the file's content (`record.content_of`); None where it is not as it was found.

    Raises what `local_errors` does where it may not be read.
    """
    try:
        with open_regular(here.place) as stream, local_errors(here.place):
            if not holds_still(here.status, os.fstat(stream.fileno())):
                return None
            content = content_of(list(chunks_in(stream, here.status)))
            return content if holds_still(here.status, os.lstat(here.place)) else None
    except NotFound:
        return None


def chunks_in(stream: BinaryIO, status: os.stat_result) -> Iterator[Chunk]:
    """The chunks of an open file from its beginning, holes among them."""
    if is_short(status):
        whole = stream.read(SINGLE_MAX_BYTES + 1)
        if whole and len(whole) <= SINGLE_MAX_BYTES:
            yield named(whole)
        if len(whole) <= SINGLE_MAX_BYTES:
            return
        stream.seek(0)
    splitter = Splitter()
    local = local_file(stream)
    reader = None if local is None else SparseReader(local, READ_BYTES)
    while piece := stream.read(READ_BYTES) if reader is None else reader.step():
        if isinstance(piece, int):
            yield from map(named, splitter.finish())
            splitter = Splitter()
            yield from holes(piece)
        else:
            yield from map(named, splitter.feed(piece))
    yield from map(named, splitter.finish())


def named(content: bytes) -> Chunk:
    """The chunk that these bytes are."""
    return Chunk(Hash(hash_bytes(content)), len(content))
