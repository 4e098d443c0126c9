"""What the tests of operations share: a database in memory with everything at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing.ledger import Ledger


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Three fileservers, three copies, one administrator; verified when the test is over."""
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        made = Ledger(database)
        yield made
        made.verify()
