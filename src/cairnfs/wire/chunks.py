"""The chunk plane: how chunks travel between clients and fileservers, many in one request.

A body is a row of frames: hash (32 bytes), state (1 byte), length (4 bytes, little-endian), then
so many bytes. State 0 is a chunk; in answers 1 says missing, 2 corrupt here, both with length 0.
A row that ends inside a frame is refused whole (LengthMismatch). Pure framing, no I/O, any thread.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Annotated

from cairnfs.core.manifest import CHUNK_MAX_BYTES
from cairnfs.errors import LengthMismatch, TooLarge
from cairnfs.ids import Hash
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.commits import Receipt
from cairnfs.wire.shapes import HashBytes, listed

MEDIA_TYPE = "application/vnd.cairn.chunks"
PUT_BODY_MAX_BYTES = 32 * 1024 * 1024
GET_CHUNKS_MAX = 1024
FETCH_CHUNKS_MAX = 64

#: Request headers of a put. The names are lower case, as ASGI gives them.
SESSION_HEADER = "cairn-session"
BEGIN_HEADER = "cairn-begin"
DURABILITY_HEADER = "cairn-durability"  # async, majority (default) or all
DEADLINE_HEADER = "cairn-deadline-ms"
#: The version of the cluster map by which the sender chose: a receiver with an older one fetches it.
MAP_HEADER = "cairn-map"

CHUNK, MISSING, CORRUPT = 0, 1, 2
_HEAD = struct.Struct("<32sBI")
HEAD_BYTES = _HEAD.size


class PutReply(Reply, kw_only=True):
    """One receipt for the whole request, with whom each chunk is durable.

    `short` are chunks that fewer fileservers hold than the durability asked for needs: they are in
    the receipt with the holders they have.
    """

    boot: str
    receipt: Receipt
    short: list[bytes] = []


class ForwardReply(Reply, kw_only=True):
    """A member's answer to its fellow member: all chunks of the request are fsynced here."""

    fileserver: int
    boot: str


class GetRequest(Request, kw_only=True):
    """At most GET_CHUNKS_MAX hashes; the answer is a row of frames in the same order."""

    hashes: Annotated[list[HashBytes], listed(GET_CHUNKS_MAX)]


class FetchRequest(Request, kw_only=True):
    """Asked of a member that lacks chunks: copy them from these fileservers, tried in this order."""

    hashes: Annotated[list[HashBytes], listed(FETCH_CHUNKS_MAX)]
    sources: list[Whole]


class FetchReply(Reply, kw_only=True):
    """How many chunks were copied and fsynced, and which no source gave."""

    fetched: int
    missing: list[bytes] = []


def head(chunk: Hash, length: int, state: int = CHUNK) -> bytes:
    """The 37 bytes before a frame's payload."""
    return _HEAD.pack(chunk, state, length)


def frame_at(row: bytes | bytearray | memoryview, at: int) -> tuple[Hash, int, int]:
    """(hash, state, length) of the frame that begins at `at`; its payload comes after HEAD_BYTES.

    Raises LengthMismatch where the row ends before, TooLarge for a chunk over 4 MiB.
    """
    if len(row) - at < HEAD_BYTES:
        raise LengthMismatch("the body ended inside a chunk")
    digest, state, length = _HEAD.unpack_from(row, at)
    if length > CHUNK_MAX_BYTES:
        raise TooLarge(f"a chunk has at most {CHUNK_MAX_BYTES} bytes")
    return Hash(digest), state, length


class Deframer:
    """Cuts an incoming row into frames, holding at most one unfinished frame.

    Each byte of a payload is copied once, when its frame is whole.
    """

    def __init__(self, limit_bytes: int | None = PUT_BODY_MAX_BYTES) -> None:
        """`limit_bytes` bounds the whole row; None for answers to one's own bounded questions."""
        self._left = limit_bytes
        #: The pieces of a frame that is not whole, and how many bytes they are.
        self._begun: list[bytes | memoryview] = []
        self._held = 0

    def feed(self, piece: bytes) -> Iterator[tuple[Hash, int, bytes]]:
        """Take bytes in; give (hash, state, payload) of each frame that they complete.

        Raises TooLarge for a chunk over 4 MiB or a row over the limit.
        """
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise TooLarge("the request's body is over its limit")
        if 0 < self._held < HEAD_BYTES:
            piece = b"".join((*self._begun, piece))
            self._held = 0
        at = 0
        if self._held:
            digest, state, length = _HEAD.unpack_from(self._begun[0])
            at = HEAD_BYTES + length - self._held
            if len(piece) < at:
                self._begun.append(piece)
                self._held += len(piece)
                return
            first, *others = self._begun
            yield Hash(digest), state, b"".join((first[HEAD_BYTES:], *others, memoryview(piece)[:at]))
        while len(piece) - at >= HEAD_BYTES:
            digest, state, length = _HEAD.unpack_from(piece, at)
            if length > CHUNK_MAX_BYTES:
                raise TooLarge(f"a chunk has at most {CHUNK_MAX_BYTES} bytes")
            end = at + HEAD_BYTES + length
            if len(piece) < end:
                break
            yield Hash(digest), state, piece[at + HEAD_BYTES : end]
            at = end
        self._held = len(piece) - at
        self._begun = [memoryview(piece)[at:]] if self._held else []

    def finish(self) -> None:
        """Say that the row is over. Raises LengthMismatch if it ended inside a frame."""
        if self._held:
            raise LengthMismatch("the body ended inside a chunk")
