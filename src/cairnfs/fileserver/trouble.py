"""What can go wrong with the chunk store, inside the fileserver.

What belongs here: small exceptions between the store and the HTTP side, which maps them onto
`cairnfs.errors`. What does not: status codes and texts for people. Values, safe in any thread.
"""

from __future__ import annotations

from cairnfs.ids import Hash


class StoreError(Exception):
    """Base of everything below."""


class StoreFull(StoreError):
    """No space for this write. Nothing of it counts; what is stored stays readable."""


class WriteFailed(StoreError):
    """The disk refused a write or an fsync. Nothing of the batch counts; it may be sent again."""


class ReadFailed(StoreError):
    """A read failed for a reason that says nothing about the chunk (no file handles, no memory)."""


class StoreClosed(StoreError):
    """The store or its writer was closed."""


class StoreLocked(StoreError):
    """Another process has this directory open."""


class NotClaimed(StoreError):
    """The directory has no identity yet: join first."""


class ForeignDirectory(StoreError):
    """The directory belongs to another cluster or fileserver, or to a format that is not known here."""


class IndexDamaged(StoreError):
    """The index contradicts itself. Close the store and open it again: it rebuilds the index."""


class WriterBusy(StoreError):
    """The writer's queue is at its limit: try again."""


class ChunkRefused(StoreError):
    """A put that can never be taken: wrong length, wrong hash."""

    def __init__(self, chunk: Hash, reason: str) -> None:
        """`reason` says what is wrong with it."""
        super().__init__(f"{chunk.hex()}: {reason}")
        self.chunk = chunk
        self.reason = reason


class WrongHash(ChunkRefused):
    """The bytes do not have the hash they came under."""

    def __init__(self, chunk: Hash) -> None:
        """`chunk` is the hash that was announced."""
        super().__init__(chunk, "the bytes have another BLAKE3 hash")


class ChunkMissing(StoreError):
    """This store does not hold the chunk."""

    def __init__(self, chunk: Hash) -> None:
        """`chunk` is what was asked for."""
        super().__init__(chunk.hex())
        self.chunk = chunk


class CorruptChunk(ChunkMissing):
    """The chunk's record is here, but its bytes are not the right ones any more."""
