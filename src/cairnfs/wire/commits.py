"""Messages of the transaction service's single-shot way: `POST /v1/commits`.

A commit changes many paths at one instant or nothing. `request_id` (32 hex digits, random) makes
it safe to send again: the answer is the first answer. The operations see each other's effects in
order. Later ways in (staged transactions) end in the same operations.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.problems import Problem
from cairnfs.wire.shapes import (
    Bytes,
    ETagString,
    Expectation,
    FileTime,
    Id,
    Mode,
    PathBase64,
    PathString,
    listed,
    text,
)

OPERATIONS_MAX = 1000
FILE_CHUNKS_MAX = 1_048_576
MESSAGE_MAX_BYTES = 4096
COMMIT_BODY_MAX_BYTES = 64 * 1024 * 1024


class Write(Request, kw_only=True, tag_field="op", tag="write"):
    """Make the path a file with exactly these chunks, or give the file there this new version.

    `expected`: an ETag the path must have now; `"none"`: nothing may be there; absent: either.
    `parents`: make missing directories on the way. `mode` counts for a new file only.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    chunks: Annotated[list[ChunkRef], listed(FILE_CHUNKS_MAX)]
    size: Whole
    expected: Expectation | None = None
    parents: bool = False
    mode: Mode | None = None
    mtime_us: FileTime | None = None
    durability: Literal["async", "majority", "all"] = "majority"


class MakeDirectory(Request, kw_only=True, tag_field="op", tag="mkdir"):
    """Make a directory. With `parents`, missing ones on the way too, and one that is there is fine."""

    path: PathString
    path_b64: PathBase64 | None = None
    parents: bool = False
    mode: Mode | None = None


class Remove(Request, kw_only=True, tag_field="op", tag="remove"):
    """Remove a file or an empty directory; with `recursive` a directory and all below it."""

    path: PathString
    path_b64: PathBase64 | None = None
    recursive: bool = False
    expected: ETagString | None = None


class Rename(Request, kw_only=True, tag_field="op", tag="rename"):
    """Give what `path` leads to the path `target`, as POSIX rename does.

    A file may replace a file, a directory an empty directory; with `replace` false nothing.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    target: PathString
    target_b64: PathBase64 | None = None
    replace: bool = True
    expected: ETagString | None = None


Operation = Write | MakeDirectory | Remove | Rename


class Receipt(Request, kw_only=True):
    """A fileserver's word, opaque to clients: `body` is a `wire.receipts.ReceiptBody`, `mac` its proof."""

    fileserver: Whole
    body: Bytes
    mac: Bytes


class CommitRequest(Request, kw_only=True):
    """At most OPERATIONS_MAX operations. A session is needed where receipts are given."""

    request_id: Id
    deadline_ms: Annotated[int, Meta(ge=1, le=2**63 - 1)] = 30_000
    operations: Annotated[list[Operation], listed(OPERATIONS_MAX, 1)]
    session: Id | None = None
    receipts: list[Receipt] = []
    message: Annotated[str, text(MESSAGE_MAX_BYTES)] = ""


class OperationResult(Reply, kw_only=True):
    """What one operation left at its path: absent ETag for a removal."""

    inode: int
    etag: str | None = None


class CommitReply(Reply, kw_only=True):
    """The commit's number and time, and a result for each operation in order."""

    commit: int
    at_us: int
    incarnation: int
    results: list[OperationResult]


class SettleRequest(Request, kw_only=True):
    """Ask for the outcome of a commit whose answer was lost."""

    request_id: Id


class SettleReply(Reply, kw_only=True):
    """`aborted`: the request was not known and now never takes effect."""

    outcome: Literal["committed", "refused", "aborted"]
    reply: CommitReply | None = None
    error: Problem | None = None
