"""Passing chunks on to fellow members: one Forwarder per member, everything that waits in one request.

What belongs here: coalescing, bounds, and knowing which member is not worth waiting for. What does
not: which members a chunk has (`membership.py`) and how many must answer (`put.py`). One event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from cairnfs.clock import Clock
from cairnfs.errors import Busy, CairnError, Unavailable, Unreachable
from cairnfs.fileserver.disk import Buffer
from cairnfs.fileserver.rows import Chunk
from cairnfs.ids import FileserverId
from cairnfs.net.calls import Calls
from cairnfs.net.transport import Body
from cairnfs.wire import chunks as wire
from cairnfs.wire import endpoints
from cairnfs.wire.receipts import Holder

#: Requests under way to one member. Two keep it busy; what comes meanwhile waits and goes together.
LANES = 2
REQUEST_MAX_BYTES = 8 * 1024 * 1024
WAITING_MAX_BYTES = 64 * 1024 * 1024
#: Up to here one piece is cheaper to send; beyond it, copying all of it would cost more.
JOINED_MAX_BYTES = 256 * 1024
#: A member that has not answered for so long is treated as hung. Nobody waits for it as long as that
#: where enough others hold the chunks (`put.GRACE_S`).
TIMEOUT_S = 4.0
#: So long nothing is sent to a member that could not be reached, or hung: nobody waits for it.
AVOID_UNREACHABLE_S = 1.0
AVOID_HUNG_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    chunks: Sequence[Chunk]
    begin: int
    size: int
    answer: asyncio.Future[Holder]


@dataclass(frozen=True, slots=True)
class Peer:
    """A member as it is now; `takes`: the cluster map says that it takes new chunks."""

    id: FileserverId
    calls: Calls
    takes: bool


class Forwarder:
    """The way to one member."""

    def __init__(self, clock: Clock, peer: Callable[[], Peer]) -> None:
        """`peer` is asked at each request, since addresses and states change."""
        self._clock = clock
        self._peer = peer
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._lanes: set[asyncio.Task[None]] = set()
        self._avoid_until = 0.0

    def send(self, chunks: Sequence[Chunk], begin: int) -> asyncio.Future[Holder]:
        """Pass chunks on. The future gives the holder once they are fsynced there, or a CairnError."""
        answer: asyncio.Future[Holder] = asyncio.get_running_loop().create_future()
        # Who asked may have answered without this member: then nobody looks at the failure.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        size = sum(len(data) for _, data in chunks)
        if not self._peer().takes or self._clock.monotonic() < self._avoid_until:
            answer.set_exception(Unreachable("the member is away"))
        elif self._waiting_bytes + size > WAITING_MAX_BYTES:
            answer.set_exception(Busy("too much waits for the member"))
        else:
            self._waiting.append(_Waiting(chunks, begin, size, answer))
            self._waiting_bytes += size
            if len(self._lanes) < LANES:
                lane = asyncio.create_task(self._lane())
                self._lanes.add(lane)
                lane.add_done_callback(self._lanes.discard)
        return answer

    async def close(self) -> None:
        """Stop sending; what waits fails."""
        for lane in list(self._lanes):
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        self._fail(self._take(WAITING_MAX_BYTES), Unavailable("the fileserver stops"))

    async def _lane(self) -> None:
        # The puts of one turn of the loop go together: yield once before looking.
        await asyncio.sleep(0)
        while batch := self._take(REQUEST_MAX_BYTES):
            try:
                holder = await self._request(batch)
            except CairnError as error:
                self._fail(batch, error)
                self._note_failure(error)
            except BaseException:
                self._fail(batch, Unavailable("passing on was interrupted"))
                raise
            else:
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_result(holder)

    def _take(self, limit_bytes: int) -> list[_Waiting]:
        batch: list[_Waiting] = []
        taken = 0
        while self._waiting and (not batch or taken + self._waiting[0].size <= limit_bytes):
            batch.append(self._waiting.popleft())
            taken += batch[-1].size
        self._waiting_bytes -= taken
        return batch

    async def _request(self, batch: list[_Waiting]) -> Holder:
        parts: list[Buffer] = []
        for waiting in batch:
            for digest, data in waiting.chunks:
                parts += (wire.head(digest, len(data)), data)
        peer = self._peer()
        length = sum(map(len, parts))
        body: Body = b"".join(parts) if length <= JOINED_MAX_BYTES else _each(parts)
        reply = await peer.calls.send(
            endpoints.FORWARD_CHUNKS,
            body,
            length=length,
            timeout_s=TIMEOUT_S,
            # The highest of all protects each of them at least as long as its own would.
            headers={wire.BEGIN_HEADER: str(max(waiting.begin for waiting in batch))},
        )
        if reply.fileserver != peer.id:
            raise Unreachable(f"fileserver {reply.fileserver} answers where {peer.id} should")
        return Holder(reply.fileserver, reply.boot)

    def _note_failure(self, error: CairnError) -> None:
        avoid_s = AVOID_UNREACHABLE_S if isinstance(error, Unreachable) else AVOID_HUNG_S
        if isinstance(error, Unavailable):
            self._avoid_until = self._clock.monotonic() + avoid_s
            # Whoever waits behind would only wait as long again.
            self._fail(self._take(WAITING_MAX_BYTES), error)

    @staticmethod
    def _fail(batch: list[_Waiting], error: CairnError) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)


async def _each(parts: Sequence[Buffer]) -> AsyncIterator[bytes | memoryview]:
    """As they are: what a row was received into is what is sent."""
    for part in parts:
        yield part if isinstance(part, bytes) else memoryview(part)
