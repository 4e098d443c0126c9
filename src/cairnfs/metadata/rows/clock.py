"""The clock row: the counters that order everything.

What belongs here: reading it, locking it, writing it back. What does not: deciding what the
counters become (`state`). Whoever changes anything holds it locked; readers only read it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from cairnfs.ids import ClusterId, CommitNumber, Incarnation
from cairnfs.metadata.databases.seam import Tx


@dataclass(frozen=True, slots=True)
class ClockRow:
    """One row of `clock`; the schema explains each column."""

    schema_version: int
    cluster_id: ClusterId
    incarnation: Incarnation
    timeline: int
    commit_number: CommitNumber
    commit_at_us: int
    fence: int
    next_inode: int
    next_user: int
    next_fileserver: int
    horizon: CommitNumber
    retention_us: int
    copies: int
    map_version: int
    people_version: int
    next_lock: int
    locks: int

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(field.name for field in fields(cls))


_COLUMNS = ", ".join(ClockRow.columns())
#: What a tx may change; the others change only when a database is founded, restored or migrated.
COUNTERS = (
    "commit_number", "commit_at_us", "fence", "next_inode", "next_user", "next_fileserver", "horizon",
    "retention_us", "map_version", "people_version", "next_lock", "locks"
)  # fmt: skip
_READ = f"SELECT {_COLUMNS} FROM clock WHERE id = 1"
_LOCK = f"{_READ} {{lock}}"
_WRITE = f"UPDATE clock SET {', '.join(f'{name} = ?' for name in COUNTERS)} WHERE id = 1"


def read(tx: Tx) -> ClockRow:
    """The clock as of this tx's snapshot."""
    row = tx.row(_READ)
    assert row is not None, "the database has no clock row"
    return ClockRow(*row)


def lock(tx: Tx) -> ClockRow:
    """Wait for the clock, hold it until the tx ends, and read it."""
    row = tx.row(_LOCK)
    assert row is not None, "the database has no clock row"
    return ClockRow(*row)


def stay(tx: Tx) -> None:
    """Say something, so that a tx that holds the clock is not taken for one whose process froze."""
    tx.row("SELECT 1")


def write(tx: Tx, counters: dict[str, int]) -> None:
    """Write all COUNTERS back."""
    changed = tx.run(_WRITE, *(counters[name] for name in COUNTERS))
    assert changed == 1, "the clock row is gone"
