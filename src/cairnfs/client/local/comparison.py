"""Whether a local file has the content that a version has, and which of a version's chunks it has anywhere.

What belongs here: reading local files and hashing them against the names of chunks. What does not: whether
reading is needed at all (the record tells), fetching. Synchronous: callers run it on another thread; an
`OldFile` serves one at a time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import cast

from cairnfs.client.local.files import open_regular
from cairnfs.core.chunking import CUT_MAX_BYTES, Splitter
from cairnfs.core.manifest import HOLE, Chunk, hash_bytes
from cairnfs.errors import CairnError
from cairnfs.wire.directory import ChunkRef

#: Chunks of an old file that are remembered with their places: 32 GiB of it, usually.
_PLACES_MAX = 32 * 1024
_ZEROS = bytes(1024 * 1024)


def same_symlink(path: bytes, target: bytes) -> bool:
    """Whether a symlink to the target is there."""
    try:
        return os.readlink(path) == target
    except OSError:
        return False


def same_content(path: bytes, size: int, chunks: Sequence[ChunkRef]) -> os.stat_result | None:
    """What lstat told, before it was read, of a regular file with exactly this content; None of others."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return None
        with OldFile(path) as old:
            if old.has_all(0, chunks) and os.path.samestat(status, os.fstat(old.descriptor)):
                return status
    except (OSError, CairnError):
        return None
    return None


class OldFile:
    """A regular file of this machine, open to be read. Raises CairnErrors where it cannot be."""

    def __init__(self, path: bytes) -> None:
        """Raises NotFound where no regular file is there, Forbidden."""
        self._stream = open_regular(path)
        self._places: dict[bytes, int] = {}

    @property
    def descriptor(self) -> int:
        """Of the open file."""
        return self._stream.fileno()

    def status(self) -> os.stat_result:
        """What the system says of it."""
        return os.fstat(self.descriptor)

    def has_all(self, at: int, chunks: Iterable[ChunkRef | Chunk]) -> bool:
        """Whether these chunks, one after the other, are what is at a position."""
        for digest, size in chunks:
            if digest == HOLE:
                if not self._is_zero(at, size):
                    return False
            else:
                if hash_bytes(self._bytes(at, size)) != digest:
                    return False
            at += size
        return True

    def cut(self) -> None:
        """Find out which chunks it has, and where."""
        splitter, at = Splitter(), 0

        def take(pieces: Iterable[bytes]) -> None:
            nonlocal at
            for piece in pieces:
                self._places.setdefault(hash_bytes(piece), at)
                at += len(piece)

        self._stream.seek(0)
        while len(self._places) < _PLACES_MAX and (piece := self._stream.read(CUT_MAX_BYTES)):
            take(splitter.feed(piece))
        take(splitter.finish())

    def has(self, digest: bytes) -> bool:
        """Whether the chunk was found by `cut`."""
        return digest in self._places

    def read(self, chunk: Chunk) -> bytes | None:
        """A chunk's bytes, if they are still there."""
        with suppress(OSError):
            content = self._bytes(self._places[chunk.hash], chunk.size)
            if hash_bytes(content) == chunk.hash:
                return content
        return None

    def close(self) -> None:
        """Let go of it."""
        self._stream.close()

    def __enter__(self) -> OldFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _bytes(self, at: int, size: int) -> bytes:
        """So many bytes from a position, fewer at the end."""
        self._stream.seek(at)
        content = self._stream.read(size)
        while len(content) < size and (more := self._stream.read(size - len(content))):
            content += more
        return content

    def _is_zero(self, at: int, size: int) -> bool:
        """Whether all of it is zeros; a hole there is not read."""
        stop = at + size
        while at < stop:
            with suppress(OSError, AttributeError):
                at = os.lseek(self.descriptor, at, os.SEEK_DATA)
                if at >= stop:
                    return True
            length = min(len(_ZEROS), stop - at)
            if self._bytes(at, length) != _ZEROS[:length]:
                return False
            at += length
        return True


def as_chunks(refs: Sequence[ChunkRef]) -> Sequence[Chunk]:
    """The same, as fetching takes them."""
    return cast("Sequence[Chunk]", refs)
