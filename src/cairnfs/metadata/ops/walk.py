"""walk: everything below a directory as entries, a page at a time, all of one commit; with contents if asked.

What belongs here: the verb and its cursor, which names incarnation, commit, directory and the last path
given. Whoever walks wants all there is: a directory in it that may not be read refuses the walk, by its path.
A detached tree is walked as it is at each page, by who began it. What does not: the order (`treewalk`).
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from cairnfs.core import names as rules
from cairnfs.core.permissions import READ, Person, allowed
from cairnfs.errors import BadCursor, BadRequest, NotADirectory, NotFound
from cairnfs.ids import ROOT, InodeId, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import contents, cursors, entries, moment
from cairnfs.metadata.ops.contents import Beginning
from cairnfs.metadata.ops.detached_handle import open_handle
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.resolve import text
from cairnfs.metadata.ops.stat import find
from cairnfs.metadata.ops.treewalk import Met, Treewalk
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.view import DIRECTORY, FILE
from cairnfs.wire import names
from cairnfs.wire.directory import WALK_ITEMS_MAX, Entry, WalkItem, WalkReply, WalkRequest

#: Rows that a page looks at, about: what a thousand small directories come to.
PAGE_ROWS = 30_000


class Cursor(NamedTuple):
    """Where it goes on. `path` was given last, relative to the start."""

    incarnation: int
    commit: int
    start: int
    path: bytes


class _Start(NamedTuple):
    """Where a walk begins, and with whose rights. `root`: the directory above which nothing is."""

    sight: Sight
    person: Person
    directory: Version
    path: Path
    root: InodeId


def page(tx: Tx, person: Person, request: WalkRequest) -> WalkReply:
    """Raises NotFound, NotADirectory, SymlinkLoop, Forbidden, PathTooLong, BadCursor, NoSuchCommit,
    NoSuchSnapshot, BeforeHorizon, BadRequest, NoSuchTree, IncarnationChanged."""
    if not 1 <= request.limit <= WALK_ITEMS_MAX:
        raise BadRequest(f"limit is 1 to {WALK_ITEMS_MAX}")
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    start = (_begin if request.tree is None else _begin_in_tree)(tx, person, request, cursor)
    sight, who, inode = start.sight, start.person, start.directory.inode
    if cursor is not None and cursor.start != inode:
        raise BadCursor("this cursor is of another directory")
    looked_at = request.limit + 1  # so the last page knows that it is
    walk = Treewalk(sight, who, start.directory, start.path, rows=PAGE_ROWS, wanted=looked_at, whole=True)
    met = list(islice(walk.after(b"" if cursor is None else cursor.path), looked_at))
    given = met[: request.limit]
    chunks = _contents(tx, who, given) if request.contents else [None] * len(given)
    given = given[: len(chunks)]
    built = entries.build(sight, [_found(one) for one in given], start.root)
    more = None
    if len(given) < len(met) or not walk.ended:
        more = cursors.write(tx, Cursor(sight.clock.incarnation, sight.commit, inode, given[-1].path))
    return WalkReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        items=[_item(*one) for one in zip(given, built, chunks, strict=True)],
        cursor=more,
    )


def _begin(tx: Tx, person: Person, request: WalkRequest, cursor: Cursor | None) -> _Start:
    path = names.to_path(request.path, request.path_b64)
    sight = moment.look(tx, request.at) if cursor is None else cursors.go_on(tx, cursor)
    sight.view.prefetch([path])
    who = sight.people.now(person)
    start = find(sight.view, who, path, follow=True)
    if start.kind != DIRECTORY:
        raise NotADirectory("nothing is below a file", path=text(path))
    return _Start(sight, who, start.version, path, ROOT)


def _begin_in_tree(tx: Tx, person: Person, request: WalkRequest, cursor: Cursor | None) -> _Start:
    """In a detached tree, as it is now: it only grows. Its modes hold nobody up."""
    if request.at is not None:
        raise BadRequest("what is in a detached tree is there at no commit")
    path = names.to_path(request.path, request.path_b64)
    sight = moment.look(tx, None)
    who = sight.people.now(person)
    assert request.tree is not None, "or it is no such walk"
    if cursor is not None:
        cursors.require_ours(tx, cursor.incarnation)
    top = open_handle(tx, who, request.tree).top
    inode = top
    for name in rules.split(path):
        dentry = sight.view.lookup(inode, name)
        if dentry is None:
            raise NotFound("no such file or directory", path=text(path))
        if dentry.kind != DIRECTORY:
            raise NotADirectory("nothing is below a file", path=text(path))
        inode = dentry.inode
    return _Start(sight, who._replace(role="admin"), sight.view.version(inode), path, top)


def _contents(tx: Tx, person: Person, met: list[Met]) -> list[Beginning | None]:
    """Of the first of these, one at least, what is in the files that the person may read."""
    readable: list[Version | None] = []
    for one in met:
        version = one.found.version
        may = one.found.dentry.kind == FILE and allowed(
            person, version.owner, version.owner_group, version.mode, READ
        )
        readable.append(version if may else None)
    return contents.load(tx, readable, whole=True)


def _found(one: Met) -> Found:
    dentry, found = one.found.dentry, one.found
    return Found(dentry.name, dentry.kind, found.version, found.told, dentry.traced)


def _item(met: Met, entry: Entry, beginning: Beginning | None) -> WalkItem:
    path, base64 = names.to_text(met.path)
    chunks = None if beginning is None else beginning.chunks
    return WalkItem(path=path, path_b64=base64, entry=entry, chunks=chunks)
