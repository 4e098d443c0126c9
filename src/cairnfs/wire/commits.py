"""Messages of the transaction service's single-shot way: `POST /v1/commits`.

A commit changes many paths at one instant or nothing. `request_id` (32 hex digits, random) makes
it safe to send again: the answer is the first answer. The operations see each other's effects in
order. Later ways in (staged transactions) end in the same operations.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cairnfs.core.xattrs import SET_MAX as XATTRS_MAX
from cairnfs.wire import names
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.directory import ChunkRef
from cairnfs.wire.locks import PROOFS_MAX, LockProof
from cairnfs.wire.problems import Problem
from cairnfs.wire.shapes import (
    AtString,
    Bytes,
    Bytes64,
    Cursor,
    ETagString,
    Expectation,
    FileTime,
    Id,
    Mode,
    OwnerName,
    PathBase64,
    PathString,
    SubNs,
    listed,
    text,
)

OPERATIONS_MAX = 1000
COMMITS_MAX = 64
#: Pages that one commit may have staged, so a hundred times as many operations.
STAGED_PAGES_MAX = 100
#: All pages of one commit together, as they are kept, and all that a user has staged.
STAGED_BYTES_MAX, STAGED_USER_BYTES_MAX = 64 * 1024 * 1024, 256 * 1024 * 1024
BASES_MAX = 1000
FILE_CHUNKS_MAX = 1_048_576
MESSAGE_MAX_BYTES = 4096
COMMIT_BODY_MAX_BYTES = 64 * 1024 * 1024
SYMLINK_MAX_BYTES = 4095


class Xattr(Request, kw_only=True):
    """One extended attribute. Its name is bytes, as all names are; see `wire.names`."""

    name: Annotated[str, text(256)]
    name_b64: Bytes64 | None = None
    value: Bytes

    @classmethod
    def of(cls, name: bytes, value: bytes) -> Xattr:
        """The message that carries these bytes."""
        shown, base64 = names.to_text(name)
        return cls(name=shown, name_b64=base64, value=value)

    def raw_name(self) -> bytes:
        """The name's bytes. Raises BadName."""
        return names.from_text(self.name, self.name_b64)


class Attributes(Request, kw_only=True):
    """What is to be set beside a file's content; what is absent stays as it is.

    `mtime_now`: the commit's own time. `xattrs`: the whole set, in place of what is there. `lenient`: an
    owner, user group or attribute that is unknown here, or that the caller may not set, is left out
    instead of refused.
    """

    mode: Mode | None = None
    owner: OwnerName | None = None
    group: OwnerName | None = None
    mtime_us: FileTime | None = None
    mtime_sub_ns: SubNs = 0
    mtime_now: bool = False
    xattrs: Annotated[list[Xattr], listed(XATTRS_MAX)] | None = None
    lenient: bool = False


class Write(Request, kw_only=True, tag_field="op", tag="write"):
    """Make the path a file with exactly these chunks, or give the file there this new version.

    `expected`: an ETag the path must have now; `"none"`: nothing may be there; absent: either.
    `parents`: make missing directories on the way. `mode` counts for a new file only, `attributes` for an
    old one too. A symlink leads to what is written, unless `follow` is false: then the file takes its
    place. `durability` strengthens what the directory asks for.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    chunks: Annotated[list[ChunkRef], listed(FILE_CHUNKS_MAX)]
    size: Whole
    expected: Expectation | None = None
    parents: bool = False
    mode: Mode | None = None
    mtime_us: FileTime | None = None
    mtime_sub_ns: SubNs = 0
    attributes: Attributes | None = None
    follow: bool = True
    durability: Literal["async", "majority", "all"] | None = None


class MakeDirectory(Request, kw_only=True, tag_field="op", tag="mkdir"):
    """Make a directory. With `parents`, missing ones on the way too, and one that is there is fine.

    `mode` counts for a new one only, `attributes` for one that is there too.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    parents: bool = False
    mode: Mode | None = None
    attributes: Attributes | None = None


class MakeSymlink(Request, kw_only=True, tag_field="op", tag="symlink"):
    """Make a symlink that leads to `target`: any 1 to 4,095 bytes without NUL, looked at when it is followed.

    With `replace`, a file or symlink that is there gives way.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    target: Annotated[str, text(SYMLINK_MAX_BYTES)]
    target_b64: Bytes64 | None = None
    replace: bool = False
    parents: bool = False
    attributes: Attributes | None = None


class Link(Request, kw_only=True, tag_field="op", tag="link"):
    """Give the file or symlink at `path` another name, `target`: both lead to the same inode then.

    With `follow`, what a symlink at `path` leads to; with `replace`, a file or symlink at `target` gives way.
    Of what others own, only a file that the caller may read and write gets another name.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    target: PathString
    target_b64: PathBase64 | None = None
    follow: bool = False
    replace: bool = False


class SetAttributes(Request, kw_only=True, tag_field="op", tag="setattr"):
    """Set attributes of what the path leads to; with `follow` false, of a symlink itself.

    `policy`: a directory's durability for what is written below it, "" for what is above it.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    attributes: Attributes = Attributes()
    policy: Literal["", "async", "majority", "all"] | None = None
    follow: bool = True
    expected: ETagString | None = None


class SetXattr(Request, kw_only=True, tag_field="op", tag="setxattr"):
    """Set one extended attribute, or without `value` remove it.

    `create`: it must not be there; `replace`: it must.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    name: Annotated[str, text(256)]
    name_b64: Bytes64 | None = None
    value: Bytes | None = None
    create: bool = False
    replace: bool = False
    follow: bool = True


class Copy(Request, kw_only=True, tag_field="op", tag="copy"):
    """Make `target` a file with the content of the file or symlink at `path`, now or as it was `at`.

    Nothing is sent: both name the same chunks. `preserve` keeps mode, times and extended attributes, and
    owner and user group where the caller may; else the copy is the caller's, made now. With `replace`
    false nothing may be at `target`; else a file there gets a new version.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    target: PathString
    target_b64: PathBase64 | None = None
    at: AtString | None = None
    follow: bool = True
    preserve: bool = False
    replace: bool = True
    parents: bool = False
    expected: Expectation | None = None


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


class Attach(Request, kw_only=True, tag_field="op", tag="attach"):
    """Give the detached tree that the caller began (`wire.detached`) its name, `path`, as it stands now.

    With `replace`, what is there is removed first, with all below it; else nothing may be there.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    tree: Cursor
    replace: bool = False
    parents: bool = False
    expected: Expectation | None = None


class Unchanged(Request, kw_only=True, tag_field="op", tag="unchanged"):
    """Expect that no commit after `since` has changed something here; else VersionChanged. Changes nothing.

    `path` is a directory, or was none at `since`. Scope `tree`: anything at or below it. `names`: which names
    it holds and what they lead to, `first` and `last` included where they are given (bounds by the names'
    bytes, as base64). What this commit itself does never counts.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    since: Whole
    scope: Literal["tree", "names"] = "tree"
    first: Bytes64 | None = None
    last: Bytes64 | None = None


Operation = (
    Write
    | MakeDirectory
    | MakeSymlink
    | Link
    | Remove
    | Rename
    | SetAttributes
    | SetXattr
    | Copy
    | Attach
    | Unchanged
)


Staged = Annotated[int, Meta(ge=0, le=STAGED_PAGES_MAX)]


class Receipt(Request, kw_only=True):
    """A fileserver's word, opaque to clients: `body` is a `wire.receipts.ReceiptBody`, `mac` its proof."""

    fileserver: Whole
    body: Bytes
    mac: Bytes


class Base(Request, kw_only=True):
    """A file that the caller may read, as of the commit `at`: its chunks need no receipts.

    The session has to need that commit still. With `tree`, a file inside that detached tree, as it is now.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    at: Whole | None = None
    tree: Cursor | None = None


class CommitRequest(Request, kw_only=True):
    """At most OPERATIONS_MAX operations. A session is needed where receipts or bases are given.

    `staged`: so many pages that were staged under this request's id come before the operations, which may
    be none then. All of it is one commit.
    """

    request_id: Id
    deadline_ms: Annotated[int, Meta(ge=1, le=2**63 - 1)] = 30_000
    operations: Annotated[list[Operation], listed(OPERATIONS_MAX)]
    staged: Staged = 0
    session: Id | None = None
    receipts: list[Receipt] = []
    bases: Annotated[list[Base], listed(BASES_MAX)] = []
    locks: Annotated[list[LockProof], listed(PROOFS_MAX)] = []
    message: Annotated[str, text(MESSAGE_MAX_BYTES)] = ""


class OperationResult(Reply, kw_only=True):
    """What one operation left at its path: absent ETag for a removal."""

    inode: int
    etag: str | None = None


class StageRequest(Request, kw_only=True):
    """A page of a commit of many operations, which `request_id` will be the request of; the first page is 0.

    The same operations may be sent again under the same number, with other receipts and bases too. Pages
    count for whoever sent them, in their session; they are forgotten with the commit, or an hour after the
    last one came.
    """

    request_id: Id
    page: Annotated[int, Meta(ge=0, le=STAGED_PAGES_MAX - 1)]
    operations: Annotated[list[Operation], listed(OPERATIONS_MAX, 1)]
    session: Id | None = None
    receipts: list[Receipt] = []
    bases: Annotated[list[Base], listed(BASES_MAX)] = []


class StageReply(Reply, kw_only=True):
    """The page that is kept."""

    page: int


class CommitReply(Reply, kw_only=True):
    """The commit's number and time, and a result for each of its own operations in order: none for pages."""

    commit: int
    at_us: int
    incarnation: int
    results: list[OperationResult]


class CommitManyRequest(Request, kw_only=True):
    """Commits of their own, sent in one request by a client for whom several wait: at most COMMITS_MAX."""

    commits: Annotated[list[CommitRequest], listed(COMMITS_MAX, 1)]


class CommitResult(Reply, kw_only=True):
    """Exactly one of the two."""

    reply: CommitReply | None = None
    error: Problem | None = None


class CommitManyReply(Reply, kw_only=True):
    """What became of each, in the order of the request. Nothing orders their numbers."""

    results: list[CommitResult]


class SettleRequest(Request, kw_only=True):
    """Ask for the outcome of a commit whose answer was lost."""

    request_id: Id


class SettleReply(Reply, kw_only=True):
    """`aborted`: the request was not known and now never takes effect."""

    outcome: Literal["committed", "refused", "aborted"]
    reply: CommitReply | None = None
    error: Problem | None = None
