"""find: what is at or below a path and meets conditions, a page at a time, all of one commit.

What belongs here: the verb, which way it takes, and its cursor. There are two ways. *By walking*, everything
below the path is looked at. *By the index*, every name in the cluster that begins as the pattern does, alive
now. Which is less work nobody knows beforehand, so:

- without the beginning of a name, or as of an earlier commit, it walks;
- where the whole cluster has FEW such names, it takes the index;
- else it walks, and with every page counts on, as many names of the index as it has walked; when these come
  to their end, it takes the index for what is left. So it never does much over three times the lesser work.

The index tells of names that are alive: when one of those that were asked for has ended since the first page,
or a directory, the rest is found by walking. What is told is told once: in the order of the walk as far as it
went, in the order of names after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from cairnfs.core import names as rules
from cairnfs.core.permissions import READ, Person, allowed
from cairnfs.errors import BadCursor, BadRequest
from cairnfs.ids import CommitNumber, InodeId, Name, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, entries, moment, name_index, replicas
from cairnfs.metadata.ops.conditions import Conditions, newer
from cairnfs.metadata.ops.conditions import read as read_conditions
from cairnfs.metadata.ops.entries import Found
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.ops.name_index import Below, Counted
from cairnfs.metadata.ops.stat import find as find_path
from cairnfs.metadata.ops.trace import paths
from cairnfs.metadata.ops.treewalk import Met, Treewalk
from cairnfs.metadata.rows.search import Named, Range
from cairnfs.metadata.view import DIRECTORY, FILE
from cairnfs.wire import names
from cairnfs.wire.search import FIND_ENTRIES_MAX, FindReply, FindRequest, FoundEntry

#: So many names of the index are looked up without further thought.
FEW = 256
#: Rows that a page looks at by walking.
WALK_ROWS = 2000

Way = Literal["walk", "index"]


class Cursor(NamedTuple):
    """Where it goes on. `path` was walked last, relative to the start; empty: the start itself."""

    incarnation: int
    commit: int
    start: int  # the inode where it began
    newer_ns: int | None
    way: Way
    path: bytes = b""
    rows: int = 0  # walked so far
    counted: tuple[bytes, int, int, bool] | None = None  # of the index, so far; None: it is not asked
    reached: tuple[bytes, int] | None = None  # in the index, if it was ever taken: all up to there is told
    checked: int = 0  # the commit up to which the index was seen to tell of `commit`


class _Search(NamedTuple):
    """What every page needs."""

    sight: Sight
    person: Person
    start: Found
    path: Path
    conditions: Conditions
    names: Range | None
    limit: int


class _Part(NamedTuple):
    """What a page found, and the cursor; None at the end."""

    found: list[Met]
    way: Way
    closed: int
    cursor: Cursor | None


def find(tx: Tx, person: Person, request: FindRequest) -> FindReply:
    """Raises NotFound, NotADirectory, SymlinkLoop and Forbidden for the path itself; BadPattern, BadCursor,
    NoSuchUser, NoSuchGroup, NoSuchCommit, NoSuchSnapshot, BeforeHorizon, BadRequest."""
    if not 1 <= request.limit <= FIND_ENTRIES_MAX:
        raise BadRequest(f"limit is 1 to {FIND_ENTRIES_MAX}")
    path = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    sight = moment.look(tx, request.at) if cursor is None else cursors.go_on(tx, cursor)
    sight.view.prefetch([path])
    who = sight.people.now(person)
    start = find_path(sight.view, who, path, follow=True)
    if cursor is not None and cursor.start != start.version.inode:
        raise BadCursor("this cursor is of another path")
    newer_ns = newer(tx, sight, request) if cursor is None else cursor.newer_ns
    conditions = read_conditions(sight, request, newer_ns)
    by_name = name_index.names_of(conditions.pattern)
    search = _Search(sight, who, start, path, conditions, by_name, request.limit)
    part = _begin(search) if cursor is None else _go_on(search, cursor)
    return FindReply(
        commit=sight.commit,
        incarnation=sight.clock.incarnation,
        way=part.way,
        found=_told(search, part.found, itself=cursor is None),
        closed=part.closed,
        cursor=None if part.cursor is None else cursors.write(tx, part.cursor),
    )


def _begin(search: _Search) -> _Part:
    """The first page."""
    sight, start = search.sight, search.start
    cursor = Cursor(
        sight.clock.incarnation,
        sight.commit,
        start.version.inode,
        search.conditions.newer_ns,
        "walk",
        checked=sight.commit,
    )
    if start.kind != DIRECTORY:
        return _Part([], "walk", 0, None)
    if search.names is None or sight.view.at is not None:
        return _walk(search, cursor)
    counted = name_index.count(sight.view.tx, search.names, Counted(), FEW + 1)
    if counted.ended:
        return _by_index(search, cursor._replace(way="index", reached=_pair(name_index.BEGIN)))
    return _walk(search, cursor._replace(counted=_packed(counted)))


def _go_on(search: _Search, cursor: Cursor) -> _Part:
    """A further page."""
    if search.start.kind != DIRECTORY:
        raise BadCursor("this cursor is of a directory")
    if cursor.way == "walk":
        return _walk(search, cursor)
    if search.names is None or cursor.reached is None:
        raise BadCursor("this cursor is of another pattern")
    return _by_index(search, cursor)


def _walk(search: _Search, cursor: Cursor) -> _Part:
    """A page by walking."""
    walk = Treewalk(search.sight, search.person, search.start.version, search.path, rows=WALK_ROWS)
    told = None if cursor.reached is None else Named(Name(cursor.reached[0]), InodeId(cursor.reached[1]))
    found: list[Met] = []
    for met in walk.after(cursor.path):
        dentry = met.found.dentry
        if (
            search.conditions.takes_name(dentry.name)
            and search.conditions.takes(dentry.kind, met.found.version)
            and (told is None or Named(dentry.name, dentry.parent) > told)
        ):
            found.append(met)
            if len(found) == search.limit:
                break
    if walk.ended:
        return _Part(found, "walk", walk.closed, None)
    after = cursor._replace(path=walk.last, rows=cursor.rows + walk.looked)
    return _Part(found, "walk", walk.closed, after if told else _race(search, after))


def _race(search: _Search, cursor: Cursor) -> Cursor:
    """Count on in the index, and take it from here on if it has less than was walked."""
    if search.names is None or cursor.counted is None:
        return cursor
    tx, now = search.sight.view.tx, search.sight.clock.commit_number
    name, parent, seen, ended = cursor.counted
    so_far = Counted(Named(Name(name), InodeId(parent)), seen, ended)
    counted = name_index.count(tx, search.names, so_far, min(cursor.rows - seen, 2 * WALK_ROWS))
    if not counted.ended or counted.names > cursor.rows:
        return cursor._replace(counted=_packed(counted))
    if not name_index.still_tells(tx, search.names, CommitNumber(cursor.checked), now):
        return cursor._replace(counted=None)
    return cursor._replace(way="index", reached=_pair(name_index.BEGIN), checked=now)


def _by_index(search: _Search, cursor: Cursor) -> _Part:
    """A page by the index; by walking where that does not tell any more."""
    sight, tx = search.sight, search.sight.view.tx
    assert search.names is not None, "an index of no names"
    assert cursor.reached is not None, "an index that was not begun"
    now = sight.clock.commit_number
    if not name_index.still_tells(tx, search.names, CommitNumber(cursor.checked), now):
        return _walk(search, cursor._replace(way="walk"))
    inode = search.start.version.inode
    root = paths(sight, search.person, [inode])[inode]
    if root is None:
        return _Part([], "index", 1, None)  # the start itself may not be read
    told = tuple(cursor.path.split(b"/")) if cursor.path else ()
    after = Named(Name(cursor.reached[0]), InodeId(cursor.reached[1]))
    page = name_index.page(
        sight, search.person, search.conditions, search.names, Below(root, told), after, search.limit
    )
    if page.position is None:
        return _Part(page.found, "index", 0, None)
    return _Part(page.found, "index", 0, cursor._replace(reached=_pair(page.position), checked=now))


def _pair(named: Named) -> tuple[bytes, int]:
    return named.name, named.parent


def _packed(counted: Counted) -> tuple[bytes, int, int, bool]:
    return counted.position.name, counted.position.parent, counted.names, counted.ended


def _told(search: _Search, met: Sequence[Met], *, itself: bool) -> list[FoundEntry]:
    """What was found as people are told it; the start itself before all, if it meets the conditions."""
    prefix = search.path.rstrip(b"/")
    where = [Path(prefix + b"/" + one.path) for one in met]
    found = [
        Found(
            one.found.dentry.name,
            one.found.dentry.kind,
            one.found.version,
            one.found.told,
            one.found.dentry.traced,
        )
        for one in met
    ]
    start = search.start
    if (
        itself
        and search.conditions.takes_name(rules.base(search.path))
        and search.conditions.takes(start.kind, start.version)
    ):
        where.insert(0, search.path)
        found.insert(0, start)
    built = entries.build(search.sight, found)
    kept = [at for at, entry in enumerate(built) if search.conditions.takes_entry(entry)]
    readable = [
        (one.version.inode, one.version.born)
        for one in (found[at] for at in kept)
        if one.kind == FILE
        and allowed(search.person, one.version.owner, one.version.owner_group, one.version.mode, READ)
    ]
    near = replicas.addresses(search.sight.view.tx, list(dict.fromkeys(readable)))
    shown = []
    for at in kept:
        text, base64 = names.to_text(where[at])
        shown.append(
            FoundEntry(
                path=text, path_b64=base64, entry=built[at], replicas=near.get(found[at].version.inode, [])
            )
        )
    return shown
