"""A version's list of chunks, cut into leaves.

A leaf holds up to 256 chunks: for each its hash (32 bytes) and size (4 bytes, little-endian),
concatenated. It is named by the BLAKE3 of exactly those bytes, so equal runs of chunks are one
leaf. A hole, bytes that are all zero and stored nowhere, stands among the chunks under the name
`HOLE`. Golden vectors of the encoding stand in the tests: it never changes. Pure, any thread.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from blake3 import blake3

from cairnfs.ids import Hash

CHUNK_MAX_BYTES = 4 * 1024 * 1024
LEAF_ENTRIES = 256
#: The name of every hole: no bytes that anyone could find have this BLAKE3.
HOLE: Final = Hash(bytes(32))
#: What four bytes can say. A longer hole is several entries in a row.
HOLE_MAX_BYTES = 2**32 - 1
_ENTRY = struct.Struct("<32sI")
ENTRY_BYTES: Final = _ENTRY.size  #: of one chunk in a leaf


class Chunk(NamedTuple):
    """One chunk of a file: its BLAKE3 hash and its length in bytes (1 to 4 MiB; see `HOLE` for a hole's)."""

    hash: Hash
    size: int


class Leaf(NamedTuple):
    """A piece of a manifest: its own hash, the bytes of file it covers, its encoded entries."""

    hash: Hash
    size: int
    entries: bytes


def hash_bytes(data: bytes | bytearray | memoryview) -> Hash:
    """The BLAKE3 hash that names these bytes."""
    return Hash(blake3(data).digest())


def holes(length: int) -> Iterator[Chunk]:
    """The entries of a hole of `length` bytes: full ones, then what is left."""
    for _ in range(length // HOLE_MAX_BYTES):
        yield Chunk(HOLE, HOLE_MAX_BYTES)
    if left := length % HOLE_MAX_BYTES:
        yield Chunk(HOLE, left)


def leaves(chunks: Sequence[Chunk]) -> list[Leaf]:
    """Cut a list of chunks into leaves, in order. An empty file has none."""
    cut = []
    for start in range(0, len(chunks), LEAF_ENTRIES):
        part = chunks[start : start + LEAF_ENTRIES]
        entries = b"".join(_ENTRY.pack(*chunk) for chunk in part)
        cut.append(Leaf(hash_bytes(entries), sum(chunk.size for chunk in part), entries))
    return cut


def entry(chunk: Chunk) -> bytes:
    """One chunk as a leaf has it."""
    return _ENTRY.pack(*chunk)


def chunk(encoded: bytes) -> Chunk:
    """The chunk of one entry."""
    digest, size = _ENTRY.unpack(encoded)
    return Chunk(Hash(digest), size)


def cut(encoded: bytes) -> list[bytes]:
    """The entries of one encoded leaf, in order, still encoded: quicker, if they are only compared."""
    if len(encoded) == ENTRY_BYTES:  # most files are small
        return [encoded]
    return [encoded[at : at + ENTRY_BYTES] for at in range(0, len(encoded), ENTRY_BYTES)]


def entries(encoded: bytes) -> Iterable[Chunk]:
    """The chunks of one encoded leaf, in order."""
    return (Chunk(Hash(digest), size) for digest, size in _ENTRY.iter_unpack(encoded))
