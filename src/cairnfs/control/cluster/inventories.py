"""Asking fileservers what they hold, and laying it beside what the database says they should.

A range of hashes is walked in pages of the database's list; for each page every fileserver is asked
for exactly that span, all at the same time, so memory holds one page however large the range is.
The database is read first: chunks are never dropped, so what it names then a true copy has later.
What belongs here: asking and pairing. What does not: what a difference means (`verification.py`,
`duties/reconcile.py`). One event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cairnfs.clock import Clock
from cairnfs.errors import CairnError, DeadlineExceeded
from cairnfs.ids import BootId, FileserverId, Hash
from cairnfs.net.calls import Calls
from cairnfs.wire.endpoints import INVENTORY
from cairnfs.wire.verification import InventoryReply, InventoryRequest

PAGE_CHUNKS = 2_000
#: With every byte read: so many at most between two looks at the clock.
PAGE_CHUNKS_DEEP = 128
_CALL_S, _CALL_DEEP_S = 20.0, 110.0
#: A span of one page of the database's list may hold more on a fileserver (uploads not yet
#: committed); past so many pages of answers the fileserver counts as unable to answer.
_ANSWERS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Listed:
    """One chunk that versions name, with the number of copies that was promised."""

    hash: Hash
    size: int
    copies: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A fileserver to ask."""

    id: FileserverId
    address: str


@dataclass(frozen=True, slots=True)
class Held:
    """What one fileserver holds of a span: good chunks with their sizes, and those it cannot read."""

    boots: frozenset[BootId]
    good: dict[bytes, int]
    corrupt: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the database's list, and what each fileserver that answered holds of its span."""

    listed: Sequence[Listed]
    held: dict[FileserverId, Held]
    silent: dict[FileserverId, str] = field(default_factory=dict)


#: Chunks with low <= hash < high, in order of hash, at most so many.
ListChunks = Callable[[bytes, bytes | None, int], Awaitable[Sequence[Listed]]]
CallsTo = Callable[[str], Calls]


class Inventories:
    """Walks ranges of hashes."""

    def __init__(self, list_chunks: ListChunks, calls_to: CallsTo, clock: Clock) -> None:
        """`calls_to(address)` gives calls that carry a fileserver's token."""
        self._list_chunks = list_chunks
        self._calls_to = calls_to
        self._clock = clock

    async def walk(
        self,
        low: bytes,
        high: bytes | None,
        fileservers: Iterable[Asked],
        *,
        deadline: float,
        deep: bool = False,
    ) -> AsyncIterator[Page]:
        """Each page of the range. Whoever does not answer once is not asked again, and is in `silent`.

        Raises DeadlineExceeded between pages once the clock's monotonic time is past `deadline`.
        """
        asked = list(fileservers)
        silent: dict[FileserverId, str] = {}
        limit = PAGE_CHUNKS_DEEP if deep else PAGE_CHUNKS
        start: bytes | None = low
        while start is not None:
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded("the comparison took longer than its deadline")
            listed = await self._list_chunks(start, high, limit)
            go_on = following(listed[-1].hash) if len(listed) == limit else None
            span = InventoryRequest(
                low=start, high=go_on or high, deep=deep, limit=limit if deep else 4 * limit
            )
            held = await self._ask(span, [one for one in asked if one.id not in silent], left_s, silent)
            yield Page(listed, held, dict(silent))
            start = go_on

    async def _ask(
        self,
        span: InventoryRequest,
        fileservers: Sequence[Asked],
        left_s: float,
        silent: dict[FileserverId, str],
    ) -> dict[FileserverId, Held]:
        call_s = min(left_s, _CALL_DEEP_S if span.deep else _CALL_S)
        answers = await asyncio.gather(*(self._of(one, span, call_s) for one in fileservers))
        held = {}
        for one, answer in zip(fileservers, answers, strict=True):
            if isinstance(answer, str):
                silent[one.id] = answer
            else:
                held[one.id] = answer
        return held

    async def _of(self, fileserver: Asked, span: InventoryRequest, call_s: float) -> Held | str:
        """What it holds, or why it does not say."""
        calls = self._calls_to(fileserver.address)
        boots: set[BootId] = set()
        good: dict[bytes, int] = {}
        corrupt: set[bytes] = set()
        low = span.low
        for _ in range(_ANSWERS_MAX):
            request = InventoryRequest(low=low, high=span.high, limit=span.limit, deep=span.deep)
            try:
                answer: InventoryReply = await calls.call(INVENTORY, request, timeout_s=call_s)
            except CairnError as error:
                return str(error)
            if answer.fileserver != fileserver.id:
                return f"fileserver {answer.fileserver} answers at its address"
            boots.add(BootId(answer.boot))
            good.update((digest, size) for digest, size, _ in answer.chunks)
            corrupt.update(answer.corrupt)
            if answer.next is None:
                break
            if answer.next <= low:
                return "its inventory goes in circles"
            low = answer.next
        else:
            return "its inventory does not come to an end"
        for rotten in corrupt:
            good.pop(rotten, None)
        return Held(frozenset(boots), good, frozenset(corrupt))


def following(digest: Hash) -> bytes | None:
    """The smallest hash above this one; None after the last."""
    number = int.from_bytes(digest, "big") + 1
    return None if number >> 256 else number.to_bytes(32, "big")
