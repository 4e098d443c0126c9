"""Grants of locks as they are told to who waits for them: which there are since a fence, who is gone.

What belongs here: those questions to the table `lock`. What does not: granting (`ops/locks`), waking
(`control/locks/news.py`). Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cairnfs.ids import SessionId
from cairnfs.metadata.databases.seam import Tx


class Grant(NamedTuple):
    """A lock that is held, by the fence of its grant."""

    lock: int
    session: SessionId
    fence: int


def since(tx: Tx, fence: int, limit: int) -> list[Grant]:
    """The first `limit` grants after a fence that are held still, in the order of their fences."""
    rows = tx.rows("SELECT id, session, fence FROM lock WHERE fence > ? ORDER BY fence LIMIT ?", fence, limit)
    return [Grant(*row) for row in rows]


def of_session(tx: Tx, session: SessionId, fence: int, limit: int) -> list[Grant]:
    """As `since`, those of one session."""
    rows = tx.rows(
        "SELECT id, session, fence FROM lock WHERE session = ? AND fence > ? ORDER BY fence LIMIT ?",
        session,
        fence,
        limit,
    )
    return [Grant(*row) for row in rows]


def present(tx: Tx, locks: Iterable[int]) -> set[int]:
    """Those of these requests that are there still, held or waiting."""
    rows = tx.rows_given(
        "SELECT l.id FROM {given} AS g CROSS JOIN lock AS l WHERE l.id = g.id",
        "id BIGINT",
        [(lock,) for lock in locks],
    )
    return {row[0] for row in rows}
