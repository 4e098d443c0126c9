"""Pages of commits in the making.

What belongs here: the table `shadow`. What does not: what a page holds and when it counts (`ops/staged`).
Any thread, inside a tx.
"""

from __future__ import annotations

from typing import NamedTuple

from cairnfs.ids import RequestId, UserId
from cairnfs.metadata.databases.seam import Tx


class Key(NamedTuple):
    """Whose request, and its id."""

    user_id: UserId
    request_id: RequestId


class Row(NamedTuple):
    """One page. `session` is empty where there is none."""

    page: int
    session: str
    body_hash: bytes
    body: bytes


def put(tx: Tx, key: Key, row: Row, at_us: int) -> bool:
    """Keep a page, in place of the same operations under its number; False where others are there."""
    changed = tx.run(
        "INSERT INTO shadow (user_id, request_id, page, session, body_hash, body, at_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, request_id, page) DO UPDATE"
        " SET session = excluded.session, body = excluded.body, at_us = excluded.at_us"
        " WHERE shadow.body_hash = excluded.body_hash",
        *key,
        *row,
        at_us,
    )
    return changed == 1


def find(tx: Tx, key: Key, page: int) -> Row | None:
    """One page."""
    row = tx.row(
        "SELECT page, session, body_hash, body FROM shadow WHERE user_id = ? AND request_id = ? AND page = ?",
        *key,
        page,
    )
    return None if row is None else Row(*row)


def find_hash(tx: Tx, key: Key, page: int) -> bytes | None:
    """The hash of a page's operations, which nobody changes until the tx ends; None where there is none."""
    row = tx.row(
        "SELECT body_hash FROM shadow WHERE user_id = ? AND request_id = ? AND page = ? {lock}", *key, page
    )
    return None if row is None else row[0]


def sizes(tx: Tx, key: Key) -> dict[int, int]:
    """The bytes of each page of a request."""
    rows = tx.rows("SELECT page, length(body) FROM shadow WHERE user_id = ? AND request_id = ?", *key)
    return {row[0]: row[1] for row in rows}


def total_bytes(tx: Tx, user: UserId) -> int:
    """The bytes of all pages of a user."""
    row = tx.row("SELECT COALESCE(sum(length(body)), 0) FROM shadow WHERE user_id = ?", user)
    assert row is not None
    return int(row[0])


def delete(tx: Tx, key: Key) -> int:
    """Forget a request's pages; give how many."""
    return tx.run("DELETE FROM shadow WHERE user_id = ? AND request_id = ?", *key)


def forget(tx: Tx, before_us: int, limit: int) -> int:
    """Forget the pages of up to `limit` requests that got none since this time; give how many pages."""
    rows = tx.rows(
        "SELECT s.user_id, s.request_id FROM shadow AS s WHERE s.at_us < ? AND NOT EXISTS"
        " (SELECT 1 FROM shadow AS y WHERE y.user_id = s.user_id AND y.request_id = s.request_id"
        " AND y.at_us >= ?) LIMIT ?",
        before_us,
        before_us,
        limit,
    )
    return sum(delete(tx, key) for key in dict.fromkeys(Key(*row) for row in rows))
