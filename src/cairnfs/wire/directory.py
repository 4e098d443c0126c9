"""Messages of the directory service: stat, list, walk, open, extended attributes.

Every reply names the commit at which it was read; asking for further pages or other paths `at`
that commit reads one consistent tree. `at` is what `core.moment` reads: commit, snapshot, time or age.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.problems import Problem
from cairnfs.wire.shapes import (
    AtString,
    Bytes,
    ChunkSize,
    Cursor,
    ETagString,
    HashBytes,
    PathBase64,
    PathString,
    listed,
)

STAT_PATHS_MAX = 1000
XATTRS_PATHS_MAX = 1000
#: Names and values in one reply, counted before they are written down, unless one path alone has more.
XATTRS_REPLY_BYTES = 16 * 1024 * 1024
LIST_ENTRIES_MAX = 1000
WALK_ITEMS_MAX = 1000
OPEN_CHUNKS_MAX = 16384
OPEN_FILES_MAX = 1000
#: Chunks in one reply for many files, unless one file alone has more; of each file not more than the second.
CONTENTS_CHUNKS_MAX = 16384
CONTENT_CHUNKS_MAX = 256


class PathText(Request, kw_only=True):
    """One path; see `wire.names`."""

    path: PathString
    path_b64: PathBase64 | None = None

    @classmethod
    def of(cls, raw: bytes) -> PathText:
        """The message that carries these bytes."""
        text, base64 = names.to_text(raw)
        return cls(path=text, path_b64=base64)

    def raw(self) -> Path:
        """The checked path. Raises BadName, PathTooLong."""
        return names.to_path(self.path, self.path_b64)


class ChunkRef(NamedTuple):
    """One chunk of a file: hash (32 bytes; base64 in JSON) and size in bytes, 1 to 4 MiB.

    A hash of 32 zero bytes is a hole: so many zeros (1 to 2**32 - 1) that are stored nowhere.
    """

    hash: HashBytes
    size: ChunkSize


class Entry(Reply, kw_only=True, gc=False):
    """One version of one file, directory or symlink. `name` is empty for the root.

    `xattrs` names the set of extended attributes, if there are any: equal names, equal sets.
    """

    name: str
    name_b64: str | None = None
    kind: Literal["file", "directory", "symlink"]
    inode: int
    etag: str
    commit: int  # at which this version was born
    size: int  # bytes; 0 for a directory, the target's length for a symlink
    mode: int  # permission bits, e.g. 0o644
    owner: str
    group: str
    mtime_us: int
    mtime_sub_ns: int = 0  # nanoseconds beyond mtime_us, 0 to 999
    links: int = 1  # names that lead to it
    target: str | None = None  # where a symlink leads
    target_b64: str | None = None
    xattrs: str | None = None
    policy: str | None = None  # of a directory that sets one: async, majority or all

    @property
    def mtime_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self.mtime_us * 1000 + self.mtime_sub_ns

    def raw_target(self) -> bytes:
        """Where a symlink leads; empty for all else."""
        return b"" if self.target is None else names.from_text(self.target, self.target_b64)

    def raw_name(self) -> bytes:
        """The name's bytes."""
        return names.from_text(self.name, self.name_b64)


class StatRequest(Request, kw_only=True):
    """At most STAT_PATHS_MAX paths. With `follow`, what symlinks lead to; else the symlinks themselves."""

    paths: Annotated[list[PathText], listed(STAT_PATHS_MAX, 1)]
    at: AtString | None = None
    follow: bool = False


class StatResult(Reply, kw_only=True, gc=False):
    """Exactly one of the two, in the order of the request's paths."""

    entry: Entry | None = None
    error: Problem | None = None


class StatReply(Reply, kw_only=True):
    """Results in the order of the request."""

    commit: int
    incarnation: int
    results: list[StatResult]


class ListRequest(Request, kw_only=True):
    """A directory's entries in the order of their names' bytes. A cursor keeps the first page's commit."""

    path: PathString
    path_b64: PathBase64 | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=LIST_ENTRIES_MAX)] = LIST_ENTRIES_MAX
    at: AtString | None = None


class ListReply(Reply, kw_only=True):
    """One page; `cursor` is absent on the last."""

    commit: int
    incarnation: int
    entries: list[Entry]
    cursor: Cursor | None = None


class WalkRequest(Request, kw_only=True):
    """A page of everything below a directory: each directory before what is in it, names by their bytes.

    With `contents`, files come with their chunks. A cursor keeps the first page's commit. With `tree`, the
    path is one inside that detached tree, which only who began it can read.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    tree: Cursor | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=WALK_ITEMS_MAX)] = WALK_ITEMS_MAX
    at: AtString | None = None
    contents: bool = False


class WalkItem(Reply, kw_only=True, gc=False):
    """What the walk met. `path` is relative to where it began, without a slash before it.

    `chunks` are there with `contents` for every file that the caller may read and that has at most
    CONTENT_CHUNKS_MAX of them; others are to be opened.
    """

    path: str
    path_b64: str | None = None
    entry: Entry
    chunks: list[ChunkRef] | None = None

    def raw_path(self) -> bytes:
        """The path's bytes, relative."""
        return names.from_text(self.path, self.path_b64)


class WalkReply(Reply, kw_only=True):
    """One page; `cursor` is absent on the last."""

    commit: int
    incarnation: int
    items: list[WalkItem]
    cursor: Cursor | None = None


class OpenRequest(Request, kw_only=True):
    """A file's version and the chunks that cover its bytes from `start` on.

    `known` is an ETag: where it is still the version, the reply says `unchanged` and no chunks.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    at: AtString | None = None
    known: ETagString | None = None
    start: Whole = 0
    limit: Annotated[int, Meta(ge=1, le=OPEN_CHUNKS_MAX)] = OPEN_CHUNKS_MAX


class OpenReply(Reply, kw_only=True):
    """Chunks in order; the first begins at byte `offset`. `next_start` is absent at the file's end."""

    commit: int
    incarnation: int
    entry: Entry
    unchanged: bool = False
    offset: int = 0
    chunks: list[ChunkRef] = []
    next_start: int | None = None


class Wanted(Request, kw_only=True):
    """A file to open. `known` is an ETag, as in OpenRequest."""

    path: PathString
    path_b64: PathBase64 | None = None
    known: ETagString | None = None


class OpenManyRequest(Request, kw_only=True):
    """At most OPEN_FILES_MAX files, from their beginnings. Symlinks are followed."""

    files: Annotated[list[Wanted], listed(OPEN_FILES_MAX, 1)]
    at: AtString | None = None


class Opened(Reply, kw_only=True, gc=False):
    """As OpenReply tells one file: its first CONTENT_CHUNKS_MAX chunks; more follow from `next_start` on."""

    entry: Entry
    unchanged: bool = False
    chunks: list[ChunkRef] = []
    next_start: int | None = None


class OpenResult(Reply, kw_only=True, gc=False):
    """Exactly one of the two."""

    opened: Opened | None = None
    error: Problem | None = None


class OpenManyReply(Reply, kw_only=True):
    """Results in the order of the request, for its first files: one at least, all that the reply can hold."""

    commit: int
    incarnation: int
    results: list[OpenResult]


class XattrsRequest(Request, kw_only=True):
    """At most XATTRS_PATHS_MAX paths. With `follow`, what symlinks lead to; else the symlinks themselves."""

    paths: Annotated[list[PathText], listed(XATTRS_PATHS_MAX, 1)]
    at: AtString | None = None
    follow: bool = True


class XattrText(Reply, kw_only=True):
    """One extended attribute; its name is bytes, see `wire.names`."""

    name: str
    name_b64: str | None = None
    value: Bytes

    def raw_name(self) -> bytes:
        """The name's bytes."""
        return names.from_text(self.name, self.name_b64)


class XattrsResult(Reply, kw_only=True):
    """Exactly one of the two: the attributes that the caller may see, or why there are none to tell."""

    xattrs: list[XattrText] | None = None
    error: Problem | None = None


class XattrsReply(Reply, kw_only=True):
    """Results in the order of the request, for its first paths: one at least, all that the reply can hold."""

    commit: int
    incarnation: int
    results: list[XattrsResult]
