"""A row of chunks comes in: into one buffer or in pieces, with the same result and the same refusals."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from cairnfs.core.manifest import CHUNK_MAX_BYTES, hash_bytes
from cairnfs.errors import BadRequest, CairnError, HashMismatch, LengthMismatch, TooLarge
from cairnfs.fileserver.room import Guest
from cairnfs.fileserver.rows import BUFFER_MIN_BYTES, receive
from cairnfs.ids import Hash
from cairnfs.net.asgi import BodyPieces, Message
from cairnfs.wire import chunks as wire


def row(*chunks: bytes, state: int = wire.CHUNK) -> bytes:
    return b"".join(wire.head(hash_bytes(data), len(data), state) + data for data in chunks)


class Sender:
    """A body of announced or unknown length that comes in pieces of random sizes."""

    def __init__(self, body: bytes, *, announced: int | None, seed: int = 0) -> None:
        self._rest = body
        self._random = random.Random(seed)
        self.pieces = BodyPieces(self.receive, limit_bytes=None, announced_bytes=announced)

    async def receive(self) -> Message:
        size = self._random.choice((1, 36, 1000, 70_000, 300_000))
        piece, self._rest = self._rest[:size], self._rest[size:]
        return {"type": "http.request", "body": piece, "more_body": bool(self._rest)}


ROWS: Sequence[Sequence[bytes]] = (
    [random.Random(1).randbytes(BUFFER_MIN_BYTES)],
    [random.Random(2).randbytes(size) for size in (1, 3_000_000, 7, 100_000, 1)],
    [random.Random(size).randbytes(size) for size in range(1, 2000)],
)


@pytest.mark.parametrize("data", ROWS, ids=("one", "mixed", "many"))
@pytest.mark.parametrize("announced", [True, False])
async def test_what_was_sent_is_what_is_received(data: Sequence[bytes], announced: bool) -> None:
    body = row(*data)
    for seed in range(3):
        guest = Guest(None, 0.0)
        sender = Sender(body, announced=len(body) if announced else None, seed=seed)
        chunks = await receive(sender.pieces, guest)
        assert [(digest, bytes(content)) for digest, content in chunks] == [
            (hash_bytes(one), one) for one in data
        ]
        assert guest.arrived
        assert guest.came_bytes() == len(body)


LARGE = bytes(BUFFER_MIN_BYTES)
TOO_LONG = wire.head(Hash(bytes(32)), CHUNK_MAX_BYTES + 1)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (row(LARGE)[:-1], LengthMismatch),
        (row(LARGE) + bytes(36), LengthMismatch),
        (row(LARGE) + wire.head(hash_bytes(b"x"), 2) + b"x", LengthMismatch),
        (row(LARGE) + wire.head(hash_bytes(b"x"), 1) + b"y", HashMismatch),
        (row(LARGE, b""), BadRequest),
        (row(LARGE, state=wire.MISSING), BadRequest),
        (row(LARGE) + TOO_LONG + LARGE, TooLarge),
    ],
    ids=("cut", "half a head", "half a chunk", "other bytes", "nothing", "not a chunk", "too large"),
)
async def test_a_broken_row_is_refused(body: bytes, error: type[CairnError], announced: bool) -> None:
    sender = Sender(body, announced=len(body) if announced else None)
    guest = Guest(None, 0.0)
    with pytest.raises(error):
        await receive(sender.pieces, guest)


async def test_a_body_shorter_than_announced_is_refused() -> None:
    body = row(LARGE, b"the rest")
    with pytest.raises(LengthMismatch):
        await receive(Sender(body[:-3], announced=len(body)).pieces, Guest(None, 0.0))
