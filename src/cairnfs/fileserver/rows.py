"""Receiving a row of chunks: from a request's body to chunks whose hashes are right.

A large row comes straight into one buffer, and its chunks are views of that: they are neither cut out nor
copied on their way to the disk and to fellow members. What belongs here: that, and checking. What does not:
what becomes of the chunks (`put.py`). One event loop; large chunks are hashed beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from blake3 import blake3

from cairnfs.errors import BadRequest, HashMismatch, LengthMismatch
from cairnfs.fileserver.disk import Buffer
from cairnfs.fileserver.room import Guest
from cairnfs.ids import Hash
from cairnfs.net.asgi import BodyPieces
from cairnfs.wire import chunks as wire

Chunk = tuple[Hash, Buffer]

#: Up to here hashing on the event loop (0.3 ms a MiB) is cheaper than the way to a thread and back.
HASH_INLINE_BYTES = 2 * 1024 * 1024
#: A body of announced length beyond it gets a buffer of its own; smaller ones come in one piece or two.
BUFFER_MIN_BYTES = 256 * 1024


async def receive(body: AsyncIterator[bytes], guest: Guest) -> list[Chunk]:
    """All chunks of a row, each checked against its hash. The buffers are the caller's for good.

    Raises HashMismatch, BadRequest, LengthMismatch, TooLarge.
    """
    announced = body.announced_bytes if isinstance(body, BodyPieces) else None
    if isinstance(body, BodyPieces) and announced is not None and announced > BUFFER_MIN_BYTES:
        chunks = await _at_once(body, announced, guest)
    else:
        chunks = await _in_pieces(body, guest)
    guest.arrived = True
    return chunks


async def _at_once(body: BodyPieces, length: int, guest: Guest) -> list[Chunk]:
    row = memoryview(bytearray(length))
    arrival = guest.arrival = body.into(row)
    chunks: list[Chunk] = []
    at = 0
    while at < length:
        start = at + wire.HEAD_BYTES
        await arrival.until(min(start, length))
        digest, state, size = wire.frame_at(row, at)
        at = start + size
        if at > length:
            raise LengthMismatch("the body ends inside a chunk")
        await arrival.until(at)
        chunks.append(await _checked(digest, state, row[start:at]))
    return chunks


async def _in_pieces(body: AsyncIterator[bytes], guest: Guest) -> list[Chunk]:
    deframer = wire.Deframer()
    chunks: list[Chunk] = []
    async for piece in body:
        guest.seen_bytes += len(piece)
        for digest, state, data in deframer.feed(piece):
            chunks.append(await _checked(digest, state, data))
    deframer.finish()
    return chunks


async def _checked(digest: Hash, state: int, data: Buffer) -> Chunk:
    if state != wire.CHUNK or not data:
        raise BadRequest("a put holds chunks of at least one byte only")
    large = len(data) > HASH_INLINE_BYTES
    real = await asyncio.to_thread(_hash, data) if large else _hash(data)
    if real != digest:
        raise HashMismatch(f"the bytes of chunk {digest.hex()} hash to {real.hex()}")
    return digest, data


def _hash(data: Buffer) -> bytes:
    return blake3(data).digest()
