"""Routes of looking back. Thin: each is one read of one snapshot. One event loop."""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.clock import Clock
from cairnfs.control.directory.following import Following
from cairnfs.control.feed import Feed
from cairnfs.control.people import person
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import diff, history, log
from cairnfs.net.serving import Context, Handler
from cairnfs.wire.endpoints import history as endpoints
from cairnfs.wire.history import DiffReply, DiffRequest, HistoryReply, HistoryRequest, LogReply, LogRequest


class HistoryRoutes:
    """The endpoints of the log, histories, differences and changes."""

    def __init__(self, driver: Driver, feed: Feed, clock: Clock) -> None:
        self._driver = driver
        self._following = Following(driver, feed, clock)

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.LOG.name: self.log,
            endpoints.PAST.name: self.history,
            endpoints.DIFF.name: self.diff,
            endpoints.CHANGES.name: self._following.changes,
        }

    async def log(self, context: Context, request: LogRequest) -> LogReply:
        """One page of the log."""
        who = person(context)
        return await self._driver.read(lambda tx: log.page(tx, who, request))

    async def history(self, context: Context, request: HistoryRequest) -> HistoryReply:
        """One page of a path's history."""
        who = person(context)
        return await self._driver.read(lambda tx: history.page(tx, who, request))

    async def diff(self, context: Context, request: DiffRequest) -> DiffReply:
        """One page of what differs between two moments."""
        who = person(context)
        return await self._driver.read(lambda tx: diff.page(tx, who, request))
