"""First answers, by which a request that is sent again is answered again, never done again.

What belongs here: the table `reply`. What does not: when an answer counts (`driver`, `ops/settle`).
Any thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from cairnfs.ids import RequestId, UserId
from cairnfs.metadata.databases.seam import Tx

COMMITTED: Final = "committed"
REFUSED: Final = "refused"
ABORTED: Final = "aborted"


class ReplyKey(NamedTuple):
    """Whose request, its id, and the BLAKE3 of its body: another body under that id is an error."""

    user_id: UserId
    request_id: RequestId
    body_hash: bytes


class StoredReply(NamedTuple):
    """A row. `answer` is the reply or the problem as JSON; empty for an abort, as is `body_hash`."""

    user_id: UserId
    request_id: RequestId
    body_hash: bytes
    outcome: str
    answer: bytes
    at_us: int


def find(tx: Tx, keys: Iterable[tuple[UserId, RequestId]]) -> list[StoredReply]:
    """The answers recorded under these keys."""
    rows = tx.rows_given(
        "SELECT r.user_id, r.request_id, r.body_hash, r.outcome, r.answer, r.at_us"
        " FROM {given} AS g CROSS JOIN reply AS r"
        " WHERE r.user_id = g.user_id AND r.request_id = g.request_id",
        "user_id BIGINT, request_id TEXT",
        list(keys),
    )
    return [StoredReply(*row) for row in rows]


def insert(tx: Tx, rows: Sequence[StoredReply]) -> None:
    """Record answers; none of the keys may be there."""
    tx.run_given(
        "INSERT INTO reply (user_id, request_id, body_hash, outcome, answer, at_us)"
        " SELECT g.user_id, g.request_id, g.body_hash, g.outcome, g.answer, g.at_us FROM {given} AS g",
        "user_id BIGINT, request_id TEXT, body_hash BYTES, outcome TEXT, answer BYTES, at_us BIGINT",
        rows,
    )


def forget(tx: Tx, before_us: int, limit: int) -> int:
    """Forget up to `limit` answers older than this time; give how many."""
    rows = tx.rows("SELECT user_id, request_id FROM reply WHERE at_us < ? LIMIT ?", before_us, limit)
    return tx.run_given(
        "DELETE FROM reply WHERE (user_id, request_id) IN (SELECT g.user_id, g.request_id FROM {given} AS g)",
        "user_id BIGINT, request_id TEXT",
        rows,
    )
