"""Names for commits, and how much history is kept.

What belongs here: verbs of `Filesystem`, one request each. Used from one event loop.
"""

from __future__ import annotations

from cairnfs.client.commit import new_request_id
from cairnfs.client.connection import Connected
from cairnfs.client.naming import At, as_at
from cairnfs.core.moment import snapshot_name
from cairnfs.wire import endpoints
from cairnfs.wire.snapshots import (
    RemoveSnapshotRequest,
    RetentionReply,
    RetentionRequest,
    SnapshotReply,
    SnapshotRequest,
    SnapshotsRequest,
)


async def create_snapshot(files: Connected, name: str, at: At = None) -> SnapshotReply:
    """Give a commit, the newest unless `at` says another, a name by which it can be read for good.

    The name has 1 to 64 letters, digits, ., _ and -, a letter first. Raises BadRequest, Exists,
    TooManySnapshots, NoSuchCommit, NoSuchSnapshot, BeforeHorizon.
    """
    request = SnapshotRequest(request_id=new_request_id(), name=snapshot_name(name), at=as_at(at))
    return await files.connection.control.ask(endpoints.CREATE_SNAPSHOT, request)


async def list_snapshots(files: Connected) -> list[SnapshotReply]:
    """All snapshots, in the order of their names."""
    found: list[SnapshotReply] = []
    after: str | None = None
    while True:
        reply = await files.connection.control.ask(endpoints.LIST_SNAPSHOTS, SnapshotsRequest(after=after))
        found += reply.snapshots
        if not reply.more:
            return found
        after = found[-1].name


async def remove_snapshot(files: Connected, name: str) -> None:
    """Take a snapshot's name away: its maker or an administrator. Raises NoSuchSnapshot, Forbidden."""
    request = RemoveSnapshotRequest(request_id=new_request_id(), name=snapshot_name(name))
    await files.connection.control.ask(endpoints.REMOVE_SNAPSHOT, request)


async def retention(files: Connected) -> RetentionReply:
    """How much history is kept, and the oldest commit that can be read."""
    return await files.connection.control.ask(endpoints.RETENTION)


async def set_retention(files: Connected, retention_us: int) -> RetentionReply:
    """Keep so much history, in microseconds; 0: all of it. For administrators. Raises Forbidden."""
    return await files.connection.control.ask(
        endpoints.SET_RETENTION, RetentionRequest(retention_us=retention_us)
    )
