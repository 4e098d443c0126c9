"""SIGKILL to the process that commits, right before and right after the database's COMMIT."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.opening import open_database
from cairnfs.metadata.driver import Driver
from tests.unit.metadata.operations import Note, Noted, key, notes

HERE = Path(__file__).resolve()
REQUEST = "5f" * 16


def commit_in_another_process(where: str, fault: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, HERE.with_name("note_and_die.py"), where, REQUEST, fault],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "cairn.sqlite")
    dsn: str = request.getfixturevalue("postgres_dsn")
    return dsn


@pytest.mark.parametrize(("fault", "survived"), [("KILLED_BEFORE", 0), ("KILLED_AFTER", 1)])
async def test_asking_again_gives_the_first_answer_or_makes_it(where: str, fault: str, survived: int) -> None:
    died = commit_in_another_process(where, fault)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert died.stdout == "", "it answered before it was killed"
    with closing(open_database(where, SystemClock())) as database:
        assert notes(database)["once"] == survived
        driver = Driver(database, SystemClock())
        assert await driver.submit(Note("other")) == Noted(1 + survived)
        answer = await driver.submit(Note("once", key(REQUEST)))
        await driver.close()
        assert answer == (Noted(1) if survived else Noted(2))
        assert notes(database) == {"once": 1, "other": 1}


async def test_without_a_fault_it_answers(where: str) -> None:
    done = commit_in_another_process(where, "NONE")
    assert (done.returncode, done.stdout, done.stderr) == (0, "told 1\n", "")
