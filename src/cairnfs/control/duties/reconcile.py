"""Making dirty groups clean again: comparing the members with the database, copying what one lacks.

A dirty group whose members are all up is compared, chunk by chunk. What a member lacks it is told to
fetch from one that has it, so many bytes a second at most. Where every member has everything, the group
becomes clean, unless something was missed meanwhile (`metadata/ops/groups.py`). What does not belong
here: finding new members for those that stay away. One event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from cairnfs.clock import Clock
from cairnfs.control.cluster.inventories import Asked, CallsTo, Inventories, Listed, Page
from cairnfs.control.duties.leadership import Term
from cairnfs.core.placement import group_bounds, group_of
from cairnfs.errors import CairnError, ChunkLost
from cairnfs.ids import FileserverId, GroupId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import fileservers, groups
from cairnfs.metadata.ops.groups import Group
from cairnfs.metadata.rows.fileservers import Fileserver
from cairnfs.wire.chunks import FetchRequest
from cairnfs.wire.endpoints import FETCH_CHUNKS

#: Groups that follow each other are compared together, up to so many.
RUN_GROUPS = 64
#: A turn goes on to the next run for so long.
TURN_S = 5.0
#: A group that could not be made clean is left alone for so long.
AGAIN_S = 10.0
FETCH_MAX_CHUNKS, FETCH_MAX_BYTES = 64, 32 * 1024 * 1024
#: What repair copies at most, so that it does not starve those who work.
BYTES_A_SECOND = 64 * 1024 * 1024
_FETCH_S = 60.0
_PAUSE_MIN_S = 0.01
_DEADLINE_S = 5.0
_log = structlog.get_logger("cairnfs.control.reconcile")


@dataclass(slots=True)
class _Comparison:
    """What became of one run of groups."""

    groups: Mapping[GroupId, Group]
    servers: Mapping[FileserverId, Fileserver]
    failed: set[GroupId] = field(default_factory=set)
    copied: int = 0


class Reconcile:
    """The duty."""

    name = "reconcile"
    every_s = 2.0

    def __init__(self, driver: Driver, inventories: Inventories, calls_to: CallsTo, clock: Clock) -> None:
        """`calls_to(address)` gives calls that carry a fileserver's token."""
        self._driver = driver
        self._inventories = inventories
        self._calls_to = calls_to
        self._clock = clock
        self._not_before: dict[GroupId, float] = {}

    def rest(self) -> None:
        """Whoever leads next tries everything at once."""
        self._not_before.clear()

    async def turn(self, term: Term) -> bool:
        """Compare the dirty groups that can be, for a few seconds; True where more can be."""
        servers, waiting = await self._waiting()
        if not waiting:
            return False
        await self._driver.submit(
            groups.BeginComparison([group.id for group in waiting], deadline=self._soon(), term=term)
        )
        until = self._clock.monotonic() + TURN_S
        clean: list[Group] = []
        more = False
        for run in _runs(waiting):
            if self._clock.monotonic() >= until:
                more = True
                break
            clean += await self._compare(run, servers)
        if clean:
            boots = {one.id: one.boot for one in servers.values()}
            operation = groups.MarkClean(clean, boots, deadline=self._soon(), term=term)
            became = await self._driver.submit(operation)
            _log.info("groups are clean again", groups=len(became), of=len(waiting))
        return more

    async def _waiting(self) -> tuple[dict[FileserverId, Fileserver], list[Group]]:
        """Fileservers, and the dirty groups whose members are all up."""
        known, every = await self._driver.read(lambda tx: (fileservers.every(tx), groups.every(tx)))
        up = {one.id for one in known if one.state in ("up", "full")}
        now = self._clock.monotonic()
        dirty = [group for group in every if group.dirty]
        self._not_before = {
            group.id: at for group in dirty if (at := self._not_before.get(group.id, 0.0)) > now
        }
        ready = [
            group
            for group in dirty
            if group.members and up.issuperset(group.members) and group.id not in self._not_before
        ]
        return {one.id: one for one in known}, ready

    async def _compare(self, run: Sequence[Group], servers: Mapping[FileserverId, Fileserver]) -> list[Group]:
        """Those of the run whose members have everything (now)."""
        members = {one for group in run for one in group.members}
        comparison = _Comparison({group.id: group for group in run}, {one: servers[one] for one in members})
        try:
            await self._walk(comparison)
        except CairnError as error:
            _log.info("a comparison was broken off", error=str(error))
            comparison.failed.update(comparison.groups)
        again = self._clock.monotonic() + AGAIN_S
        self._not_before.update(dict.fromkeys(comparison.failed, again))
        if comparison.copied:
            _log.info("copied what members lacked", chunks=comparison.copied, groups=len(run))
        return [group for group in run if group.id not in comparison.failed]

    async def _walk(self, comparison: _Comparison) -> None:
        low = group_bounds(min(comparison.groups))[0]
        high = group_bounds(max(comparison.groups))[1]
        asked = [Asked(one.id, one.address) for one in comparison.servers.values()]
        deadline = self._clock.monotonic() + _FETCH_S
        async for page in self._inventories.walk(low, high, asked, deadline=deadline):
            self._distrust(comparison, page)
            for member, lacking in _lacking(comparison, page).items():
                for batch in _batches(lacking):
                    await self._fetch(comparison, page, member, batch)

    def _distrust(self, comparison: _Comparison, page: Page) -> None:
        """Groups of members that do not answer, or have started again, cannot become clean now."""
        for server in comparison.servers.values():
            held = page.held.get(server.id)
            if held is None or held.boots != {server.boot}:
                comparison.failed.update(
                    group.id for group in comparison.groups.values() if server.id in group.members
                )

    async def _fetch(
        self, comparison: _Comparison, page: Page, member: FileserverId, batch: Sequence[Listed]
    ) -> None:
        """Let a member fetch what it lacks; what it does not get keeps its group dirty."""
        hashes = [chunk.hash for chunk in batch]
        sources = _sources(page, member, batch)
        began = self._clock.monotonic()
        try:
            if not sources:
                raise ChunkLost("no other fileserver that answered has them")
            reply = await self._calls_to(comparison.servers[member].address).call(
                FETCH_CHUNKS, FetchRequest(hashes=list(hashes), sources=sources), timeout_s=_FETCH_S
            )
        except CairnError as error:
            _log.info("a member could not fetch", fileserver=member, chunks=len(batch), error=str(error))
            comparison.failed.update(group_of(digest) for digest in hashes)
            return
        comparison.failed.update(group_of(chunk.hash) for chunk in batch if chunk.hash in reply.missing)
        comparison.copied += reply.fetched
        pause_s = sum(chunk.size for chunk in batch) / BYTES_A_SECOND - (self._clock.monotonic() - began)
        if pause_s > _PAUSE_MIN_S:
            await self._clock.sleep(pause_s)

    def _soon(self) -> float:
        return self._clock.monotonic() + _DEADLINE_S


def _runs(waiting: Sequence[Group]) -> Iterator[list[Group]]:
    """Groups whose numbers follow each other, at most RUN_GROUPS at a time."""
    run: list[Group] = []
    for group in waiting:
        if run and (group.id != run[-1].id + 1 or len(run) == RUN_GROUPS):
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _lacking(comparison: _Comparison, page: Page) -> dict[FileserverId, list[Listed]]:
    """What each member that answered does not have of the page."""
    lacking: dict[FileserverId, list[Listed]] = {}
    for chunk in page.listed:
        for member in comparison.groups[group_of(chunk.hash)].members:
            held = page.held.get(member)
            if held is not None and held.good.get(chunk.hash) != chunk.size:
                lacking.setdefault(member, []).append(chunk)
    return lacking


def _batches(lacking: Sequence[Listed]) -> Iterator[list[Listed]]:
    """Portions that one request may fetch."""
    batch: list[Listed] = []
    held = 0
    for chunk in lacking:
        if batch and (len(batch) == FETCH_MAX_CHUNKS or held + chunk.size > FETCH_MAX_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(chunk)
        held += chunk.size
    if batch:
        yield batch


def _sources(page: Page, member: FileserverId, batch: Sequence[Listed]) -> list[int]:
    """Who holds any of these, whoever holds most first."""
    counts: dict[int, int] = {
        other: sum(held.good.get(chunk.hash) == chunk.size for chunk in batch)
        for other, held in page.held.items()
        if other != member
    }
    return sorted((other for other, count in counts.items() if count), key=lambda one: -counts[one])
