"""Messages about what has changed: the log, a path's history, differences, and the stream of changes.

Everybody is told only of names that they may see as of the commit concerned. What came from a place that one
may not see was `created`, what went there was `removed`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cairnfs.ids import Path
from cairnfs.wire import names
from cairnfs.wire.codec import Reply, Request, Whole
from cairnfs.wire.directory import Entry
from cairnfs.wire.shapes import AtString, Cursor, PathBase64, PathString

LOG_COMMITS_MAX = 1000
#: So many changes of a commit stand in the log itself.
LOG_CHANGES_SHOWN = 10
HISTORY_ITEMS_MAX = 1000
DIFFERENCES_MAX = 1000
#: Changes that come in one event; a commit with more comes in several.
EVENT_CHANGES_MAX = 1000
#: The kinds of events of the stream of changes: what a commit did; how far all has been told.
COMMIT_EVENT, POSITION_EVENT = "commit", "position"

Kind = Literal["file", "directory", "symlink"]
What = Literal["created", "removed", "moved", "written", "changed"]


class PathChange(Reply, kw_only=True):
    """One change. `path` is the new one of what was moved, the former one of what was removed.

    `written`: other content; `changed`: other attributes alone. A directory that was removed, or made with
    all in it by one copy, is one change.
    """

    what: What
    kind: Kind
    inode: int
    path: str
    path_b64: str | None = None
    from_path: str | None = None  # of what was moved
    from_path_b64: str | None = None

    def raw_path(self) -> Path:
        """The path's bytes."""
        return Path(names.from_text(self.path, self.path_b64))

    def raw_from_path(self) -> Path | None:
        """Where it was moved from."""
        return _raw(self.from_path, self.from_path_b64)


class ChangesRequest(Request, kw_only=True):
    """What commits change at or below a path from now on, or after the commit `since`."""

    path: PathString
    path_b64: PathBase64 | None = None
    since: Whole | None = None


class Changes(Reply, kw_only=True):
    """One event of the stream.

    `commit`: what this commit changed; `more` says that further events of the same commit may follow.
    `position`: nothing at or below this commit is untold; it has no other fields.
    """

    commit: int
    incarnation: int
    at_us: int | None = None
    user: str | None = None
    message: str = ""
    changes: list[PathChange] = []
    more: bool = False


class LogRequest(Request, kw_only=True):
    """Commits that changed something at or below a path, newest first, as of `at`."""

    path: PathString = "/"
    path_b64: PathBase64 | None = None
    at: AtString | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=LOG_COMMITS_MAX)] = 100


class LogCommit(Reply, kw_only=True):
    """One commit: how many of its changes one may see there, by what they are, and the first of them."""

    commit: int
    at_us: int
    user: str
    message: str = ""
    counts: dict[str, int]
    changes: list[PathChange]


class LogReply(Reply, kw_only=True):
    """One page, which may be empty though there is a cursor: work is bounded. Without one it is the last."""

    commit: int
    incarnation: int
    commits: list[LogCommit]
    cursor: Cursor | None = None


class HistoryRequest(Request, kw_only=True):
    """What a path has led to, newest first, back from now or `at`. The path may lead to nothing then."""

    path: PathString
    path_b64: PathBase64 | None = None
    at: AtString | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=HISTORY_ITEMS_MAX)] = 100


class HistoryItem(Reply, kw_only=True):
    """What one commit did to `path`. `entry` is what was there afterwards, absent where nothing was.

    `moved` with an entry: it came from `from_path`; without one: it went to `to_path`. Either is absent where
    one may not see it. `present`: it was there when the history that is kept begins.
    """

    commit: int
    at_us: int
    user: str
    message: str = ""
    what: Literal["created", "removed", "moved", "written", "changed", "present"]
    path: str
    path_b64: str | None = None
    entry: Entry | None = None
    from_path: str | None = None
    from_path_b64: str | None = None
    to_path: str | None = None
    to_path_b64: str | None = None

    def raw_path(self) -> Path:
        """The path, without symlinks on it."""
        return Path(names.from_text(self.path, self.path_b64))

    def raw_from_path(self) -> Path | None:
        """Where it came from."""
        return _raw(self.from_path, self.from_path_b64)

    def raw_to_path(self) -> Path | None:
        """Where it went."""
        return _raw(self.to_path, self.to_path_b64)


class HistoryReply(Reply, kw_only=True):
    """One page, which may be empty though there is a cursor. Without one it is the last."""

    commit: int
    incarnation: int
    items: list[HistoryItem]
    cursor: Cursor | None = None


class DiffRequest(Request, kw_only=True):
    """How the tree at or below a path differs between two moments, `a` and `b`, whichever is earlier."""

    path: PathString = "/"
    path_b64: PathBase64 | None = None
    a: AtString
    b: AtString
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=DIFFERENCES_MAX)] = DIFFERENCES_MAX


class Difference(Reply, kw_only=True):
    """One difference. `path` is the one at `b`; at `a` of what was removed.

    `before` and `after` are the entries at `a` and `b`. What was moved may have been written too: compare
    them. A directory that was added or removed stands for all that is in it. `changed`: other attributes,
    or a file where a symlink was.
    """

    what: Literal["added", "removed", "moved", "written", "changed"]
    path: str
    path_b64: str | None = None
    from_path: str | None = None  # of what was moved
    from_path_b64: str | None = None
    before: Entry | None = None
    after: Entry | None = None
    written: bool = False  # of what was moved: it has other content too

    def raw_path(self) -> Path:
        """The path's bytes."""
        return Path(names.from_text(self.path, self.path_b64))

    def raw_from_path(self) -> Path | None:
        """Where it was at `a`, if it was moved."""
        return _raw(self.from_path, self.from_path_b64)


class DiffReply(Reply, kw_only=True):
    """One page, which may be empty though there is a cursor. `a` and `b` are the commits compared."""

    a: int
    b: int
    incarnation: int
    differences: list[Difference]
    cursor: Cursor | None = None


def _raw(text: str | None, base64: str | None) -> Path | None:
    return None if text is None else Path(names.from_text(text, base64))
