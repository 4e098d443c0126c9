"""The cluster's own keys.

What belongs here: the table `secret`. Any thread, inside a tx.
"""

from __future__ import annotations

from cairnfs.metadata.databases.seam import Tx


def find(tx: Tx, name: str) -> bytes | None:
    """A key by its name."""
    row = tx.row("SELECT value FROM secret WHERE name = ?", name)
    return None if row is None else row[0]


def insert(tx: Tx, name: str, value: bytes) -> bool:
    """Keep a key; False where there is one of that name."""
    changed = tx.run(
        "INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, value
    )
    return changed == 1
