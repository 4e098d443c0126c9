"""SIGKILL to the control plane between any two steps of a commit in pages: it is whole or absent.

Whatever was reached, asking again under the same request id gives the first answer, or makes it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import BadRequest
from cairnfs.metadata import verify
from cairnfs.metadata.databases.opening import open_database
from tests.faults.stage_and_die import MESSAGE, bring, commit, staging
from tests.unit.control.plane import plane

HERE = Path(__file__).resolve()
REQUEST = "5e" * 16
#: (write, point in it): see `stage_and_die`. The third write is the commit, the fourth forgets its pages.
POINTS = [
    *[(write, point) for write in range(4) for point in ("before", "after")],
    *[(2, str(statement)) for statement in (1, 4, 7, 10)],
]
FROM_HERE_ON = [(2, "after"), (3, "before"), (3, "after")]
BOTH = [("sqlite", *point) for point in POINTS] + [("postgresql", 2, "before"), ("postgresql", 2, "after")]


def killed(where: str, write: int, point: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, HERE.with_name("stage_and_die.py"), where, REQUEST, str(write), point],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("kind", "write", "point"), BOTH)
async def test_it_is_whole_or_absent(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, write: int, point: str
) -> None:
    where = request.getfixturevalue("postgres_dsn") if kind == "postgresql" else str(tmp_path / "c.sqlite")
    with closing(open_database(where, SystemClock())) as database:
        async with plane(database=database) as here:
            await here.admin()
    died = killed(where, write, point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert died.stdout == "", "it answered before it was killed"
    with closing(open_database(where, SystemClock())) as database:
        async with plane(database=database) as here:
            made = staging(here, await here.login("root"), REQUEST)
            committed = (write, point) in FROM_HERE_ON
            assert await made.names("/") == (["home", "whole"] if committed else ["home"])
            before = database.read(lambda tx: tx.rows("SELECT max(number) FROM commits"))[0][0]
            try:
                reply = await commit(made)
            except BadRequest:  # a page that never came
                assert write < 2
                await bring(made)
                reply = await commit(made)
            assert (reply.commit <= before) is committed
            assert await commit(made) == reply
            assert len(await made.names("/whole")) == 101
            assert made.pages() == 0
        ours = database.read(lambda tx: tx.rows("SELECT number FROM commits WHERE message = ?", MESSAGE))
        assert ours == [(reply.commit,)]
        assert database.read(verify.run).findings == []
