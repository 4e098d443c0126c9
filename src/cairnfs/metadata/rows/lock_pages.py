"""Requests for locks by the page, as people are told of them; who waits at many places; what was broken.

What belongs here: numbers of `lock` and `lock_key` in order, queues, `broken_lock` by time, and forgetting
what was broken long ago. What does not: the requests themselves (`rows/locks`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import merge
from itertools import groupby, islice

import msgspec

from cairnfs.core.locks.request import Key
from cairnfs.ids import SessionId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.rows.locks import BrokenRow


class Waiter(msgspec.Struct, frozen=True, gc=False):
    """One who waits at a place."""

    id: int
    session: SessionId
    owner: str
    exclusive: int


_WAITER = ", ".join(f"l.{name}" for name in Waiter.__struct_fields__)
_BROKEN = ", ".join(BrokenRow.__struct_fields__)
_KEYS = "inode BIGINT, kind BIGINT, name BYTES"


def all_after(tx: Tx, after: int, limit: int) -> list[int]:
    """Numbers of requests beyond `after`, in order."""
    rows = tx.rows("SELECT id FROM lock WHERE id > ? ORDER BY id LIMIT ?", after, limit)
    return [row[0] for row in rows]


def having_after(tx: Tx, keys: Collection[Key], after: int, limit: int) -> list[int]:
    """Numbers beyond `after` of requests that have one of these few keys, in order."""
    found = [
        [
            row[0]
            for row in tx.rows(
                "SELECT lock FROM lock_key WHERE inode = ? AND kind = ? AND name = ? AND held = ?"
                " AND lock > ? ORDER BY lock LIMIT ?",
                *key,
                held,
                after,
                limit,
            )
        ]
        for key in keys
        for held in (0, 1)
    ]
    return list(islice((number for number, _ in groupby(merge(*found))), limit))


def sizes(tx: Tx, numbers: Collection[int]) -> dict[int, int]:
    """How many keys these requests have."""
    rows = tx.rows_given(
        "SELECT g.id, (SELECT count(*) FROM lock_key AS k WHERE k.lock = g.id) FROM {given} AS g",
        "id BIGINT",
        [(number,) for number in numbers],
    )
    return dict(rows)


def waiting(tx: Tx, wanted: Collection[Key]) -> list[tuple[Key, Waiter]]:
    """Who waits with one of these keys."""
    rows = tx.rows_given(
        f"SELECT k.inode, k.kind, k.name, {_WAITER} FROM {{given}} AS g CROSS JOIN lock_key AS k"
        " CROSS JOIN lock AS l WHERE k.inode = g.inode AND k.kind = g.kind AND k.name = g.name"
        " AND k.held = 0 AND l.id = k.lock",
        _KEYS,
        list(wanted),
    )
    return [(Key(*row[:3]), Waiter(*row[3:])) for row in rows]


def waiting_over(tx: Tx, wanted: Collection[Key]) -> list[tuple[Key, Waiter]]:
    """Who waits with one of these keys, and with all that is below."""
    rows = tx.rows_given(
        f"SELECT k.inode, k.kind, k.name, {_WAITER} FROM {{given}} AS g CROSS JOIN lock_key AS k"
        " CROSS JOIN lock AS l WHERE k.inode = g.inode AND k.kind = g.kind AND k.name = g.name"
        " AND k.held = 0 AND l.id = k.lock AND l.subtree = 1",
        _KEYS,
        list(wanted),
    )
    return [(Key(*row[:3]), Waiter(*row[3:])) for row in rows]


def with_waiters(tx: Tx, wanted: Collection[Key]) -> list[Key]:
    """Those of these keys with which anybody waits."""
    return _with(tx, wanted, " AND k.held = 0")


def with_anybody(tx: Tx, wanted: Collection[Key]) -> list[Key]:
    """Those of these keys that any request has."""
    return _with(tx, wanted, "")


def _with(tx: Tx, wanted: Collection[Key], which: str) -> list[Key]:
    rows = tx.rows_given(
        "SELECT g.inode, g.kind, g.name FROM {given} AS g WHERE EXISTS (SELECT 1 FROM lock_key AS k"
        f" WHERE k.inode = g.inode AND k.kind = g.kind AND k.name = g.name{which})",
        _KEYS,
        list(wanted),
    )
    return [Key(*row) for row in rows]


def first_waiting(tx: Tx, key: Key, limit: int) -> list[Waiter]:
    """The first who wait with this key."""
    rows = tx.rows(
        f"SELECT {_WAITER} FROM lock_key AS k CROSS JOIN lock AS l WHERE k.inode = ? AND k.kind = ?"
        " AND k.name = ? AND k.held = 0 AND l.id = k.lock ORDER BY k.lock LIMIT ?",
        *key,
        limit,
    )
    return [Waiter(*row) for row in rows]


def broken_before(tx: Tx, at_us: int, number: int, limit: int, user: UserId | None) -> list[BrokenRow]:
    """What was broken before (time, number), the latest first: of one user, or of all for None."""
    rows = tx.rows(
        f"SELECT {_BROKEN} FROM broken_lock WHERE (at_us < ? OR (at_us = ? AND id < ?))"
        f"{'' if user is None else ' AND user_id = ?'} ORDER BY at_us DESC, id DESC LIMIT ?",
        at_us,
        at_us,
        number,
        *(() if user is None else (user,)),
        limit,
    )
    return [BrokenRow(*row) for row in rows]


def forget_broken(tx: Tx, kept: int, limit: int) -> int:
    """Forget up to `limit` of what was broken, but for the latest `kept`; give how many."""
    return tx.run(
        "DELETE FROM broken_lock WHERE id IN"
        " (SELECT id FROM broken_lock ORDER BY at_us DESC, id DESC LIMIT ? OFFSET ?)",
        limit,
        kept,
    )
