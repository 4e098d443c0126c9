"""Messages of finding and measuring: names below a path, and what is below it in sum.

A request looks at a bounded part of the tree and says where the next goes on; all pages of one answer are
read at the commit of the first.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from cairnfs.core.names import PATH_MAX_BYTES
from cairnfs.core.patterns import PATTERN_MAX_BYTES
from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.directory import Entry
from cairnfs.wire.shapes import (
    AtString,
    Bytes64,
    Cursor,
    FileTime,
    OwnerName,
    PathBase64,
    PathString,
    SubNs,
    listed,
    text,
)

FIND_ENTRIES_MAX = 1000
Kind = Literal["file", "directory", "symlink"]


class FindRequest(Request, kw_only=True):
    """What is at or below a path and meets all that is asked.

    `name` is a pattern of the name's bytes, see `core.patterns`; sizes are bytes, both ends included. Newer
    is what was changed after `newer_us` and `newer_sub_ns`, or after the moment `newer_than`.
    """

    path: PathString
    path_b64: PathBase64 | None = None
    name: Annotated[str, text(PATTERN_MAX_BYTES)] | None = None
    name_b64: Bytes64 | None = None
    ignore_case: bool = False  # of the pattern's ASCII letters
    kinds: Annotated[list[Kind], listed(3)] = []  # none: all
    size_min: Whole | None = None
    size_max: Whole | None = None
    newer_us: FileTime | None = None
    newer_sub_ns: SubNs = 0
    newer_than: AtString | None = None
    owner: OwnerName | None = None
    group: OwnerName | None = None
    at: AtString | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=FIND_ENTRIES_MAX)] = FIND_ENTRIES_MAX

    def pattern(self) -> bytes | None:
        """The pattern's bytes. Raises BadName."""
        return None if self.name is None else names.from_text(self.name, self.name_b64)


class FoundEntry(Reply, kw_only=True):
    """One that was found. `replicas`: where its first chunk can be read, in the order in which to try.

    They are told of files that one may read.
    """

    path: str
    path_b64: str | None = None
    entry: Entry
    replicas: list[str] = []

    def raw_path(self) -> Path:
        """The path's bytes."""
        return Path(names.from_text(self.path, self.path_b64))


class FindReply(Reply, kw_only=True):
    """One page, which may be empty though there is a cursor: work is bounded. Without one it is the last.

    `way`: "walk" gives paths in the order of a walk, parents first; "index" gives them in the order of their
    names. An answer may begin in one and go on in the other. `closed`: directories that were met on the walk
    and may not be read.
    """

    commit: int
    incarnation: int
    way: Literal["walk", "index"]
    found: list[FoundEntry]
    closed: int = 0
    cursor: Cursor | None = None


class UsageRequest(Request, kw_only=True):
    """What is at and below a path in sum; with sums of directories down to `depth` names below it."""

    path: PathString
    path_b64: PathBase64 | None = None
    depth: Annotated[int, Meta(ge=0, le=PATH_MAX_BYTES)] | None = None
    at: AtString | None = None
    cursor: Cursor | None = None


class Linked(NamedTuple):
    """A file that may have several names: its inode, and its size in bytes. It is in no sum."""

    inode: int
    size: int


class UsageSum(Reply, kw_only=True):
    """A part of what is in a directory, or below it where that is deeper than was asked.

    Sums come as they are met on a walk: a directory has as many as there are turns to it. It counts itself.
    """

    path: str
    path_b64: str | None = None
    size: int = 0  # bytes, holes among them
    files: int = 0
    directories: int = 0
    symlinks: int = 0
    linked: list[Linked] = []

    def raw_path(self) -> Path:
        """The path's bytes."""
        return Path(names.from_text(self.path, self.path_b64))


class UsageReply(Reply, kw_only=True):
    """One page; `cursor` is absent on the last. `closed`: directories that may not be read."""

    commit: int
    incarnation: int
    sums: list[UsageSum]
    closed: int = 0
    cursor: Cursor | None = None
