"""list: who holds locks and who waits, a page at a time, for the eyes of one person.

What belongs here: the verb and its cursor. What does not: who waits where (`queues`), by what paths a
request is known to somebody (`paths`). A listing goes on by number: what comes meanwhile comes last, what
goes is left out. A page may hold fewer than were asked for, even none, and say that there is more: it looks
at a number of requests, and of keys, whatever becomes of them.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import accumulate
from typing import NamedTuple

from cairnfs.core.locks.request import BELOW, INODE, NAME, Key
from cairnfs.core.permissions import Person
from cairnfs.errors import BadCursor, BadRequest
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, moment, trace
from cairnfs.metadata.ops.locks import broken
from cairnfs.metadata.ops.locks.paths import Asker, PathsTold, known
from cairnfs.metadata.ops.locks.queues import Standing, standings
from cairnfs.metadata.ops.resolve import Place, place
from cairnfs.metadata.rows import lock_pages, locks, sessions
from cairnfs.metadata.rows.locks import LockRow
from cairnfs.wire import names
from cairnfs.wire.locks import (
    ITEMS_MAX,
    ListLocksReply,
    ListLocksRequest,
    LockItem,
    LockPath,
)

#: Keys that a page looks at, unless its first request has more.
KEYS_LOOKED = 20_000


class Cursor(NamedTuple):
    """Where a listing goes on: of the locks at and below this name, after this number."""

    incarnation: int
    parent: int  # 0: of the root
    name: bytes
    after: int


def page(tx: Tx, person: Person, request: ListLocksRequest) -> ListLocksReply:
    """A page of either. Raises NotFound, NotADirectory, Forbidden and SymlinkLoop for what is on the way to
    the path, BadCursor, BadRequest."""
    if not 1 <= request.limit <= ITEMS_MAX:
        raise BadRequest(f"limit is 1 to {ITEMS_MAX}")
    return broken.page(tx, person, request) if request.broken else _locks(tx, person, request)


def _locks(tx: Tx, person: Person, request: ListLocksRequest) -> ListLocksReply:
    path = names.to_path(request.path, request.path_b64)
    cursor = None if request.cursor is None else cursors.read(tx, request.cursor, Cursor)
    sight = moment.look(tx, None)
    sight.view.prefetch([path])
    who = sight.people.now(person)
    at = place(sight.view, who, path, follow=True)
    parent, name = (0, b"") if at.is_root else (at.parent, bytes(at.name))
    if cursor is not None:
        cursors.require_ours(tx, cursor.incarnation)
        if (cursor.parent, cursor.name) != (parent, name):
            raise BadCursor("this cursor is of another path")
    after = 0 if cursor is None else cursor.after
    numbers, more = _numbers(tx, at, after, request.limit)
    asker = Asker(sight, who, trace.physical(sight.view, who, path, follow=True))
    items = _told(asker, at, numbers)
    further = Cursor(sight.clock.incarnation, parent, name, numbers[-1]) if more else None
    return ListLocksReply(locks=items, cursor=None if further is None else cursors.write(tx, further))


def _numbers(tx: Tx, at: Place, after: int, limit: int) -> tuple[list[int], bool]:
    """The requests to look at, and whether there are more."""
    if at.is_root:  # all there are, of removed directories too
        found = lock_pages.all_after(tx, after, limit + 1)
    else:
        above = lock_pages.with_anybody(tx, _above(at))
        found = lock_pages.having_after(tx, [*_here(at), *above], after, limit + 1)
    looked = found[:limit]
    sizes = lock_pages.sizes(tx, looked)
    within = sum(total <= KEYS_LOOKED for total in accumulate(sizes.get(one, 0) for one in looked))
    looked = looked[: max(within, 1)]
    return looked, len(looked) < len(found)


def _here(at: Place) -> list[Key]:
    """What a lock on a place, or below it, has one of."""
    keys = [Key(at.parent, NAME, at.name)]
    return keys if at.dentry is None else [*keys, *(Key(at.dentry.inode, kind) for kind in (INODE, BELOW))]


def _above(at: Place) -> list[Key]:
    """What a lock on a directory above has."""
    return [Key(directory, INODE) for directory in at.chain]


def _concerns(at: Place, one: LockRow, keys: Collection[Key]) -> bool:
    """Whether a request is for something there or below, or for all below something above."""
    wanted = [*_here(at), *(_above(at) if one.subtree else ())]
    return not {*wanted}.isdisjoint(keys)


def _told(asker: Asker, at: Place, numbers: list[int]) -> list[LockItem]:
    """Those of these requests that the asker is told of."""
    tx = asker.sight.view.tx
    found = locks.find(tx, numbers)
    keys = locks.keys_of(tx, list(found))
    requests = {
        number: one for number, one in found.items() if at.is_root or _concerns(at, one, keys[number])
    }
    seen = known(asker, requests, keys)
    shown = {number: requests[number] for number in numbers if number in seen}
    stands = standings(tx, shown, keys)
    called = asker.sight.people.names(one.user_id for one in shown.values())
    living = sessions.find(tx, dict.fromkeys(one.session for one in shown.values()))
    labels = {one.id: one.label for one in living.values()}
    return [
        _item(asker, one, seen[number], stands[number], called[one.user_id], labels.get(one.session, ""))
        for number, one in shown.items()
    ]


def _item(asker: Asker, one: LockRow, seen: PathsTold, stands: Standing, user: str, label: str) -> LockItem:
    shown = [names.to_text(path) for path in seen.paths]
    return LockItem(
        lock=one.id,
        state="held" if one.fence > 0 else "waiting",
        mode="exclusive" if one.exclusive else "shared",
        subtree=bool(one.subtree),
        paths=[LockPath(path=text, path_b64=base64) for text, base64 in shown],
        more=seen.more,
        user=user,
        label=label,
        session=one.session if asker.sees_all(one) else "",
        fence=one.fence,
        asked_us=one.asked_us,
        granted_us=one.granted_us,
        place=stands.place,
        waiting=stands.waiting,
        mine=asker.owns(one),
    )
