"""list: one page of a directory, in the order of the names' bytes.

What belongs here: the verb and its cursor, which names incarnation, directory, commit and the last
name given: all pages read the same commit, whatever is written meanwhile. Entries carry what stat
tells, so the caller must be allowed to read the directory and to walk it.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.core.permissions import READ, WALK, Person
from cairnfs.errors import BadCursor, BadRequest, NotADirectory
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, entries, moment
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.resolve import require, text
from cairnfs.metadata.ops.stat import find
from cairnfs.metadata.rows import nodes
from cairnfs.metadata.rows.nodes import Listed
from cairnfs.metadata.view import DIRECTORY
from cairnfs.wire import names
from cairnfs.wire.directory import LIST_ENTRIES_MAX, ListReply, ListRequest


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
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    sight = moment.look(tx, request.at) if cursor is None else cursors.go_on(tx, cursor)
    sight.view.prefetch([path])
    who = sight.people.now(person)
    directory = find(sight.view, who, path, follow=True)
    if directory.kind != DIRECTORY:
        raise NotADirectory("a file has no entries", path=text(path))
    require(who, directory.version, READ | WALK, path)
    inode = directory.version.inode
    if cursor is not None and cursor.inode != inode:
        raise BadCursor("this cursor is of another directory")
    after = b"" if cursor is None else cursor.name
    found = nodes.page(tx, inode, after, request.limit + 1, sight.view.at)
    shown = found[: request.limit]
    more = None
    if len(found) > len(shown):
        last = shown[-1].dentry.name
        more = cursors.write(tx, Cursor(sight.clock.incarnation, inode, sight.commit, last))
    return ListReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        entries=entries.build(sight, [_found(one) for one in shown]),
        cursor=more,
    )


def _found(one: Listed) -> Found:
    return Found(one.dentry.name, one.dentry.kind, one.version, one.told, one.dentry.traced)
