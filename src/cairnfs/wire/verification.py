"""Messages of `cairn verify`: the database's invariants and the fileservers' inventories."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cairnfs.ids import GROUPS
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.shapes import BoundBytes

_Group = Annotated[int, Meta(ge=0, le=GROUPS - 1)]


class Finding(Reply, kw_only=True):
    """One thing that is wrong: the invariant's stable name and what was seen."""

    invariant: str
    detail: str


class VerifyDatabaseReply(Reply, kw_only=True):
    """What was counted (rows by kind, invariants checked) and what is wrong (at most 100)."""

    commit: int
    counts: dict[str, int]
    findings: list[Finding]


class VerifyGroupsRequest(Request, kw_only=True):
    """Compare groups `first` to `last` (inclusive) with the members' inventories."""

    first: _Group
    last: _Group
    deep: bool = False


class VerifyGroupsReply(Reply, kw_only=True):
    """Chunks that versions name, copies found, copies missing though durable elsewhere, findings."""

    chunks: int
    bytes: int
    copies: int
    copies_missing: int
    groups_dirty: int
    findings: list[Finding]


class InventoryRequest(Request, kw_only=True):
    """Asked of a fileserver: its chunks with low <= hash < high, in order. `deep` reads every byte."""

    low: BoundBytes
    high: BoundBytes | None = None
    limit: Whole = 10_000
    deep: bool = False


class InventoryReply(Reply, kw_only=True):
    """`next` is where to go on; absent at the end. `chunks`: (hash, size, begin)."""

    fileserver: int
    boot: str
    chunks: list[tuple[bytes, int, int]]
    corrupt: list[bytes] = []
    next: bytes | None = None
