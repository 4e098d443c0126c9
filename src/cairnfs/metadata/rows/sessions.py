"""Live client processes.

What belongs here: the table `session`. What does not: when one is over (`control/duties`). Any
thread, inside a tx.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from cairnfs.ids import CommitNumber, SessionId, UserId
from cairnfs.metadata.databases.seam import Tx


class Session(msgspec.Struct, frozen=True, gc=False):
    """A row. `needs`: the oldest commit it may read or upload for; `lease_ms`: as it was promised."""

    id: SessionId
    user_id: UserId
    label: str
    counter: int
    needs: CommitNumber
    created_us: int
    lease_ms: int


_COLUMNS = "s.id, s.user_id, s.label, s.counter, s.needs, s.created_us, s.lease_ms"


def find(tx: Tx, sessions: Iterable[SessionId]) -> dict[SessionId, Session]:
    """Those of these sessions that live."""
    rows = tx.rows_given(
        f"SELECT {_COLUMNS} FROM {{given}} AS g CROSS JOIN session AS s WHERE s.id = g.id",
        "id TEXT",
        [(one,) for one in sessions],
    )
    return {row[0]: Session(*row) for row in rows}


def insert(tx: Tx, session: Session) -> None:
    """Begin one."""
    tx.run(
        "INSERT INTO session (id, user_id, label, counter, needs, created_us, lease_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        session.id,
        session.user_id,
        session.label,
        session.counter,
        session.needs,
        session.created_us,
        session.lease_ms,
    )


def renew(tx: Tx, session: SessionId, user: UserId, counter: int, needs: int) -> bool:
    """Raise counter and needs, never lower needs; False where there is no such session of that user.

    A counter that is behind raises it too, by one: somebody else may have renewed the session meanwhile.
    """
    changed = tx.run(
        "UPDATE session SET counter = CASE WHEN counter < ? THEN ? ELSE counter + 1 END,"
        " needs = CASE WHEN needs < ? THEN ? ELSE needs END WHERE id = ? AND user_id = ?",
        counter,
        counter,
        needs,
        needs,
        session,
        user,
    )
    return changed == 1


def delete(tx: Tx, session: SessionId, user: UserId) -> bool:
    """End one of this user; whether it was there."""
    return tx.run("DELETE FROM session WHERE id = ? AND user_id = ?", session, user) > 0


def delete_of(tx: Tx, user: UserId) -> list[SessionId]:
    """End all of a user; give them."""
    return [row[0] for row in tx.rows("DELETE FROM session WHERE user_id = ? RETURNING id", user)]


def delete_unmoved(tx: Tx, seen: Sequence[tuple[SessionId, int]]) -> list[SessionId]:
    """End those whose counter is still the one seen; give them."""
    rows = tx.rows_given(
        "DELETE FROM session WHERE (id, counter) IN (SELECT g.id, g.counter FROM {given} AS g) RETURNING id",
        "id TEXT, counter BIGINT",
        seen,
    )
    return [row[0] for row in rows]


def counters(tx: Tx) -> list[tuple[SessionId, int, int]]:
    """(id, counter, lease in milliseconds) of all that live."""
    rows = tx.rows("SELECT id, counter, lease_ms FROM session ORDER BY id")
    return [(row[0], row[1], row[2]) for row in rows]


def count(tx: Tx) -> int:
    """How many live."""
    row = tx.row("SELECT count(*) FROM session")
    assert row is not None
    return int(row[0])
