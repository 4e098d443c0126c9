"""SIGKILL to the process that builds a detached tree, around a COMMIT of it: whole, or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cairnfs.clock import SystemClock
from cairnfs.core.permissions import Person
from cairnfs.ids import InodeId
from cairnfs.metadata import verify
from cairnfs.metadata.databases.opening import open_database
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import stat
from cairnfs.metadata.rows import dentries
from cairnfs.testing.ledger import Ledger
from cairnfs.wire.directory import PathText, StatRequest
from tests.faults.build_and_die import ENTRIES, PAGES, PATH, build

HERE = Path(__file__).resolve()
#: Begin, inode numbers, pages, attach.
WRITES = 3 + PAGES


BEFORE, AFTER = "KILLED_BEFORE", "KILLED_AFTER"
CASES = [
    ("sqlite", 0, BEFORE),
    ("sqlite", 1, AFTER),
    ("sqlite", 3, BEFORE),
    ("sqlite", WRITES - 1, BEFORE),
    ("sqlite", WRITES - 1, AFTER),
    ("postgresql", 3, AFTER),
]


def died(where: str, user: int, writes: int, fault: str) -> None:
    """A process that builds is killed at a COMMIT."""
    done = subprocess.run(
        [sys.executable, HERE.with_name("build_and_die.py"), where, str(user), str(writes), fault],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == "", "it went on after it was killed"


def entries(database: Database, person: Person) -> int:
    """How many entries the tree has, itself included; none if it is not there. Nothing is broken."""
    assert database.read(verify.run).findings == []
    request = StatRequest(paths=[PathText(path=PATH)])

    def count(tx: Tx) -> int:
        entry = stat.stat(tx, person, request).results[0].entry
        return 0 if entry is None else 1 + dentries.count_below(tx, InodeId(entry.inode), 10_000)

    return database.read(count)


@pytest.mark.parametrize(("kind", "writes", "fault"), CASES)
async def test_it_is_whole_or_absent_and_can_be_gone_on_with(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, writes: int, fault: str
) -> None:
    where = str(tmp_path / "cairn.sqlite") if kind == "sqlite" else request.getfixturevalue("postgres_dsn")
    with closing(open_database(where, SystemClock())) as database:
        admin = Ledger(database).admin
    died(where, admin.user_id, writes, fault)
    with closing(open_database(where, SystemClock())) as database:
        attached = fault == AFTER and writes == WRITES - 1
        assert entries(database, admin) == (ENTRIES if attached else 0)
        reply = await build(database, admin.user_id)
        assert entries(database, admin) == ENTRIES
        assert await build(database, admin.user_id) == reply
        row = database.read(lambda tx: tx.row("SELECT count(*) FROM detached"))
        assert row == (0,)
