"""list: one page of a directory, in the order of the names' bytes.

What belongs here: the verb and its cursor, which names incarnation, directory, commit and the last
name given: all pages read the same commit, whatever is written meanwhile. Entries carry what stat
tells, so the caller must be allowed to read the directory and to walk it.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import msgspec

from cairnfs.core import moment as moments
from cairnfs.core.permissions import READ, WALK, Person
from cairnfs.errors import BadCursor, BadRequest, NotADirectory
from cairnfs.ids import CommitNumber
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import entries, moment
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.resolve import require, text
from cairnfs.metadata.ops.stat import find
from cairnfs.metadata.rows import clock, nodes
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.view import DIRECTORY, View
from cairnfs.wire import names
from cairnfs.wire.directory import LIST_ENTRIES_MAX, ListReply, ListRequest

_CURSOR_MAX_CHARS = 1024


class Cursor(NamedTuple):
    """Where a listing goes on."""

    incarnation: int
    inode: int
    commit: int
    name: bytes


def page(tx: Tx, person: Person, request: ListRequest) -> ListReply:
    """Raises NotFound, NotADirectory, Forbidden, BadCursor, NoSuchCommit, BeforeHorizon, BadRequest."""
    if not 1 <= request.limit <= LIST_ENTRIES_MAX:
        raise BadRequest(f"limit is 1 to {LIST_ENTRIES_MAX}")
    path = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else decode(request.cursor)
    now = clock.read(tx)
    commit = _commit(tx, now, request, cursor)
    view = View(tx, None if commit == now.commit_number else commit)
    view.prefetch([path])
    directory = find(view, person, path)
    if directory.kind != DIRECTORY:
        raise NotADirectory("a file has no entries", path=text(path))
    require(person, directory.version, READ | WALK, path)
    if cursor is not None and cursor.inode != directory.version.inode:
        raise BadCursor("this cursor is of another directory")
    after = b"" if cursor is None else cursor.name
    found = nodes.page(tx, directory.version.inode, after, request.limit + 1, view.at)
    shown = found[: request.limit]
    last = Cursor(now.incarnation, directory.version.inode, commit, shown[-1].name) if shown else None
    return ListReply(
        commit=commit,
        incarnation=now.incarnation,
        entries=entries.assemble(
            tx,
            now.incarnation,
            view.at,
            [Found(one.name, one.kind, one.version) for one in shown],
            {one.version.owner: one.owner or entries.NOBODY for one in shown},
            {one.version.inode: (one.changed, one.changed_us) for one in shown if one.kind == DIRECTORY},
        ),
        cursor=encode(last) if last is not None and len(found) > len(shown) else None,
    )


def _commit(tx: Tx, now: ClockRow, request: ListRequest, cursor: Cursor | None) -> CommitNumber:
    if cursor is None:
        return moment.commit(tx, now, None if request.at is None else moments.parse(request.at))
    if cursor.incarnation != now.incarnation or cursor.commit > now.commit_number:
        raise BadCursor("this cursor is of another incarnation")
    return moment.check(now, cursor.commit)


def encode(cursor: Cursor) -> str:
    """A cursor as opaque text."""
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode()


def decode(cursor: str) -> Cursor:
    """Read a cursor. Raises BadCursor."""
    try:
        if len(cursor) > _CURSOR_MAX_CHARS:
            raise ValueError("too long")
        return msgspec.msgpack.decode(urlsafe_b64decode(cursor.encode("ascii")), type=Cursor)
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise BadCursor("no listing gave this cursor") from error
