"""Taking chunks in: receive, check, append here and pass on at the same time, answer with a receipt.

The fileserver that takes a put is the preferred entry, not an authority: any member may take it. It
receives all bytes even of chunks that it has, so that an answer tells nobody what is stored here.
With `async` it answers when one holds the chunks; the copies follow (`backlog.py`).
What does not belong here: segments (`store.py`), the other members (`forward.py`). One event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from cairnfs.clock import Clock
from cairnfs.core.durability import DURABILITIES, strongest
from cairnfs.core.placement import group_of
from cairnfs.errors import BadRequest, CairnError, NotAMember, TooFewCopies
from cairnfs.fileserver.backlog import Backlog
from cairnfs.fileserver.ballot import Ballot
from cairnfs.fileserver.receipts import Upload, Votes, receipt
from cairnfs.fileserver.rows import Chunk, receive
from cairnfs.ids import FileserverId, SessionId
from cairnfs.net.serving import Context
from cairnfs.wire import chunks as wire
from cairnfs.wire.receipts import Holder
from cairnfs.wire.shapes import is_id

if TYPE_CHECKING:
    from cairnfs.fileserver.intake import Intake
    from cairnfs.fileserver.membership import Membership

#: When enough members hold a put, so long the others may still join the receipt. A receipt without
#: a member makes its groups dirty, so a healthy member that is a little late is worth the wait.
GRACE_S = 0.2
#: The answer leaves so long before the caller's deadline.
MARGIN_S = 0.25


class Putting:
    """The two ways in for chunks: from clients (`put`) and from fellow members (`forward`)."""

    def __init__(self, intake: Intake, membership: Membership, clock: Clock) -> None:
        """`intake` is this server's own store; `membership` knows the others."""
        self._intake = intake
        self._membership = membership
        self._clock = clock
        self._backlog = Backlog()

    async def put(self, context: Context, pieces: AsyncIterator[bytes]) -> wire.PutReply:
        """Store a row of chunks here and at the other members; answer once enough of them have fsynced."""
        upload = _upload(context)
        async with self._intake.room(context.headers) as guest:
            chunks = await receive(pieces, guest)
            await self._catch_up(context)
            votes = Votes(self._membership.copies(), upload.durability)
            shares = await self._shares(chunks, votes)
            failure = await self._gather(shares, votes, upload, context.deadline - MARGIN_S)
        if chunks and votes.nobody():
            raise failure or TooFewCopies("no member of the group could take the chunks")
        member = self._membership
        return wire.PutReply(
            boot=self._intake.boot,
            receipt=receipt(
                upload,
                votes.holdings(),
                cluster=member.cluster_id,
                incarnation=member.incarnation,
                fileserver=member.id,
                key=member.receipt_key,
            ),
            short=votes.short(),
        )

    async def drain(self, within_s: float) -> None:
        """Let the copies arrive that answered puts left behind, for so long at most."""
        await self._backlog.drain(within_s)

    async def forward(self, context: Context, pieces: AsyncIterator[bytes]) -> wire.ForwardReply:
        """Store a row of chunks that a fellow member passes on."""
        begin = _number(context.headers.get(wire.BEGIN_HEADER, ""), wire.BEGIN_HEADER)
        async with self._intake.room(context.headers) as guest:
            chunks = await receive(pieces, guest)
            await self._intake.store(chunks, begin, cold=self._membership.read_elsewhere)
        return wire.ForwardReply(fileserver=self._membership.id, boot=self._intake.boot)

    async def _catch_up(self, context: Context) -> None:
        """Know at least the cluster map by which the client chose: with an older one, a member that came
        since would get no copy, and its groups would be dirty for nothing."""
        theirs = context.headers.get(wire.MAP_HEADER)
        if theirs is not None and _number(theirs, wire.MAP_HEADER) > self._membership.map_version:
            with contextlib.suppress(CairnError):
                await self._membership.refresh_map()

    async def _shares(self, chunks: Sequence[Chunk], votes: Votes) -> dict[FileserverId, list[Chunk]]:
        """Which member gets which chunks, this one included."""
        shares: dict[FileserverId, list[Chunk]] = defaultdict(list)
        for digest, data in chunks:
            group = group_of(digest)
            members = self._membership.members(group)
            if self._membership.id not in members:
                # A client may know a newer map than this server.
                await self._membership.refresh_map()
                members = self._membership.members(group)
                if self._membership.id not in members:
                    raise NotAMember(f"fileserver {self._membership.id} is no member of group {group}")
            votes.expect(members, digest, len(data))
            for member in members:
                shares[member].append((digest, data))
        return shares

    async def _gather(
        self, shares: dict[FileserverId, list[Chunk]], votes: Votes, upload: Upload, deadline: float
    ) -> CairnError | None:
        """Store and pass on; count who answered until enough did. Gives this server's own failure."""
        size = votes.size_bytes()
        behind = upload.durability == "async" and not self._backlog.full(size)
        goal = "async" if behind else strongest("majority", upload.durability)
        ballot = Ballot(votes, goal, 0.0 if behind else GRACE_S)
        for member, chunks in shares.items():
            if member == self._membership.id:
                ballot.expect(asyncio.ensure_future(self._store(chunks, upload.begin)), local=True)
            else:
                ballot.expect(self._membership.forwarder(member).send(chunks, upload.begin))
        await ballot.close(deadline - self._clock.monotonic())
        if behind:
            self._backlog.keep(size, ballot.missing)
        return ballot.failure

    async def _store(self, chunks: Sequence[Chunk], begin: int) -> Holder:
        await self._intake.store(chunks, begin, cold=self._membership.read_elsewhere)
        return Holder(self._membership.id, self._intake.boot)


def _upload(context: Context) -> Upload:
    assert context.caller is not None  # the endpoint's access is "user"
    session = context.headers.get(wire.SESSION_HEADER, "")
    if not is_id(session):
        raise BadRequest(f"{wire.SESSION_HEADER} must be a session's id")
    durability = context.headers.get(wire.DURABILITY_HEADER, "majority")
    if durability not in DURABILITIES:
        raise BadRequest(f"{wire.DURABILITY_HEADER} is one of {', '.join(DURABILITIES)}")
    begin = _number(context.headers.get(wire.BEGIN_HEADER, ""), wire.BEGIN_HEADER)
    return Upload(context.caller.user_id, SessionId(session), begin, durability)


def _number(text: str, header: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadRequest(f"{header} must be a commit number")
    return int(text)
