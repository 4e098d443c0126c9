"""The directory service's kept history: snapshots, and how far the horizon follows."""

from __future__ import annotations

from cairnfs import errors as e
from cairnfs.wire import snapshots
from cairnfs.wire.codec import Empty
from cairnfs.wire.endpoint import Endpoint

CREATE_SNAPSHOT = Endpoint(
    "create_snapshot",
    "directory",
    "POST",
    "/v1/snapshots",
    snapshots.SnapshotRequest,
    snapshots.SnapshotReply,
    "user",
    "Give a commit a name by which it can be read for good",
    (
        e.Exists,
        e.TooManySnapshots,
        e.NoSuchCommit,
        e.NoSuchSnapshot,
        e.BeforeHorizon,
        e.RequestReused,
        e.Aborted,
        e.DeadlineExceeded,
        e.Busy,
    ),
)
LIST_SNAPSHOTS = Endpoint(
    "list_snapshots",
    "directory",
    "POST",
    "/v1/snapshots/list",
    snapshots.SnapshotsRequest,
    snapshots.SnapshotsReply,
    "user",
    "One page of all snapshots",
)
REMOVE_SNAPSHOT = Endpoint(
    "remove_snapshot",
    "directory",
    "POST",
    "/v1/snapshots/remove",
    snapshots.RemoveSnapshotRequest,
    Empty,
    "user",
    "Take a snapshot's name away",
    (e.NoSuchSnapshot, e.Forbidden, e.RequestReused, e.Aborted, e.DeadlineExceeded, e.Busy),
)
RETENTION = Endpoint(
    "retention",
    "directory",
    "GET",
    "/v1/retention",
    Empty,
    snapshots.RetentionReply,
    "user",
    "How much history is kept, and the oldest commit that can be read",
)
SET_RETENTION = Endpoint(
    "set_retention",
    "directory",
    "POST",
    "/v1/retention",
    snapshots.RetentionRequest,
    snapshots.RetentionReply,
    "admin",
    "Set how much history is kept",
    (e.Forbidden, e.DeadlineExceeded, e.Busy),
)

#: All of them, in the order of the documents.
ENDPOINTS = (
    CREATE_SNAPSHOT,
    LIST_SNAPSHOTS,
    REMOVE_SNAPSHOT,
    RETENTION,
    SET_RETENTION,
)
