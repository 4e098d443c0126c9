"""Routes of kept history: snapshots, and how far the horizon follows. Thin. One event loop."""

from __future__ import annotations

from collections.abc import Mapping

from cairnfs.control.asked import hash_of
from cairnfs.control.people import person
from cairnfs.ids import RequestId
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import retention, snapshots
from cairnfs.net.serving import Context, Handler
from cairnfs.wire import endpoints
from cairnfs.wire.codec import Empty
from cairnfs.wire.shapes import request_id
from cairnfs.wire.snapshots import (
    RemoveSnapshotRequest,
    RetentionReply,
    RetentionRequest,
    SnapshotReply,
    SnapshotRequest,
    SnapshotsReply,
    SnapshotsRequest,
)


class SnapshotRoutes:
    """The endpoints of snapshots and of retention."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def handlers(self) -> Mapping[str, Handler]:
        """By the endpoints' names."""
        return {
            endpoints.CREATE_SNAPSHOT.name: self.create,
            endpoints.LIST_SNAPSHOTS.name: self.list,
            endpoints.REMOVE_SNAPSHOT.name: self.remove,
            endpoints.RETENTION.name: self.retention,
            endpoints.SET_RETENTION.name: self.set_retention,
        }

    async def create(self, context: Context, request: SnapshotRequest) -> SnapshotReply:
        """Name a commit."""
        operation = snapshots.CreateSnapshot(
            person(context),
            _apart(request.request_id),
            request.name,
            request.at,
            body_hash=hash_of("snapshot", request.name, request.at),
            deadline=context.deadline,
        )
        return await self._driver.submit(operation)

    async def list(self, context: Context, request: SnapshotsRequest) -> SnapshotsReply:
        """One page of all snapshots."""
        who = person(context)
        return await self._driver.read(lambda tx: snapshots.page(tx, who, request))

    async def remove(self, context: Context, request: RemoveSnapshotRequest) -> Empty:
        """Take a name away."""
        operation = snapshots.RemoveSnapshot(
            person(context),
            _apart(request.request_id),
            request.name,
            body_hash=hash_of("remove snapshot", request.name),
            deadline=context.deadline,
        )
        return await self._driver.submit(operation)

    async def retention(self, context: Context, request: Empty) -> RetentionReply:
        """The setting and the horizon."""
        who = person(context)
        return await self._driver.read(lambda tx: retention.tell(tx, who))

    async def set_retention(self, context: Context, request: RetentionRequest) -> RetentionReply:
        """Set how much history is kept."""
        operation = retention.SetRetention(person(context), request.retention_us, deadline=context.deadline)
        return await self._driver.submit(operation)


def _apart(text: str) -> RequestId:
    """Apart from commits: nobody settles these, they are just asked again."""
    return RequestId(f"snapshot:{request_id(text)}")
