"""Routes of the directory service: names, versions, listings, and where the chunks of a file lie.

Thin: each is one read of one snapshot. One event loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.control.people import person
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import list as listing
from cairnfs.metadata.ops import walk as walking
from cairnfs.metadata.ops.open import open_file
from cairnfs.metadata.ops.open_many import open_many
from cairnfs.metadata.ops.read_xattrs import read_xattrs
from cairnfs.metadata.ops.stat import stat
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.directory import (
    ListReply,
    ListRequest,
    OpenManyReply,
    OpenManyRequest,
    OpenReply,
    OpenRequest,
    StatReply,
    StatRequest,
    WalkReply,
    WalkRequest,
    XattrsReply,
    XattrsRequest,
)


class DirectoryRoutes:
    """The directory endpoints."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.STAT.name: self.stat,
            endpoints.LIST.name: self.list,
            endpoints.WALK.name: self.walk,
            endpoints.OPEN.name: self.open,
            endpoints.OPEN_MANY.name: self.open_many,
            endpoints.XATTRS.name: self.xattrs,
        }

    async def stat(self, context: Context, request: StatRequest) -> StatReply:
        """What paths lead to."""
        who = person(context)
        return await self._driver.read(lambda tx: stat(tx, who, request))

    async def list(self, context: Context, request: ListRequest) -> ListReply:
        """One page of a directory."""
        who = person(context)
        return await self._driver.read(lambda tx: listing.page(tx, who, request))

    async def walk(self, context: Context, request: WalkRequest) -> WalkReply:
        """One page of everything below a directory."""
        who = person(context)
        return await self._driver.read(lambda tx: walking.page(tx, who, request))

    async def open(self, context: Context, request: OpenRequest) -> OpenReply:
        """A file's version and its chunks."""
        who = person(context)
        return await self._driver.read(lambda tx: open_file(tx, who, request))

    async def open_many(self, context: Context, request: OpenManyRequest) -> OpenManyReply:
        """Versions of many files and their chunks."""
        who = person(context)
        return await self._driver.read(lambda tx: open_many(tx, who, request))

    async def xattrs(self, context: Context, request: XattrsRequest) -> XattrsReply:
        """Extended attributes of what paths lead to."""
        who = person(context)
        return await self._driver.read(lambda tx: read_xattrs(tx, who, request))
