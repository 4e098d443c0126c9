"""shown: finding the locks that somebody names, and making sure that they are theirs.

What belongs here: user and token, compared in constant time; the tables have the token's BLAKE3 alone. What
does not: proofs that a commit shows (`guard`). Any thread, inside a tx.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import NoSuchLock
from cairnfs.ids import UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops.locks import telling
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import locks
from cairnfs.metadata.rows.locks import LockRow


def hashed(token: str) -> bytes:
    """A token as the tables have it."""
    return hash_bytes(token.encode(errors="replace"))


def is_shown(row: LockRow, user: UserId, token: str) -> bool:
    """Whether a lock is this user's, and this its token."""
    return hmac.compare_digest(row.token_hash, hashed(token)) and row.user_id == user


def require(tx: Tx, people: People, user: UserId, named: Sequence[tuple[int, str]]) -> list[LockRow]:
    """The locks of this user with these numbers and tokens.

    Raises NoSuchLock, for one that is named twice too, and LockTokenWrong.
    """
    rows = locks.find(tx, [lock for lock, _ in named])
    missing = [lock for lock, _ in named if lock not in rows]
    if missing:
        raise telling.gone(tx, people, user, missing)
    found: dict[int, LockRow] = {}
    for lock, token in named:
        if not is_shown(rows[lock], user, token):
            raise telling.wrong(lock)
        if lock in found:
            raise NoSuchLock(f"the lock {lock} is named twice")
        found[lock] = rows[lock]
    return list(found.values())
