"""Named commits, and what else holds commits to be read.

What belongs here: the table `snapshot`, and the least `needs` of sessions. What does not: which commits
can be read (`ops/moment`). Any thread, inside a tx.
"""

from __future__ import annotations

import msgspec

from cairnfs.ids import CommitNumber, UserId
from cairnfs.metadata.databases.seam import Tx


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """A row."""

    name: str
    commit_number: CommitNumber
    user_id: UserId
    created_us: int


_COLUMNS = "name, commit_number, user_id, created_us"


def find(tx: Tx, name: str) -> Snapshot | None:
    """The snapshot of this name."""
    row = tx.row(f"SELECT {_COLUMNS} FROM snapshot WHERE name = ?", name)
    return None if row is None else Snapshot(*row)


def names_commit(tx: Tx, number: int) -> bool:
    """Whether a snapshot is of this commit."""
    return tx.row("SELECT name FROM snapshot WHERE commit_number = ? LIMIT 1", number) is not None


def page(tx: Tx, after: str, limit: int) -> list[Snapshot]:
    """The first `limit` snapshots with names above `after`, in the names' order."""
    rows = tx.rows(f"SELECT {_COLUMNS} FROM snapshot WHERE name > ? ORDER BY name LIMIT ?", after, limit)
    return [Snapshot(*row) for row in rows]


def count_of(tx: Tx, user: UserId) -> int:
    """How many a user has made that are still there."""
    row = tx.row("SELECT count(*) FROM snapshot WHERE user_id = ?", user)
    assert row is not None
    return int(row[0])


def insert(tx: Tx, snapshot: Snapshot) -> None:
    """Give a commit a name that none has."""
    tx.run(
        f"INSERT INTO snapshot ({_COLUMNS}) VALUES (?, ?, ?, ?)",
        snapshot.name,
        snapshot.commit_number,
        snapshot.user_id,
        snapshot.created_us,
    )


def delete(tx: Tx, name: str) -> None:
    """Take a name away."""
    tx.run("DELETE FROM snapshot WHERE name = ?", name)


def least_needed(tx: Tx) -> CommitNumber | None:
    """The oldest commit that a live session needs; None where none lives."""
    row = tx.row("SELECT min(needs) FROM session")
    return None if row is None or row[0] is None else CommitNumber(row[0])
