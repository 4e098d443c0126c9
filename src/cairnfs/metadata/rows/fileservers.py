"""Fileservers as the database knows them.

What belongs here: the table `fileserver`. What does not: when one is suspect or down
(`control/duties`). Any thread, inside a tx.
"""

from __future__ import annotations

import msgspec

from cairnfs.ids import BootId, FileserverId, UserId
from cairnfs.metadata.databases.seam import Tx


class Fileserver(msgspec.Struct, frozen=True):
    """A row. `user_id` is its service identity, `counter` is raised by its heartbeats."""

    id: FileserverId
    user_id: UserId
    address: str
    zone: str
    state: str
    boot: BootId
    counter: int
    receipt_key: bytes
    used_bytes: int
    free_bytes: int
    chunks: int

    def __repr__(self) -> str:
        return f"Fileserver(id={self.id}, address={self.address!r}, state={self.state!r})"


_COLUMNS = ", ".join(Fileserver.__struct_fields__)


def every(tx: Tx) -> list[Fileserver]:
    """All of them, by id."""
    return [Fileserver(*row) for row in tx.rows(f"SELECT {_COLUMNS} FROM fileserver ORDER BY id")]


def find(tx: Tx, fileserver: FileserverId) -> Fileserver | None:
    """One of them."""
    row = tx.row(f"SELECT {_COLUMNS} FROM fileserver WHERE id = ?", fileserver)
    return None if row is None else Fileserver(*row)


def boots(tx: Tx) -> dict[FileserverId, BootId]:
    """The present boot id of each."""
    return dict(tx.rows("SELECT id, boot FROM fileserver"))


def insert(tx: Tx, row: Fileserver) -> None:
    """A new one."""
    tx.run(
        f"INSERT INTO fileserver ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *msgspec.structs.astuple(row),
    )


def restart(tx: Tx, fileserver: FileserverId, address: str, zone: str, boot: BootId, free_bytes: int) -> None:
    """It started again: up, with a new boot id, its counter from the beginning."""
    tx.run(
        "UPDATE fileserver SET address = ?, zone = ?, boot = ?, state = 'up', counter = 0, free_bytes = ?"
        " WHERE id = ?",
        address,
        zone,
        boot,
        free_bytes,
        fileserver,
    )


def beat(
    tx: Tx, fileserver: FileserverId, boot: BootId, counter: int, used: int, free: int, chunks: int
) -> bool:
    """Take a heartbeat in; False where it is not of the present start."""
    changed = tx.run(
        "UPDATE fileserver SET counter = CASE WHEN counter < ? THEN ? ELSE counter END,"
        " used_bytes = ?, free_bytes = ?, chunks = ? WHERE id = ? AND boot = ?",
        counter,
        counter,
        used,
        free,
        chunks,
        fileserver,
        boot,
    )
    return changed == 1


def set_state(tx: Tx, fileserver: FileserverId, state: str, seen_counter: int | None) -> bool:
    """Change the state, if the counter still is the one seen; False where nothing changed."""
    changed = tx.run(
        "UPDATE fileserver SET state = ? WHERE id = ? AND state <> ? AND (? < 0 OR counter = ?)",
        state,
        fileserver,
        state,
        *[-1 if seen_counter is None else seen_counter] * 2,
    )
    return changed == 1
