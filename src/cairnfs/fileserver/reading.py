"""Giving chunks out: to readers, and to fellow members that lack them.

What belongs here: answering a list of hashes with a row of frames, fetching chunks from another
member, listing what is here. What does not: how the store reads (`store.py`). One event loop; the
store is read in threads, except for small chunks that need no disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import BadRequest, CairnError, TooLarge
from cairnfs.fileserver import trouble
from cairnfs.fileserver.store import Store
from cairnfs.ids import FileserverId, Hash
from cairnfs.net.serving import Context, Pieces
from cairnfs.wire import chunks as wire
from cairnfs.wire import endpoints
from cairnfs.wire.verification import InventoryReply, InventoryRequest

if TYPE_CHECKING:
    from cairnfs.fileserver.intake import Intake
    from cairnfs.fileserver.membership import Membership

#: One turn of a reader thread reads until it holds so much, so that memory stays bounded.
TURN_BYTES = 1024 * 1024
#: So many chunks are looked for together, those that turn out to be small.
TOGETHER_CHUNKS = 128
#: Frames of this size on average leave as one piece.
JOINED_MAX_BYTES = 32 * 1024
#: So many small chunks that are in memory cost less on the event loop than the way to a thread and back.
AT_HAND_CHUNKS = 8
INVENTORY_MAX = 10_000
DEEP_MAX = 64
FETCH_TIMEOUT_S = 20.0


class Reading:
    """The ways out for chunks."""

    def __init__(self, intake: Intake, membership: Membership) -> None:
        """`intake` is this server's own store; `membership` knows the others."""
        self._intake = intake
        self._membership = membership

    async def get(self, context: Context, request: wire.GetRequest) -> Pieces | bytes:
        """The asked chunks as frames, in order; one that is not here or rotten is a frame that says so."""
        if len(request.hashes) > wire.GET_CHUNKS_MAX:
            raise TooLarge(f"one request reads at most {wire.GET_CHUNKS_MAX} chunks")
        hashes = [_hash(raw) for raw in request.hashes]
        row = self._at_hand(hashes)
        return Pieces(self._frames(hashes)) if row is None else row

    def _at_hand(self, hashes: Sequence[Hash]) -> bytes | None:
        """The row of a few small chunks, if all of them are in memory: not worth the way to a thread."""
        if len(hashes) > AT_HAND_CHUNKS:
            return None
        parts: list[bytes] = []
        for digest in hashes:
            data = self._intake.cached(digest)
            if data is None:
                return None
            parts += (wire.head(digest, len(data)), data)
        return b"".join(parts)

    async def _frames(self, hashes: Sequence[Hash]) -> AsyncIterator[Sequence[bytes]]:
        start = 0
        while start < len(hashes):
            pieces, start = await self._intake.read(lambda store, at=start: _turn(store, hashes, at))  # type: ignore[misc]
            yield pieces

    async def inventory(self, context: Context, request: InventoryRequest) -> InventoryReply:
        """One page of the chunks that are here; `deep` reads and checks every byte of them."""
        low, high = request.low, request.high
        if len(low) > 32 or (high is not None and len(high) > 32):
            raise BadRequest("a bound has at most 32 bytes")
        # A deep page is read whole in one turn of a thread: smaller pages keep each answer quick.
        limit = max(1, min(request.limit, DEEP_MAX if request.deep else INVENTORY_MAX))
        page = await self._intake.read(
            lambda store: store.inventory(low, high, limit=limit, deep=request.deep)
        )
        return InventoryReply(
            fileserver=self._membership.id,
            boot=self._intake.boot,
            chunks=[(held.hash, held.size, held.begin) for held in page.chunks],
            corrupt=list(page.corrupt),
            next=page.next,
        )

    async def fetch(self, context: Context, request: wire.FetchRequest) -> wire.FetchReply:
        """Copy chunks that this member lacks from others, in the order given; rotten ones are replaced."""
        if len(request.hashes) > wire.FETCH_CHUNKS_MAX:
            raise TooLarge(f"one request fetches at most {wire.FETCH_CHUNKS_MAX} chunks")
        missing = {_hash(raw) for raw in request.hashes}
        fetched = 0
        for source in request.sources:
            if not missing or source == self._membership.id:
                continue
            try:
                fetched += await self._fetch_from(FileserverId(source), missing)
            except CairnError:
                continue
        return wire.FetchReply(fetched=fetched, missing=sorted(missing))

    async def _fetch_from(self, source: FileserverId, missing: set[Hash]) -> int:
        """Store what the source has of `missing` and take it out of the set; the number of chunks."""
        deframer = wire.Deframer(None)
        got: list[tuple[Hash, bytes]] = []
        fetched = 0
        calls = self._membership.peer(source).calls
        ask = wire.GetRequest(hashes=sorted(missing))
        async with await calls.stream(endpoints.GET_CHUNKS, ask, timeout_s=FETCH_TIMEOUT_S) as response:
            async for piece in response.pieces():
                for digest, state, data in deframer.feed(piece):
                    if (
                        state == wire.CHUNK
                        and digest in missing
                        and await asyncio.to_thread(_fits, digest, data)
                    ):
                        got.append((digest, data))
                if sum(len(data) for _, data in got) > wire.PUT_BODY_MAX_BYTES // 2:
                    fetched += await self._keep(got, missing)
            deframer.finish()
        return fetched + await self._keep(got, missing)

    async def _keep(self, got: list[tuple[Hash, bytes]], missing: set[Hash]) -> int:
        # The present commit protects a copy at least as long as the number it had at its source.
        await self._intake.store(
            got, self._membership.commit, rewrite=True, cold=self._membership.read_elsewhere
        )
        missing.difference_update(digest for digest, _ in got)
        count = len(got)
        got.clear()
        return count


def _turn(store: Store, hashes: Sequence[Hash], start: int) -> tuple[list[bytes], int]:
    """Frames from `start` on, about TURN_BYTES of them, and where to go on."""
    pieces: list[bytes] = []
    held = 0
    together: dict[Hash, bytes] = {}
    looked = start
    while start < len(hashes) and held < TURN_BYTES:
        if start == looked and len(hashes) - start > 1:
            looked = min(start + TOGETHER_CHUNKS, len(hashes))
            together = store.get_together(hashes[start:looked])
        digest = hashes[start]
        start += 1
        data = together.get(digest)
        if data is None:
            data, state = _one(store, digest)
            pieces.append(wire.head(digest, len(data), state))
        else:
            pieces.append(wire.head(digest, len(data)))
        pieces.append(data)
        held += len(data)
    # Small frames leave as one piece: fewer sends.
    return ([b"".join(pieces)] if held < len(pieces) * JOINED_MAX_BYTES else pieces), start


def _one(store: Store, digest: Hash) -> tuple[bytes, int]:
    """A chunk's bytes and the state of its frame."""
    try:
        return store.get(digest), wire.CHUNK
    except trouble.CorruptChunk:
        return b"", wire.CORRUPT
    except trouble.ChunkMissing:
        return b"", wire.MISSING


def _fits(digest: Hash, data: bytes) -> bool:
    return hash_bytes(data) == digest


def _hash(raw: bytes) -> Hash:
    if len(raw) != 32:
        raise BadRequest("a chunk's hash has 32 bytes")
    return Hash(raw)
