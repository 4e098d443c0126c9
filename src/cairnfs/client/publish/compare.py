"""How a local tree differs from the one in Cairn that it is to replace, path by path.

What belongs here: the decision for each path, from what lstat says, what the record knows and what is there;
which names lead to one file on each side. What is there is told by a walk, or by the record itself where
nothing has changed there since. What does not: how a difference becomes operations (`plan.py`).
Synchronous, since it may read local files: callers run it on another thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cairnfs.client.local.files import Kind
from cairnfs.client.local.walk import Here
from cairnfs.client.record.record import Known, content_of, known
from cairnfs.client.record.walk_merge import Met
from cairnfs.wire.directory import ChunkRef, WalkItem

#: remove: it goes. make: there is nothing of its name any more. write: new content. attributes: only those.
#: link: another name of a file. row: nothing to do there, only what the record says of it changes.
Act = Literal["remove", "make", "write", "attributes", "link", "row"]
#: Permission bits that are kept without -a; with it all twelve.
_PLAIN, _ALL = 0o777, 0o7777
_OWNER_WRITES, _OWNER_ALL = 0o200, 0o700


class There(NamedTuple):
    """Something of the remote tree. `content` is as in a record's row, None where it was not told."""

    path: bytes
    kind: Kind
    mode: int
    size: int
    content: bytes | None
    etag: str
    #: What all names of the same file have in common; None where this is the only one.
    twins: object = None
    mtime_ns: int | None = None
    xattrs: bool = False
    chunks: list[ChunkRef] | None = None

    @classmethod
    def of_row(cls, row: Known) -> There:
        """As the record's row says, nothing having changed since."""
        twins = (row.device, row.inode) if row.links > 1 else None
        content = None if row.kind == "file" and not row.content else row.content
        return cls(row.path, row.kind, row.mode, row.size, content, row.etag, twins)

    @classmethod
    def of_item(cls, item: WalkItem) -> There:
        """As a walk met it."""
        entry = item.entry
        if entry.kind == "symlink":
            content: bytes | None = entry.raw_target()
        elif entry.kind == "directory":
            content = b""
        else:
            content = None if item.chunks is None else content_of(item.chunks)
        return cls(
            item.raw_path(),
            entry.kind,
            entry.mode,
            entry.size if entry.kind == "file" else 0,
            content,
            entry.etag,
            entry.inode if entry.links > 1 and entry.kind != "directory" else None,
            entry.mtime_ns,
            entry.xattrs is not None,
            item.chunks,
        )


@dataclass(slots=True)
class Change:
    """A path that is to change, or of which the record has to.

    `clear`: what is there has to go first. `first` is what a link leads to. `row` is what the record is to
    say; of what is sent, once it was sent. `content` was read, and may be what is there: `doubtful`.
    `shut` are directories that have to be opened before what is there can go, with their modes.
    """

    path: bytes
    act: Act
    here: Here | None = None
    there: There | None = None
    clear: bool = False
    first: bytes | None = None
    row: Known | None = None
    content: bytes | None = None
    doubtful: bool = False
    shut: tuple[tuple[bytes, int], ...] = ()


@dataclass(slots=True)
class Counts:
    """What a comparison found. `there` counts all names that were there, `removed` those that go."""

    here: int = 0
    there: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Ways:
    """How to compare. `walked`: what is there is told by a walk, not by the record.

    `kept`: the record's rows were equal beside content too. `distrust`: read every file.
    """

    walked: bool
    preserve: bool = False
    kept: bool = False
    distrust: bool = False


class Comparison:
    """Gathers the changes, in the order of a walk."""

    def __init__(self, ways: Ways, read: Callable[[Here], bytes | None], now_ns: Callable[[], int]) -> None:
        """`read` names a local file's content, or says None where it went away or changes all the time."""
        self.changes: list[Change] = []
        self.counts = Counts()
        #: Directories that are there and stay, in which names can only be changed once they are opened.
        self.closed: dict[bytes, int] = {}
        #: With `preserve`, all local directories.
        self.directories: dict[bytes, Here] = {}
        self._ways = ways
        self._read = read
        self._now_ns = now_ns
        self._bits = _ALL if ways.preserve else _PLAIN
        self._going: Change | None = None
        #: Of local files with several names: the first one, and the remote file that it is.
        self._firsts: dict[tuple[int, int], tuple[bytes, object]] = {}
        self._claimed: set[object] = set()

    def begun_anew(self) -> Comparison:
        """Another one like it, that has seen nothing."""
        return Comparison(self._ways, self._read, self._now_ns)

    def see(self, met: Met[There]) -> None:
        """The next path."""
        here, row, counts = met.here, met.known, self.counts
        if here is not None:
            counts.here += 1
            if self._ways.preserve and here.kind == "directory":
                self.directories[here.path] = here
        if self._ways.walked:
            there = met.there
        elif here is not None and row is not None and self._is_same(here, row):
            counts.there += 1
            if row.kind == "directory" and row.mode & 0o300 != 0o300:
                self.closed[row.path] = row.mode
            return
        else:
            there = None if row is None else There.of_row(row)
        if there is not None:
            counts.there += 1
        if here is None:
            self._goes(met.path, row, there)
        elif there is None:
            self._make(here, None)
        elif here.kind != there.kind:
            self._make(here, there)
        elif here.kind == "directory":
            self._directory(here, row, there)
        else:
            self._same_kind(here, row, there)

    def is_same(self, change: Change) -> None:
        """What was doubtful has the content that is there."""
        here, there = change.here, change.there
        assert here is not None and there is not None and change.content is not None  # noqa: PT018
        change.doubtful = False
        change.row = self._row(here, change.content, there.etag)
        change.act = "row" if self._has_attributes(here, None, there) else "attributes"
        self.counts.changed -= change.act == "row"

    def _is_same(self, here: Here, row: Known) -> bool:
        """Whether it is what it was when both sides were equal; their modes need not have been."""
        other_mode = row.kind != "symlink" and (here.status.st_mode ^ row.mode) & self._bits
        return not other_mode and self._trusts(here, row)

    def _trusts(self, here: Here, row: Known) -> bool:
        if here.kind != row.kind or not row.is_still(here.status):
            return False
        return (row.sure and not self._ways.distrust) or row.kind != "file"

    def _goes(self, path: bytes, row: Known | None, there: There | None) -> None:
        if there is not None:
            self.counts.removed += 1
            if self._going is None or not path.startswith(self._going.path + b"/"):
                self.changes.append(Change(path, "remove", there=there))
            self._leaves(there)
        elif row is not None:
            self.changes.append(Change(path, "row"))

    def _leaves(self, there: There) -> None:
        """It goes with the last change, or with what that removes."""
        if there.kind != "directory":
            return
        if self._going is None or not there.path.startswith(self._going.path + b"/"):
            self._going = self.changes[-1]
        if there.mode & _OWNER_ALL != _OWNER_ALL:
            self._going.shut += ((there.path, there.mode),)

    def _make(self, here: Here, there: There | None) -> None:
        """Something new, in place of what is there."""
        if there is None:
            self.counts.added += 1
        else:
            self.counts.changed += 1
        first = self._first(here, None)
        act: Act = "make" if first is None else "link"
        self._add(Change(here.path, act, here, there, there is not None, first))
        if there is not None:
            self._leaves(there)

    def _first(self, here: Here, twins: object) -> bytes | None:
        """The first name of the same local file. None: it is this one, and is the remote file from now on."""
        if here.twins is None:
            return None
        first, _ = self._firsts.setdefault(here.twins, (here.path, twins))
        return None if first == here.path else first

    def _directory(self, here: Here, row: Known | None, there: There) -> None:
        if there.mode & 0o300 != 0o300:
            self.closed[here.path] = there.mode
        fresh = self._row(here, b"", there.etag)
        if not self._has_attributes(here, row, there):
            self.counts.changed += 1
            self.changes.append(Change(here.path, "attributes", here, there, row=fresh))
        else:
            self._note(row, fresh)

    def _same_kind(self, here: Here, row: Known | None, there: There) -> None:
        first = self._first(here, there.twins)
        if first is not None:
            assert here.twins is not None
            if there.twins is not None and self._firsts[here.twins][1] == there.twins:
                # What became of the first name became of this one.
                self.changes.append(Change(here.path, "row", here, there, first=first))
                return
            self.counts.changed += 1
            self.changes.append(Change(here.path, "link", here, there, first=first))
            return
        if there.twins is not None:
            if there.twins in self._claimed:
                if here.twins is not None:
                    self._firsts[here.twins] = (here.path, None)
                self._replace(here, there)
                return
            self._claimed.add(there.twins)
        self._content(here, row, there)

    def _replace(self, here: Here, there: There) -> None:
        self.counts.changed += 1
        self._add(Change(here.path, "make", here, there, clear=True))

    def _add(self, change: Change) -> None:
        """Something new; of a directory and a symlink all is known already."""
        here = change.here
        assert here is not None
        if change.act == "make" and here.kind == "symlink" and change.content is None:
            change.content = _led_to(here)
        if change.act == "make" and here.kind != "file":
            change.row = self._row(here, change.content or b"")
        self.changes.append(change)

    def _content(self, here: Here, row: Known | None, there: There) -> None:
        """The same file on both sides: what of it differs."""
        mine, theirs = self._mine(here, row, there), there.content
        if theirs is None and row is not None and row.etag and row.etag == there.etag:
            theirs = row.content or None
        if mine is None or mine != theirs or (here.kind == "file" and here.status.st_size != there.size):
            if here.kind == "file" and not there.mode & _OWNER_WRITES:
                # Nobody could write into it; it gives way to a new one.
                if here.twins is not None:
                    self._firsts[here.twins] = (here.path, None)
                self._replace(here, there)
                return
            self.counts.changed += 1
            change = Change(here.path, "write", here, there, content=mine)
            change.doubtful = here.kind == "file" and mine is not None and theirs is None
            if here.kind == "symlink":
                change.row = self._row(here, mine or b"")
            self.changes.append(change)
            return
        fresh = self._row(here, mine, there.etag)
        if not self._has_attributes(here, row, there):
            self.counts.changed += 1
            self.changes.append(Change(here.path, "attributes", here, there, row=fresh))
        else:
            self._note(row, fresh)

    def _mine(self, here: Here, row: Known | None, there: There) -> bytes | None:
        """What the content here is; None where it is surely another one, or cannot be told."""
        if row is not None and self._trusts(here, row) and (row.content or here.kind != "file"):
            return row.content
        if here.kind == "symlink":
            return _led_to(here)
        if here.status.st_size != there.size:
            return None
        return self._read(here)

    def _has_attributes(self, here: Here, row: Known | None, there: There) -> bool:
        """Whether what stands beside its content is as it is to be."""
        if here.kind != "symlink" and (here.status.st_mode ^ there.mode) & self._bits:
            return False
        if not self._ways.preserve:
            return True
        if row is not None and self._ways.kept and row.is_still(here.status):
            return not self._ways.walked or row.etag == there.etag
        return (
            self._ways.walked
            and here.status.st_mtime_ns == there.mtime_ns
            and not there.xattrs
            and not _has_xattrs(here)
        )

    def _row(self, here: Here, content: bytes, etag: str = "") -> Known:
        return known(here.path, here.kind, here.status, now_ns=self._now_ns(), etag=etag, content=content)

    def _note(self, row: Known | None, fresh: Known) -> None:
        if row != fresh:
            self.changes.append(Change(fresh.path, "row", row=fresh))


def _led_to(here: Here) -> bytes:
    """Where a symlink leads; one that is gone by now leads to where it lay, until the next look."""
    try:
        return os.readlink(here.place)
    except OSError:
        return here.path


def _has_xattrs(here: Here) -> bool:
    if not hasattr(os, "listxattr"):
        return False
    try:
        return bool(os.listxattr(here.place, follow_symlinks=False))
    except OSError:
        return False
