"""One exchange of chunks with one fileserver, and how much may be under way at once.

What belongs here: frames out and receipts in, hashes out and frames in, each piece of progress
reported; the budget of bytes in memory. What does not: which fileserver, and what to do when it
fails (`courier.py`). Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from cairnfs.client.control import Control
from cairnfs.client.credentials import TokenSource
from cairnfs.client.results import Durability
from cairnfs.clock import Clock
from cairnfs.core.manifest import CHUNK_MAX_BYTES
from cairnfs.errors import Internal, LengthMismatch, OutcomeUnknown, TokenExpired, TokenInvalid
from cairnfs.ids import Hash
from cairnfs.net.calls import Calls
from cairnfs.net.transport import Response, Transport
from cairnfs.wire import endpoints
from cairnfs.wire.chunks import (
    BEGIN_HEADER,
    DURABILITY_HEADER,
    HEAD_BYTES,
    SESSION_HEADER,
    Deframer,
    GetRequest,
    PutReply,
    head,
)

#: Chunk bytes that a client holds at once, on their way in either direction.
IN_FLIGHT_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 8 * 1024 * 1024
BATCH_CHUNKS = 1024

_PIECE_BYTES = 256 * 1024
_ANSWER_S = 20.0
#: A batch is given more time at this rate for its bytes, so that slow lines can do it at all.
_RATE_LEAST = 256 * 1024

Beat = Callable[[], None]


class Budget:
    """Bytes that may be held at once; who asks first gets first."""

    def __init__(self, total_bytes: int = IN_FLIGHT_BYTES) -> None:
        """`total_bytes` is at least one chunk, or nothing could ever move."""
        assert total_bytes >= CHUNK_MAX_BYTES
        self._free = total_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_take(self, size: int) -> bool:
        """Take `size` bytes if they are free and nobody waits for them."""
        if self._waiting or size > self._free:
            return False
        self._free -= size
        return True

    async def take(self, size: int) -> None:
        """Take `size` bytes, waiting until they are free."""
        if self.try_take(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(size)
            else:
                self._waiting.remove(entry)
                self._serve()
            raise

    def give(self, size: int) -> None:
        """Give `size` bytes back."""
        self._free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= size
                turn.set_result(None)


def upload_headers(session: str, begin: int, durability: Durability) -> dict[str, str]:
    """What every put of one upload says about it."""
    return {SESSION_HEADER: session, BEGIN_HEADER: str(begin), DURABILITY_HEADER: durability}


class ChunkPlane:
    """The fileservers' side of the cluster, asked by one caller."""

    def __init__(self, transport: Transport, clock: Clock, tokens: TokenSource) -> None:
        self._transport = transport
        self._clock = clock
        self._tokens = tokens
        self._calls: dict[str, Calls] = {}

    @classmethod
    def beside(cls, control: Control) -> ChunkPlane:
        """The chunk plane for the caller of this control plane."""
        return cls(control.transport, control.clock, control.tokens)

    def _at(self, address: str) -> Calls:
        calls = self._calls.get(address)
        if calls is None:
            calls = Calls(self._transport, address, clock=self._clock, token=self._tokens.token)
            self._calls[address] = calls
        return calls

    async def put(
        self, address: str, batch: Sequence[tuple[Hash, bytes]], headers: Mapping[str, str], beat: Beat
    ) -> PutReply:
        """Send chunks; the answer is one receipt for all.

        `headers` are an upload's. `beat` is called whenever something moved.
        """
        length = sum(HEAD_BYTES + len(content) for _, content in batch)

        async def send() -> PutReply:
            return await self._at(address).send(
                endpoints.PUT_CHUNKS,
                _row(batch) if length <= _PIECE_BYTES else _frames(batch, beat),
                length=length,
                timeout_s=_ANSWER_S + length / _RATE_LEAST,
                headers=headers,
            )

        token = await self._tokens.token()
        try:
            return await send()
        except (TokenExpired, TokenInvalid) as error:
            if token is None or not await self._tokens.refused(token):
                raise error
            return await send()

    async def get(
        self, address: str, hashes: Sequence[Hash], beat: Beat
    ) -> AsyncIterator[tuple[Hash, int, bytes]]:
        """Ask for chunks: (hash, state, bytes) in the order asked for, nothing checked yet."""
        response = await self._ask(address, GetRequest(hashes=list(hashes)))
        deframer = Deframer(limit_bytes=None)
        expected = iter(hashes)
        async with response:
            beat()
            async for piece in response.pieces():
                beat()
                for frame in deframer.feed(piece):
                    if next(expected, None) != frame[0]:
                        raise Internal(f"{address} answered chunks that were not asked for")
                    yield frame
            try:
                deframer.finish()
            except LengthMismatch as error:
                raise OutcomeUnknown(f"{address} broke off its answer") from error

    async def _ask(self, address: str, request: GetRequest) -> Response:
        async def ask() -> Response:
            return await self._at(address).stream(
                endpoints.GET_CHUNKS, request, timeout_s=_ANSWER_S, read_timeout_s=_ANSWER_S
            )

        token = await self._tokens.token()
        try:
            return await ask()
        except (TokenExpired, TokenInvalid) as error:
            if token is None or not await self._tokens.refused(token):
                raise error
            return await ask()


def _row(batch: Sequence[tuple[Hash, bytes]]) -> bytes:
    """A short row of frames, which is sent with the head of its request."""
    return b"".join(part for chunk, content in batch for part in (head(chunk, len(content)), content))


async def _frames(batch: Sequence[tuple[Hash, bytes]], beat: Beat) -> AsyncIterator[bytes | memoryview]:
    """The row of frames, small ones together and large ones in slices, which are not copied."""
    row = bytearray()
    for chunk, content in batch:
        row += head(chunk, len(content))
        if len(content) <= _PIECE_BYTES:
            row += content
        if len(row) >= _PIECE_BYTES or len(content) > _PIECE_BYTES:
            yield bytes(row)
            beat()
            row.clear()
        if len(content) > _PIECE_BYTES:
            view = memoryview(content)
            for at in range(0, len(content), _PIECE_BYTES):
                yield view[at : at + _PIECE_BYTES]
                beat()
    if row:
        yield bytes(row)
        beat()
