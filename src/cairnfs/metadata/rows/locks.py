"""Requests for locks, and those that were broken.

What belongs here: the tables `lock` and `broken_lock`, with `lock_key` where both change together. What does
not: looking for what is in the way (`rows/lock_looks`), for commits (`rows/lock_keys`), for people
(`rows/lock_pages`), for news (`rows/grants`). Whoever changes locks writes to the database at once, and
whoever inserts or deletes has `clock.locks` changed by as many (`ops/locks/promote.count`), through the
journal. Any thread, inside a tx that holds the clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from cairnfs.core.locks.request import Key, Owner, Request
from cairnfs.ids import SessionId, UserId
from cairnfs.metadata.databases.seam import Tx

#: Locks of one session that one statement deletes: with their keys that is a moment.
_AT_ONCE = 20_000


class LockRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `lock`. `fence` 0: it waits."""

    id: int
    session: SessionId
    owner: str
    user_id: UserId
    token_hash: bytes
    exclusive: int
    subtree: int
    fence: int
    asked_us: int
    granted_us: int

    @property
    def whose(self) -> Owner:
        """The owner, as the law knows them."""
        return owner_of(self.session, self.owner)

    def request(self, keys: Iterable[Key]) -> Request:
        """The request, with these keys."""
        exclusive, subtree = self.exclusive == 1, self.subtree == 1
        return Request(self.id, self.whose, exclusive, subtree, frozenset(keys), self.fence)


class BrokenRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `broken_lock`."""

    id: int
    fence: int
    user_id: UserId
    broken_by: UserId
    at_us: int
    reason: str


LOCK = ", ".join(f"l.{name}" for name in LockRow.__struct_fields__)
_BROKEN = ", ".join(BrokenRow.__struct_fields__)
_COLUMNS = (
    "id BIGINT, session TEXT, owner TEXT, user_id BIGINT, token_hash BYTES, exclusive BIGINT, subtree BIGINT,"
    " fence BIGINT, asked_us BIGINT, granted_us BIGINT"
)
_INSERT = (
    f"INSERT INTO lock ({', '.join(LockRow.__struct_fields__)})"
    f" SELECT {', '.join(f'g.{name}' for name in LockRow.__struct_fields__)} FROM {{given}} AS g"
)


def owner_of(session: str, owner: str) -> Owner:
    """A session's owner, as the law knows them."""
    return Owner(f"{session}/{owner}")


def parts_of(owner: Owner) -> tuple[SessionId, str]:
    """Session and owner of an owner, as the tables have them."""
    session, _, key = owner.partition("/")
    return SessionId(session), key


def find(tx: Tx, locks: Sequence[int]) -> dict[int, LockRow]:
    """Those of these requests that are there."""
    rows = tx.rows_given(
        f"SELECT {LOCK} FROM {{given}} AS g CROSS JOIN lock AS l WHERE l.id = g.id",
        "id BIGINT",
        [(one,) for one in dict.fromkeys(locks)],
    )
    return {row[0]: LockRow(*row) for row in rows}


def keys_of(tx: Tx, locks: Sequence[int]) -> dict[int, list[Key]]:
    """The keys of each of these requests."""
    rows = tx.rows_given(
        "SELECT k.lock, k.inode, k.kind, k.name FROM {given} AS g CROSS JOIN lock_key AS k"
        " WHERE k.lock = g.id",
        "id BIGINT",
        [(one,) for one in dict.fromkeys(locks)],
    )
    found: dict[int, list[Key]] = defaultdict(list)
    for lock, *key in rows:
        found[lock].append(Key(*key))
    return found


def requests(tx: Tx, locks: Sequence[int]) -> list[Request]:
    """Those of these requests that are there, with their keys, in the order of arrival."""
    found = find(tx, locks)
    keys = keys_of(tx, list(found))
    return [found[one].request(keys[one]) for one in sorted(found)]


def of_owner(tx: Tx, session: SessionId, owner: str, limit: int) -> list[LockRow]:
    """The first so many of an owner's requests."""
    rows = tx.rows(
        f"SELECT {LOCK} FROM lock AS l WHERE l.session = ? AND l.owner = ? ORDER BY l.id LIMIT ?",
        session,
        owner,
        limit,
    )
    return [LockRow(*row) for row in rows]


def waiting_of(tx: Tx, owners: Sequence[tuple[SessionId, str]]) -> list[LockRow]:
    """What these (session, owner) wait for."""
    rows = tx.rows_given(
        f"SELECT {LOCK} FROM {{given}} AS g CROSS JOIN lock AS l"
        # The sign keeps the index by fences out of it, in which all who wait are one entry.
        " WHERE l.session = g.session AND l.owner = g.owner AND +l.fence = 0",
        "session TEXT, owner TEXT",
        owners,
    )
    return [LockRow(*row) for row in rows]


def of_sessions(tx: Tx, sessions: Sequence[SessionId], limit: int) -> list[int]:
    """The numbers of the first so many requests of each of these sessions."""
    found: list[int] = []
    for session in sessions:
        rows = tx.rows("SELECT id FROM lock WHERE session = ? LIMIT ?", session, limit)
        found += [row[0] for row in rows]
    return found


def count_of(tx: Tx, session: SessionId) -> int:
    """How many a session has."""
    row = tx.row("SELECT count(*) FROM lock WHERE session = ?", session)
    assert row is not None
    return int(row[0])


def count_paths_of(tx: Tx, session: SessionId) -> int:
    """For how many names a session has requests."""
    row = tx.row(
        "SELECT count(*) FROM lock AS l CROSS JOIN lock_key AS k"
        " WHERE l.session = ? AND k.lock = l.id AND k.kind = 0",
        session,
    )
    assert row is not None
    return int(row[0])


def count_keys(tx: Tx, locks: Sequence[int]) -> int:
    """How many keys these requests have."""
    rows = tx.rows_given(
        "SELECT (SELECT count(*) FROM lock_key AS k WHERE k.lock = g.id) FROM {given} AS g",
        "id BIGINT",
        [(one,) for one in locks],
    )
    return sum(row[0] for row in rows)


def anybody_waits(tx: Tx) -> bool:
    """Whether any request waits."""
    row = tx.row("SELECT min(fence) FROM lock")
    return row is not None and row[0] == 0


def waiting(tx: Tx, after: int, limit: int) -> list[int]:
    """The first so many that wait, of those with a number beyond `after`."""
    rows = tx.rows("SELECT id FROM lock WHERE fence = 0 AND id > ? ORDER BY id LIMIT ?", after, limit)
    return [row[0] for row in rows]


def insert(tx: Tx, row: LockRow, keys: Iterable[Key]) -> None:
    """Add a request with its keys."""
    # As given rows, so that PostgreSQL is not waited for.
    tx.run_given(_INSERT, _COLUMNS, [msgspec.structs.astuple(row)])
    held = int(row.fence > 0)
    insert_keys(tx, [(key, held, row.id) for key in sorted(keys)])


def insert_keys(tx: Tx, keys: Sequence[tuple[Key, int, int]]) -> None:
    """Add keys: (key, whether it is held, the request's number) each."""
    tx.run_given(
        "INSERT INTO lock_key (inode, kind, name, held, lock)"
        " SELECT g.inode, g.kind, g.name, g.held, g.lock FROM {given} AS g",
        "inode BIGINT, kind BIGINT, name BYTES, held BIGINT, lock BIGINT",
        [(*key, held, lock) for key, held, lock in keys],
    )


def delete_keys(tx: Tx, keys: Sequence[tuple[Key, int, int]]) -> None:
    """Take keys away, given as to `insert_keys`."""
    tx.run_given(
        "DELETE FROM lock_key WHERE (inode, kind, name, held, lock) IN"
        " (SELECT g.inode, g.kind, g.name, g.held, g.lock FROM {given} AS g)",
        "inode BIGINT, kind BIGINT, name BYTES, held BIGINT, lock BIGINT",
        [(*key, held, lock) for key, held, lock in keys],
    )


def grant(tx: Tx, grants: Sequence[tuple[int, int]], at_us: int) -> None:
    """Let these that wait be held: (number, fence) each."""
    changed = tx.run_given(
        "UPDATE lock SET fence = g.fence, granted_us = ? FROM {given} AS g WHERE lock.id = g.id",
        "id BIGINT, fence BIGINT",
        grants,
        at_us,
    )
    assert changed == len(grants), "a request that is granted is not there"
    tx.run_given(
        "UPDATE lock_key SET held = 1 FROM {given} AS g WHERE lock_key.lock = g.id AND lock_key.held = 0",
        "id BIGINT",
        [(lock,) for lock, _ in grants],
    )


def make_exclusive(tx: Tx, lock: int, fence: int, at_us: int) -> None:
    """Let a held one be exclusive from now on."""
    tx.run("UPDATE lock SET exclusive = 1, fence = ?, granted_us = ? WHERE id = ?", fence, at_us, lock)


def delete(tx: Tx, locks: Sequence[int]) -> int:
    """Take requests away, with their keys; give how many there were."""
    given = [(lock,) for lock in locks]
    tx.run_given("DELETE FROM lock_key WHERE lock IN (SELECT g.id FROM {given} AS g)", "id BIGINT", given)
    return tx.run_given("DELETE FROM lock WHERE id IN (SELECT g.id FROM {given} AS g)", "id BIGINT", given)


def delete_of(tx: Tx, session: SessionId) -> int:
    """Take all requests of a session away, with their keys; give how many there were."""
    total = 0
    first = "SELECT id FROM lock WHERE session = ? ORDER BY id LIMIT ?"
    while True:
        tx.run(f"DELETE FROM lock_key WHERE lock IN ({first})", session, _AT_ONCE)
        gone = tx.run(f"DELETE FROM lock WHERE id IN ({first})", session, _AT_ONCE)
        total += gone
        if gone < _AT_ONCE:
            return total


def insert_broken(tx: Tx, row: BrokenRow) -> None:
    """Record that a lock was broken."""
    tx.run(
        f"INSERT INTO broken_lock ({_BROKEN}) VALUES (?, ?, ?, ?, ?, ?)",
        *(getattr(row, name) for name in BrokenRow.__struct_fields__),
    )


def broken(tx: Tx, locks: Sequence[int]) -> dict[int, BrokenRow]:
    """Those of these locks that were broken, as far as it is remembered."""
    columns = ", ".join(f"b.{name}" for name in BrokenRow.__struct_fields__)
    rows = tx.rows_given(
        f"SELECT {columns} FROM {{given}} AS g CROSS JOIN broken_lock AS b WHERE b.id = g.id",
        "id BIGINT",
        [(one,) for one in dict.fromkeys(locks)],
    )
    return {row[0]: BrokenRow(*row) for row in rows}
