"""Verification: the database's own invariants, and its list of chunks against the inventories.

What belongs here: the two endpoints, and the second look at what changed under the first. What does
not: what a difference means (`judging.py`). What is found wrong with copies makes their groups
dirty, so that repair looks at them. One event loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.clock import Clock
from cairnfs.control.cluster.inventories import Asked, Inventories, following
from cairnfs.control.cluster.judging import Group, Judgement
from cairnfs.core.placement import group_bounds
from cairnfs.errors import BadRequest
from cairnfs.ids import GROUPS, FileserverId, GroupId
from cairnfs.metadata import verify
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import fileservers, groups
from cairnfs.metadata.rows.fileservers import Fileserver
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.codec import Empty
from cairnfs.wire.verification import VerifyDatabaseReply, VerifyGroupsReply, VerifyGroupsRequest

#: The answer leaves so long before the caller's deadline.
_MARGIN_S = 1.0


class VerificationRoutes:
    """The verification endpoints."""

    def __init__(self, driver: Driver, inventories: Inventories, clock: Clock) -> None:
        self._driver = driver
        self._inventories = inventories
        self._clock = clock

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.VERIFY_DATABASE.name: self.database,
            endpoints.VERIFY_GROUPS.name: self.groups,
        }

    async def database(self, context: Context, request: Empty) -> VerifyDatabaseReply:
        """Check every invariant of the database."""
        return await self._driver.survey(verify.run)

    async def groups(self, context: Context, request: VerifyGroupsRequest) -> VerifyGroupsReply:
        """Compare groups with their members' inventories."""
        if not 0 <= request.first <= request.last < GROUPS:
            raise BadRequest(f"first and last are groups: 0 <= first <= last < {GROUPS}")
        first, last = GroupId(request.first), GroupId(request.last)
        judged = await self._judge(first, last, context.deadline - _MARGIN_S, request.deep)
        await self._look_again(judged, first, last, context.deadline - _MARGIN_S)
        clean = [group for group in judged.doubtful if not judged.groups[group].dirty]
        if clean:
            await self._driver.submit(groups.MarkDirty(clean, deadline=context.deadline))
        return judged.reply()

    async def _judge(self, first: GroupId, last: GroupId, deadline: float, deep: bool) -> Judgement:
        servers, judged = await self._look(first, last)
        members = {one for group in judged.groups.values() for one in group.members}
        asked = []
        for one in sorted(members):
            if one in servers and servers[one].state != "down":
                asked.append(Asked(one, servers[one].address))
            else:
                judged.unreachable(one, "it is down")
        walk = self._inventories.walk(
            group_bounds(first)[0],
            group_bounds(last)[1],
            asked,
            deadline=deadline,
            deep=deep,
        )
        async for page in walk:
            judged.take(page)
        return judged

    async def _look_again(self, judged: Judgement, first: GroupId, last: GroupId, deadline: float) -> None:
        """A commit may have made a group dirty between reading the groups and reading its chunks.

        A group that is clean now held, by then, everything that was listed before.
        """
        if not judged.misses:
            return
        servers, now = await self._look(first, last)
        for miss in judged.misses:
            group = now.groups[miss.group]
            if group.dirty or miss.member not in group.members:
                continue
            low, high = miss.chunk.hash, following(miss.chunk.hash)
            asked = [Asked(miss.member, servers[miss.member].address)]
            async for page in self._inventories.walk(low, high, asked, deadline=deadline):
                held = page.held.get(miss.member)
                if held is not None and held.good.get(miss.chunk.hash) != miss.chunk.size:
                    judged.confirm(miss)

    async def _look(self, first: GroupId, last: GroupId) -> tuple[dict[FileserverId, Fileserver], Judgement]:
        known, every = await self._driver.read(lambda tx: (fileservers.every(tx), groups.every(tx)))
        wanted = {group.id: Group(group.members, group.dirty) for group in every if first <= group.id <= last}
        return {one.id: one for one in known}, Judgement(wanted)
