"""A commit in pages, of one user in a control plane of this process.

What belongs here: bringing pages, committing them, receipts for chunks that nobody has. What does not: tests.
"""

from __future__ import annotations

import secrets
from typing import Any

from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import CommitReply, CommitRequest, Operation, Receipt, StageRequest, Write
from cairnfs.wire.directory import ChunkRef, ListRequest
from cairnfs.wire.receipts import Holder, Holding, ReceiptBody, sign
from cairnfs.wire.sessions import SessionRequest
from tests.unit.control.plane import Joined, Plane, empty_file


class Staging:
    """One user's commit in pages."""

    def __init__(self, cluster: Plane, who: TokenReply) -> None:
        self.cluster = cluster
        self.who = who
        self.request_id = secrets.token_hex(16)
        self.session: str | None = None
        self.servers: list[Joined] = []

    async def begin(self, admin: TokenReply) -> None:
        """A session, and fileservers that say what they are told to."""
        self.servers = [await self.cluster.join(admin, number) for number in (1, 2, 3)]
        begun = await self.cluster.ask(endpoints.BEGIN_SESSION, SessionRequest(), self.who.token)
        self.session, self.at = begun.session, begun.commit

    async def stage(self, page: int, *operations: Operation, **fields: Any) -> int:
        given: dict[str, Any] = {"request_id": self.request_id, "session": self.session, **fields}
        request = StageRequest(page=page, operations=list(operations), **given)
        return (await self.cluster.ask(endpoints.STAGE, request, self.who.token)).page

    async def commit(self, count: int, *operations: Operation, **fields: Any) -> CommitReply:
        given: dict[str, Any] = {"request_id": self.request_id, "session": self.session, **fields}
        request = CommitRequest(operations=list(operations), staged=count, **given)
        return await self.cluster.ask(endpoints.COMMIT, request, self.who.token)

    async def receipt(self, *chunks: ChunkRef, session: str | None = None) -> Receipt:
        who = await self.cluster.ask(endpoints.WHOAMI, None, self.who.token)
        body = ReceiptBody(
            cluster_id=self.cluster.app.cluster_id,
            incarnation=1,
            fileserver=self.servers[0].reply.fileserver,
            user=who.user_id,
            session=session or self.session or "",
            begin=self.at,
            holdings=[
                Holding([Holder(one.reply.fileserver, one.boot) for one in self.servers], list(chunks))
            ],
        )
        return sign(body, self.servers[0].reply.receipt_key)

    async def names(self, path: str = "/home/ann") -> list[str]:
        reply = await self.cluster.ask(endpoints.LIST, ListRequest(path=path), self.who.token)
        return [one.name for one in reply.entries]

    def pages(self) -> int:
        return len(self.cluster.database.read(lambda tx: tx.rows("SELECT page FROM shadow")))


def files(first: int, count: int) -> list[Operation]:
    return [empty_file(f"/home/ann/d/{number}") for number in range(first, first + count)]


def write(name: str, *chunks: ChunkRef, **fields: Any) -> Write:
    size = sum(one.size for one in chunks)
    return Write(path=f"/home/ann/{name}", chunks=list(chunks), size=size, **fields)
