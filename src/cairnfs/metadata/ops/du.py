"""du: what is at and below a path in sum, a page at a time, all of one commit.

What belongs here: the verb and its cursor. Sums come in the order of the walk, each of no more than a page:
whoever asks adds them up. Files with several names stand apart, since only whoever has all pages can
count each once.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core.permissions import Person
from cairnfs.errors import BadCursor
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, moment
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.stat import find
from cairnfs.metadata.ops.treewalk import Treewalk
from cairnfs.metadata.view import DIRECTORY, FILE
from cairnfs.wire import names
from cairnfs.wire.search import Linked, UsageReply, UsageRequest, UsageSum

#: Rows that a page looks at.
PAGE_ROWS = 2000


class Cursor(NamedTuple):
    """Where it goes on. `path` was visited last, relative to the start."""

    incarnation: int
    commit: int
    start: int
    path: bytes


class _Sum:
    """A part of what is in one directory."""

    __slots__ = ("directories", "files", "key", "linked", "size", "symlinks")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.size = self.files = self.directories = self.symlinks = 0
        self.linked: list[Linked] = []

    def add(self, kind: str, size: int, linked: int | None) -> None:
        """One more; `linked` is the inode of a file that may have several names."""
        if kind == DIRECTORY:
            self.directories += 1
        elif linked is not None:
            self.linked.append(Linked(linked, size))
        else:
            self.size += size
            self.files += kind == FILE
            self.symlinks += kind != FILE


def usage(tx: Tx, person: Person, request: UsageRequest) -> UsageReply:
    """Raises NotFound, NotADirectory, SymlinkLoop and Forbidden for the path itself; BadCursor, NoSuchCommit,
    NoSuchSnapshot, BeforeHorizon, BadRequest."""
    path = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    sight = moment.look(tx, request.at) if cursor is None else cursors.go_on(tx, cursor)
    sight.view.prefetch([path])
    who = sight.people.now(person)
    start = find(sight.view, who, path, follow=True)
    if cursor is not None and (cursor.start != start.version.inode or start.kind != DIRECTORY):
        raise BadCursor("this cursor is of another path")
    sums = [_itself(start)] if cursor is None else []
    closed, more = 0, None
    if start.kind == DIRECTORY:
        walk = Treewalk(sight, who, start.version, path, rows=PAGE_ROWS)
        _add(walk, b"" if cursor is None else cursor.path, request.depth, sums)
        closed = walk.closed
        if not walk.ended:
            more = cursors.write(
                tx, Cursor(sight.clock.incarnation, sight.commit, start.version.inode, walk.last)
            )
    return UsageReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        sums=[_message(path, one) for one in sums],
        closed=closed,
        cursor=more,
    )


def _itself(start: Found) -> _Sum:
    made = _Sum(b"")
    linked = start.traced and start.kind == FILE
    made.add(start.kind, start.version.size, start.version.inode if linked else None)
    return made


def _add(walk: Treewalk, after: bytes, depth: int | None, sums: list[_Sum]) -> None:
    """Walk, and add to the sums in their order."""
    for met in walk.after(after):
        dentry, version = met.found.dentry, met.found.version
        key = _key(met.path, depth, directory=dentry.kind == DIRECTORY)
        if not sums or sums[-1].key != key:
            sums.append(_Sum(key))
        linked = dentry.traced and dentry.kind == FILE
        sums[-1].add(dentry.kind, version.size, version.inode if linked else None)


def _key(path: bytes, depth: int | None, *, directory: bool) -> bytes:
    """The directory to which something counts: itself, or the one it is in, unless that is too deep."""
    key = path if directory else path.rpartition(b"/")[0]
    if depth is None:
        return key
    return b"/".join(key.split(b"/")[:depth])


def _message(path: bytes, one: _Sum) -> UsageSum:
    whole = path if not one.key else path.rstrip(b"/") + b"/" + one.key
    text, base64 = names.to_text(whole)
    return UsageSum(
        path=text,
        path_b64=base64,
        size=one.size,
        files=one.files,
        directories=one.directories,
        symlinks=one.symlinks,
        linked=one.linked,
    )
