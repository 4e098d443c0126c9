"""Fileservers without disks: chunks in a dictionary, behind the real endpoints' seam.

What belongs here: the two endpoints that the control plane asks. What does not: putting and getting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from blake3 import blake3

from cairnfs.errors import Internal
from cairnfs.net.serving import Caller, Context, application
from cairnfs.net.tokens import TokenChecker
from cairnfs.wire import endpoints
from cairnfs.wire.chunks import FetchReply, FetchRequest
from cairnfs.wire.commits import CommitReply, Write
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.receipts import Holder, Holding, ReceiptBody, sign
from cairnfs.wire.sessions import SessionRequest
from cairnfs.wire.verification import InventoryReply, InventoryRequest
from tests.unit.control.plane import Joined, Plane


@dataclass
class Store:
    """One fileserver."""

    joined: Joined
    crew: Crew
    chunks: dict[bytes, int] = field(default_factory=dict)
    corrupt: set[bytes] = field(default_factory=set)
    broken: bool = False
    fetched: list[FetchRequest] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)

    @property
    def id(self) -> int:
        """Its number."""
        return self.joined.reply.fileserver

    def hide(self, *digests: bytes) -> None:
        """Lose these chunks."""
        for digest in digests:
            self.chunks.pop(digest, None)

    async def inventory(self, context: Context, request: InventoryRequest) -> InventoryReply:
        """What is here."""
        self.callers.append(context.user)
        here = sorted(
            h for h in self.chunks if h >= request.low and (request.high is None or h < request.high)
        )
        page, rest = here[: request.limit], here[request.limit :]
        rotten = [h for h in page if h in self.corrupt and request.deep]
        return InventoryReply(
            fileserver=self.id,
            boot=self.joined.boot,
            chunks=[(h, self.chunks[h], 0) for h in page if h not in rotten],
            corrupt=rotten,
            next=rest[0] if rest else None,
        )

    async def fetch(self, context: Context, request: FetchRequest) -> FetchReply:
        """Copy what others have."""
        self.fetched.append(request)
        if self.broken:
            raise Internal("the disk is full of sand")
        missing = []
        for digest in request.hashes:
            sources = [one for one in self.crew.stores if one.id in request.sources and digest in one.chunks]
            if sources:
                self.chunks[digest] = sources[0].chunks[digest]
                self.corrupt.discard(digest)
            else:
                missing.append(digest)
        return FetchReply(fetched=len(request.hashes) - len(missing), missing=missing)


@dataclass
class Crew:
    """The fileservers of a plane, and a user who uploads to them."""

    plane: Plane
    stores: list[Store] = field(default_factory=list)

    async def grow(self, count: int = 3) -> None:
        """So many more fileservers join and answer."""
        keys = (await self.plane.ask(endpoints.KEYS)).keys
        admin = await self.plane.login("root")
        for number in range(len(self.stores) + 1, len(self.stores) + count + 1):
            store = Store(await self.plane.join(admin, number), self)
            self.stores.append(store)
            checker = TokenChecker(keys, self.plane.app.cluster_id, self.plane.clock)
            self.plane.transport.apps[store.joined.address] = application(
                endpoints=endpoints.FILESERVER,
                handlers={
                    endpoints.INVENTORY.name: store.inventory,
                    endpoints.FETCH_CHUNKS.name: store.fetch,
                },
                frames={
                    endpoints.PUT_CHUNKS.name: _not_here,
                    endpoints.FORWARD_CHUNKS.name: _not_here,
                    endpoints.GET_CHUNKS.name: _not_here,
                },
                authenticate=checker,
                clock=self.plane.clock,
                title="a fileserver of a test",
            )

    async def write(self, path: str, *contents: bytes, holders: list[Store] | None = None) -> CommitReply:
        """A file of these chunks, which these fileservers (all unless told) hold and say so."""
        user = await self.plane.login("root")
        who = await self.plane.ask(endpoints.WHOAMI, None, user.token)
        session = await self.plane.ask(endpoints.BEGIN_SESSION, SessionRequest(), user.token)
        chunks = [ChunkRef(blake3(content).digest(), len(content)) for content in contents]
        told = self.stores if holders is None else holders
        for store in told:
            store.chunks.update(chunks)
        body = ReceiptBody(
            self.plane.app.cluster_id,
            session.incarnation,
            told[0].id,
            who.user_id,
            session.session,
            session.commit,
            [Holding([Holder(one.id, one.joined.boot) for one in told], chunks)],
        )
        receipt = sign(body, told[0].joined.reply.receipt_key)
        write = Write(path=path, chunks=chunks, size=sum(one.size for one in chunks))
        return await self.plane.commit(user.token, write, session=session.session, receipts=[receipt])


def digest(content: bytes) -> bytes:
    """The name of a chunk."""
    return blake3(content).digest()


async def _not_here(context: Context, request: AsyncIterator[bytes]) -> Any:
    raise Internal("nobody asks this")
