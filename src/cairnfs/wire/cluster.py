"""Messages about the cluster: map, joining, registering, heartbeats, status.

The map is what clients and fileservers need to find chunks. It has a version that grows at every
change of members, addresses or states.
"""

from __future__ import annotations

from typing import Annotated, Literal

from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.shapes import Address, Boot, BootOrNone, label

State = Literal["up", "suspect", "down", "full"]
ZONE_MAX_CHARS = 64
Zone = Annotated[str, label(ZONE_MAX_CHARS)]


class FileserverInfo(Reply, kw_only=True):
    """One fileserver. `address` is its base URL. `boot` changes at each of its starts."""

    id: int
    address: str
    state: State
    boot: str
    zone: str = ""


class ClusterMap(Reply, kw_only=True):
    """`groups[g]` are the ids of the members of group g, the primary first; `epochs[g]` its epoch."""

    cluster_id: str
    version: int
    incarnation: int
    copies: int
    fileservers: list[FileserverInfo]
    groups: list[list[int]]
    epochs: list[int]


class JoinRequest(Request, kw_only=True):
    """A new fileserver, with a one-time join token. `address` is where it serves."""

    join_token: str
    address: Address
    boot: BootOrNone
    zone: Zone = ""
    capacity_bytes: Whole = 0

    def __repr__(self) -> str:
        return f"JoinRequest(address={self.address!r})"


class JoinReply(Reply, kw_only=True):
    """Its id, the key for its receipts, and the refresh token by which it gets its tokens."""

    fileserver: int
    cluster_id: str
    incarnation: int
    receipt_key: bytes
    refresh_token: str
    token: str
    expires_at_us: int

    def __repr__(self) -> str:
        return f"JoinReply(fileserver={self.fileserver})"


class RegisterRequest(Request, kw_only=True):
    """A fileserver that joined before starts again: new boot id, perhaps a new address."""

    address: Address
    boot: Boot
    zone: Zone = ""
    capacity_bytes: Whole = 0


class HeartbeatRequest(Request, kw_only=True):
    """Every second. `counter` grows; `full` says that it takes no new chunks."""

    boot: str
    counter: Whole
    used_bytes: Whole
    free_bytes: Whole
    chunks: Whole
    full: bool = False


class HeartbeatReply(Reply, kw_only=True):
    """What the fileserver compares with what it knows: a newer map version means fetch the map."""

    map_version: int
    incarnation: int
    commit: int


class FileserverStatus(Reply, kw_only=True):
    """One fileserver for people."""

    id: int
    address: str
    state: State
    used_bytes: int
    free_bytes: int
    chunks: int


class StatusReply(Reply, kw_only=True):
    """The cluster for people. `ready`: every group has as many members up as a majority write needs."""

    cluster_id: str
    ready: bool
    commit: int
    incarnation: int
    copies: int
    groups_clean: int
    groups_dirty: int
    fileservers: list[FileserverStatus]
    sessions: int
    database: str  # "sqlite" or "postgresql"
    version: str
