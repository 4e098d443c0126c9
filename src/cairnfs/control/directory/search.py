"""Routes of finding and measuring. Thin: each is one read of one snapshot. One event loop."""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.control.people import person
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops.du import usage
from cairnfs.metadata.ops.find import find
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.search import FindReply, FindRequest, UsageReply, UsageRequest


class SearchRoutes:
    """The endpoints of `find` and `du`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {endpoints.FIND.name: self.find, endpoints.USAGE.name: self.usage}

    async def find(self, context: Context, request: FindRequest) -> FindReply:
        """One page of what is found."""
        who = person(context)
        return await self._driver.read(lambda tx: find(tx, who, request))

    async def usage(self, context: Context, request: UsageRequest) -> UsageReply:
        """One page of sums."""
        who = person(context)
        return await self._driver.read(lambda tx: usage(tx, who, request))
