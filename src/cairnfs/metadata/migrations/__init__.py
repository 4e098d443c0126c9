"""Steps from an older schema to the next, one module a step; a new database is made from schema.sql.

What belongs here: `NEWEST`, the steps and their order. A step runs in the tx that opens the
database, so a crash leaves the old schema whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.migrations import to_2, to_3, to_4

#: The schema that this Cairn reads and writes.
NEWEST = 4
#: version -> the step from it to the next, given the tx and the kind of database.
STEPS: Mapping[int, Callable[[Tx, str], None]] = {1: to_2.bring, 2: to_3.bring, 3: to_4.bring}


def migrate(tx: Tx, kind: str, version: int) -> None:
    """Bring a database of schema `version` to `NEWEST`, in this tx."""
    assert 1 <= version <= NEWEST, version
    for step in range(version, NEWEST):
        STEPS[step](tx, kind)
        tx.run("UPDATE clock SET schema_version = ? WHERE id = 1", step + 1)
