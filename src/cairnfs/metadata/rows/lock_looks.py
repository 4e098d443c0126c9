"""Looking for requests that are in the way of one, or that one was in the way of.

What belongs here: the looks of `core/locks`, many at once, on `lock_key` and `lock`. Only as much is read as
the question needs: mostly whether anybody is there, and who came first. What does not: changing rows
(`rows/locks`). Any thread, inside a tx that holds the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from cairnfs.core.locks.request import Key, Look, Owner
from cairnfs.ids import SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows.locks import owner_of

_LAST = 2**63 - 1
_LOOK = "inode BIGINT, kind BIGINT, name BYTES, tree BIGINT"
_HERE = "k.inode = g.inode AND k.kind = g.kind AND k.name = g.name"
_COUNTS = "l.id = k.lock AND (l.subtree = 1 OR g.tree = 0)"


class Ask(NamedTuple):
    """A look, and for whom: whoever is in the way of this owner's request of this mode."""

    look: Look
    exclusive: bool
    session: SessionId
    owner: str

    def row(self) -> tuple[int, int, bytes, int, int, str, str]:
        """As a given row."""
        return (*self.look.key, int(self.look.subtree), int(self.exclusive), self.session, self.owner)


class Seen(NamedTuple):
    """A request that was met at a look."""

    look: Look
    lock: int
    session: SessionId
    owner: str
    exclusive: bool
    subtree: bool

    @property
    def whose(self) -> Owner:
        """Its owner, as the law knows them."""
        return owner_of(self.session, self.owner)


_ASK = f"{_LOOK}, exclusive BIGINT, session TEXT, owner TEXT"
_FIRST = (
    "(SELECT k.lock FROM lock_key AS k CROSS JOIN lock AS l"
    f" WHERE {_HERE} AND k.held = {{held}} AND {_COUNTS}"
    " AND (l.session <> g.session OR l.owner <> g.owner) AND (l.exclusive = 1 OR g.exclusive = 1)"
    " ORDER BY k.lock LIMIT 1)"
)
_HELD, _WAITS = _FIRST.format(held=1), _FIRST.format(held=0)


def in_the_way(tx: Tx, asks: Sequence[Ask]) -> tuple[list[int], list[int]]:
    """The first that is held and the first that waits of those in the way at each look, if there are any."""
    rows = tx.rows_given(
        f"SELECT {_HELD}, {_WAITS} FROM {{given}} AS g", _ASK, list(dict.fromkeys(ask.row() for ask in asks))
    )
    return [row[0] for row in rows if row[0] is not None], [row[1] for row in rows if row[1] is not None]


def held_in_the_way(tx: Tx, asks: Sequence[Ask]) -> list[Seen]:
    """Of each look the first that is held and in the way, if there is one."""
    rows = tx.rows_given(
        "SELECT f.inode, f.kind, f.name, f.tree, l.id, l.session, l.owner, l.exclusive, l.subtree FROM"
        f" (SELECT g.inode, g.kind, g.name, g.tree, {_HELD} AS first FROM {{given}} AS g) AS f"
        " CROSS JOIN lock AS l WHERE l.id = f.first",
        _ASK,
        list(dict.fromkeys(ask.row() for ask in asks)),
    )
    return [_seen(row) for row in rows]


def own_held(tx: Tx, looks: Iterable[Look], session: SessionId, owner: str) -> list[Seen]:
    """What an owner holds at these looks."""
    rows = tx.rows_given(
        "SELECT g.inode, g.kind, g.name, g.tree, l.id, l.session, l.owner, l.exclusive, l.subtree"
        " FROM {given} AS g CROSS JOIN lock_key AS k CROSS JOIN lock AS l"
        f" WHERE {_HERE} AND k.held = 1 AND {_COUNTS} AND l.session = ? AND l.owner = ?",
        _LOOK,
        _rows(looks),
        session,
        owner,
    )
    return [_seen(row) for row in rows]


def is_full(tx: Tx, keys: Collection[Key], most: int) -> bool:
    """Whether so many wait for one of these keys."""
    rows = tx.rows_given(
        "SELECT (SELECT k.lock FROM lock_key AS k"
        f" WHERE {_HERE} AND k.held = 0 ORDER BY k.lock LIMIT 1 OFFSET ?) FROM {{given}} AS g",
        "inode BIGINT, kind BIGINT, name BYTES",
        [tuple(key) for key in keys],
        most - 1,
    )
    return any(row[0] is not None for row in rows)


def count_before(
    tx: Tx, looks: Iterable[Look], session: SessionId, owner: str, *, exclusive: bool, before: int
) -> int:
    """How many wait that are in the way of a request of this owner, and have a number below `before`."""
    given = _rows(looks)
    waits = (
        f"FROM lock_key AS k CROSS JOIN lock AS l WHERE {_HERE} AND k.held = 0 AND k.lock < ? AND {_COUNTS}"
        " AND (l.session <> ? OR l.owner <> ?) AND (l.exclusive = 1 OR ? = 1)"
    )
    args = before, session, owner, int(exclusive)
    counts = tx.rows_given(f"SELECT (SELECT count(*) {waits}) FROM {{given}} AS g", _LOOK, given, *args)
    some = [row[0] for row in counts if row[0]]
    if len(some) <= 1:
        return sum(some)
    each = waits.replace("FROM lock_key", "FROM {given} AS g CROSS JOIN lock_key")
    return len({row[0] for row in tx.rows_given(f"SELECT k.lock {each}", _LOOK, given, *args)})


def pages(tx: Tx, looks: Iterable[Look], after: int, size: int) -> dict[Look, int]:
    """Of each look at which any wait with a number beyond `after`: the last of the first `size` of them."""
    behind = f"{_HERE} AND k.held = 0 AND k.lock > ?"
    nth = f"(SELECT k.lock FROM lock_key AS k WHERE {behind} ORDER BY k.lock LIMIT 1"
    rows = tx.rows_given(
        f"SELECT g.inode, g.kind, g.name, g.tree, {nth}), {nth} OFFSET ?) FROM {{given}} AS g",
        _LOOK,
        _rows(looks),
        after,
        after,
        size - 1,
    )
    return {_look(row): _LAST if row[5] is None else row[5] for row in rows if row[4] is not None}


def waiting(tx: Tx, spans: Iterable[tuple[Look, int, int]]) -> list[Seen]:
    """Who waits at looks: (look, number beyond which, number up to which) each.

    Those without a subtree too where only those with one count: they stand in the same line.
    """
    rows = tx.rows_given(
        "SELECT g.inode, g.kind, g.name, g.tree, l.id, l.session, l.owner, l.exclusive, l.subtree"
        " FROM {given} AS g CROSS JOIN lock_key AS k CROSS JOIN lock AS l"
        f" WHERE {_HERE} AND k.held = 0 AND k.lock > g.after AND k.lock <= g.until AND l.id = k.lock",
        f"{_LOOK}, after BIGINT, until BIGINT",
        [(*look.key, int(look.subtree), after, until) for look, after, until in spans],
    )
    return [_seen(row) for row in rows]


def owners_in_the_way(
    tx: Tx, asks: Sequence[tuple[Ask, int]], besides: Collection[int] = ()
) -> list[tuple[int, Seen]]:
    """All owners who are in the way: (ask, the request's number) given, (number, a request of theirs) found.

    What waits is in the way of larger numbers alone. Requests of the numbers in `besides` are not looked at.
    """
    each = "l.id, l.session, l.owner, l.exclusive, l.subtree"
    once = "min(l.id), l.session, l.owner, 0, 0"
    group = "GROUP BY g.number, g.inode, g.kind, g.name, g.tree, l.session, l.owner"
    rows = tx.rows_given(
        f"SELECT g.number, g.inode, g.kind, g.name, g.tree, {each if besides else once}"
        " FROM {given} AS g CROSS JOIN lock_key AS k CROSS JOIN lock AS l"
        f" WHERE {_HERE} AND (k.held = 1 OR k.lock < g.number) AND {_COUNTS}"
        " AND (l.session <> g.session OR l.owner <> g.owner) AND (l.exclusive = 1 OR g.exclusive = 1)"
        f" {'' if besides else group}",
        f"{_ASK}, number BIGINT",
        [(*ask.row(), number) for ask, number in asks],
    )
    return [(row[0], _seen(row[1:])) for row in rows if row[5] not in besides]


def _rows(looks: Iterable[Look]) -> list[tuple[int, int, bytes, int]]:
    return [(*look.key, int(look.subtree)) for look in dict.fromkeys(looks)]


def _look(row: Sequence[object]) -> Look:
    inode, kind, name, tree = row[:4]
    return Look(Key(inode, kind, name), tree == 1)  # type: ignore[arg-type]


def _seen(row: Sequence[object]) -> Seen:
    lock, session, owner, exclusive, subtree = row[4:9]
    return Seen(_look(row), lock, session, owner, exclusive == 1, subtree == 1)  # type: ignore[arg-type]
