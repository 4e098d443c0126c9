"""Messages about history that is kept: snapshots, which are named commits, and retention.

A snapshot's commit can be read however far the horizon has moved; `at` takes its name wherever it takes
a commit. The horizon leaves so much history as retention says.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cairnfs.wire.codec import Reply, Request
from cairnfs.wire.shapes import AtString, Id, SnapshotName

#: Of one user who is no administrator.
SNAPSHOTS_MAX = 100
SNAPSHOT_PAGE_MAX = 1000
#: Longer than any history: about 146,000 years.
RETENTION_MAX_US = 2**62


class SnapshotRequest(Request, kw_only=True):
    """Name a commit: the newest, or the one that `at` means. Safe to send again under its `request_id`."""

    request_id: Id
    name: SnapshotName
    at: AtString | None = None


class SnapshotReply(Reply, kw_only=True):
    """A snapshot: its commit and that commit's time, who made it and when. The bare root is commit 0."""

    name: str
    commit: int
    at_us: int
    user: str
    created_us: int


class SnapshotsRequest(Request, kw_only=True):
    """The snapshots with names after this one, in their order."""

    after: SnapshotName | None = None
    limit: Annotated[int, Meta(ge=1, le=SNAPSHOT_PAGE_MAX)] = SNAPSHOT_PAGE_MAX


class SnapshotsReply(Reply, kw_only=True):
    """One page; `more` where others follow."""

    snapshots: list[SnapshotReply]
    more: bool = False


class RemoveSnapshotRequest(Request, kw_only=True):
    """Take the name away: its maker or an administrator. Safe to send again under its `request_id`."""

    request_id: Id
    name: SnapshotName


class RetentionRequest(Request, kw_only=True):
    """How much history the horizon is to leave, in microseconds; 0: all of it."""

    retention_us: Annotated[int, Meta(ge=0, le=RETENTION_MAX_US)]


class RetentionReply(Reply, kw_only=True):
    """The setting, and from which commit on everything can be read now."""

    retention_us: int
    horizon: int
    commit: int
