"""A fileserver in a dictionary, and its misdeeds."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from cairnfs.clock import SystemClock
from cairnfs.core.manifest import hash_bytes
from cairnfs.core.placement import required
from cairnfs.errors import NoSpace, NotFound
from cairnfs.ids import Hash
from cairnfs.net.serving import Context, Pieces, application
from cairnfs.wire import chunks, directory, endpoints, receipts

if TYPE_CHECKING:
    from tests.unit.client.fake_cluster import FakeCluster

CLUSTER_ID = "c" * 32
KEY = b"k" * 32


class FakeFileserver:
    """Chunks by name. Its misdeeds are set by attributes."""

    def __init__(self, number: int, cluster: FakeCluster) -> None:
        self.number = number
        self.origin = f"http://fileserver-{number}"
        self.boot = secrets.token_hex(16)
        self.chunks: dict[bytes, bytes] = {}
        self.corrupt: set[bytes] = set()
        self.full = False
        self.lies = False
        self.hang_puts = False
        self.hang_gets = False
        self.hang_within_gets = False
        self.puts: list[int] = []
        self.gets: list[int] = []
        self.get_takes_s = 0.0
        self.running_puts = 0
        self.most_puts = 0
        self._cluster = cluster
        self.app = application(
            endpoints=endpoints.FILESERVER,
            handlers={"inventory": _nothing, "fetch_chunks": _nothing},
            frames={"put_chunks": self.put, "forward_chunks": self.put, "get_chunks": self.get},
            authenticate=cluster.authenticate,
            clock=SystemClock(),
            title="fake fileserver",
        )

    @property
    def up(self) -> bool:
        return self.origin in self._cluster.transport.apps

    def kill(self) -> None:
        """Nothing listens any more."""
        self._cluster.transport.apps.pop(self.origin, None)

    def start(self) -> None:
        """It serves (again)."""
        self._cluster.transport.apps[self.origin] = self.app

    async def put(self, context: Context, pieces: AsyncIterator[bytes]) -> chunks.PutReply:
        self.running_puts += 1
        self.most_puts = max(self.most_puts, self.running_puts)
        try:
            return await self._put(context, pieces)
        finally:
            self.running_puts -= 1

    async def _put(self, context: Context, pieces: AsyncIterator[bytes]) -> chunks.PutReply:
        if self.hang_puts:
            await self._cluster.for_ever()
        if self.full:
            raise NoSpace("the disk is full")
        deframer = chunks.Deframer()
        came: dict[bytes, bytes] = {}
        async for piece in pieces:
            for digest, _, content in deframer.feed(piece):
                assert hash_bytes(content) == digest
                came[digest] = content
        deframer.finish()
        self.puts.append(len(came))
        await self._cluster.on_put()
        others = [s for s in self._cluster.servers if s is not self and s.up and not (s.full or s.hang_puts)]
        holders = [self, *others][: self._cluster.copies]
        for holder in holders:
            holder.chunks.update(came)
        durability = context.headers.get(chunks.DURABILITY_HEADER, "majority")
        enough = len(holders) >= required(self._cluster.copies, durability)
        body = receipts.ReceiptBody(
            CLUSTER_ID,
            1,
            self.number,
            context.user.user_id,
            context.headers[chunks.SESSION_HEADER],
            int(context.headers[chunks.BEGIN_HEADER]),
            [
                receipts.Holding(
                    [receipts.Holder(holder.number, holder.boot) for holder in holders],
                    [directory.ChunkRef(digest, len(content)) for digest, content in came.items()],
                )
            ],
        )
        return chunks.PutReply(
            boot=self.boot, receipt=receipts.sign(body, KEY), short=[] if enough else list(came)
        )

    async def get(self, context: Context, request: chunks.GetRequest) -> Pieces:
        if self.hang_gets:
            await self._cluster.for_ever()
        self.gets.append(len(request.hashes))
        if self.get_takes_s:
            await asyncio.sleep(self.get_takes_s)
        return Pieces(self._frames(request.hashes))

    async def _frames(self, hashes: list[bytes]) -> AsyncIterator[bytes]:
        for at, digest in enumerate(hashes):
            if self.hang_within_gets and at == len(hashes) // 2:
                await self._cluster.for_ever()
            name = Hash(digest)
            content = self.chunks.get(digest)
            if digest in self.corrupt:
                yield chunks.head(name, 0, chunks.CORRUPT)
            elif content is None:
                yield chunks.head(name, 0, chunks.MISSING)
            else:
                if self.lies:
                    content = bytes([content[0] ^ 1]) + content[1:]
                yield chunks.head(name, len(content)) + content


async def _nothing(context: Context, request: Any) -> Any:
    raise NotFound("this fake does not do that")
