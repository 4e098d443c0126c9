"""Keys of locks, as commits look for them: around directories, on names and inodes, below what moves.

What belongs here: looking into `lock_key`, many at once. What does not: requests and their order (`rows/
locks`), what a conflict is (`guard`). Any thread, inside a tx that holds the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from cairnfs.core.locks.request import BELOW, INODE, NAME, Key
from cairnfs.ids import InodeId
from cairnfs.metadata.databases.seam import Tx


class Around(msgspec.Struct, frozen=True, gc=False):
    """What requests there are around a directory: for something `below` it; for names `inside` it; and
    whether it is held with all below it (`whole`)."""

    below: bool = False
    inside: bool = False
    whole: bool = False


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A request that has a key, whether it is held or waits."""

    key: Key
    held: bool
    lock: int


_KEY = "k.inode, k.kind, k.name, k.held, k.lock"


def around(tx: Tx, directories: Collection[InodeId]) -> dict[InodeId, Around]:
    """What there is around each of these directories."""
    rows = tx.rows_given(
        "SELECT g.id,"
        f" EXISTS (SELECT 1 FROM lock_key AS k WHERE k.inode = g.id AND k.kind = {BELOW}),"
        f" EXISTS (SELECT 1 FROM lock_key AS k WHERE k.inode = g.id AND k.kind = {NAME}),"
        f" EXISTS (SELECT 1 FROM lock_key AS k WHERE k.inode = g.id AND k.kind = {INODE} AND k.held = 1"
        " AND EXISTS (SELECT 1 FROM lock AS l WHERE l.id = k.lock AND l.subtree = 1))"
        " FROM {given} AS g",
        "id BIGINT",
        [(inode,) for inode in directories],
    )
    return {row[0]: Around(*map(bool, row[1:])) for row in rows}


def on(tx: Tx, keys: Sequence[Key]) -> list[Hit]:
    """All requests that have one of these keys."""
    rows = tx.rows_given(
        f"SELECT {_KEY} FROM {{given}} AS g CROSS JOIN lock_key AS k"
        " WHERE k.inode = g.inode AND k.kind = g.kind AND k.name = g.name",
        "inode BIGINT, kind BIGINT, name BYTES",
        keys,
    )
    return [_hit(*row) for row in rows]


def whole(tx: Tx, directories: Collection[InodeId]) -> list[Hit]:
    """The held locks on these directories with all that is below them."""
    rows = tx.rows_given(
        f"SELECT {_KEY} FROM {{given}} AS g CROSS JOIN lock_key AS k CROSS JOIN lock AS l"
        f" WHERE k.inode = g.id AND k.kind = {INODE} AND k.held = 1 AND l.id = k.lock AND l.subtree = 1",
        "id BIGINT",
        [(inode,) for inode in directories],
    )
    return [_hit(*row) for row in rows]


def held_below(tx: Tx, directory: InodeId, limit: int) -> list[Hit]:
    """The first `limit` held locks for something below a directory."""
    rows = tx.rows(
        f"SELECT {_KEY} FROM lock_key AS k WHERE k.inode = ? AND k.kind = {BELOW} AND k.held = 1"
        " ORDER BY k.lock LIMIT ?",
        directory,
        limit,
    )
    return [_hit(*row) for row in rows]


def requests_below(tx: Tx, directory: InodeId, limit: int) -> list[int]:
    """The first `limit` requests, held or waiting, for something below a directory."""
    rows = tx.rows(
        f"SELECT k.lock FROM lock_key AS k WHERE k.inode = ? AND k.kind = {BELOW} LIMIT ?", directory, limit
    )
    return [row[0] for row in rows]


def _hit(inode: InodeId, kind: int, name: bytes, held: int, lock: int) -> Hit:
    return Hit(Key(inode, kind, name), held == 1, lock)
