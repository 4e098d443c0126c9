"""The PostgreSQL for tests: it starts, it stops, and it does not outlive a killed test."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from cairnfs.testing.postgres import TemporaryPostgres, temporary_postgres

OWNER = """
from cairnfs.testing.postgres import temporary_postgres
import sys
with temporary_postgres("shared_buffers=16MB") as server:
    print(server.process.pid, server.root, flush=True)
    sys.stdin.read()
"""


def test_it_answers_as_a_user_without_rights(postgres: TemporaryPostgres) -> None:
    with psycopg.connect(postgres.dsn) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    assert (postgres.root / "data").stat().st_uid != 0


def test_nothing_is_left_of_it() -> None:
    with temporary_postgres("shared_buffers=16MB") as server:
        assert server.root.exists()
    assert server.process.returncode == 0
    assert not server.root.exists()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the system cannot tie it to its owner")
def test_it_ends_with_an_owner_that_is_killed() -> None:
    arguments = [sys.executable, "-c", OWNER]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, root = owner.stdout.readline().split()
        try:
            with psycopg.connect(f"host={root} port=5432 user=postgres dbname=postgres") as connection:
                owner.send_signal(signal.SIGKILL)
                with pytest.raises(psycopg.OperationalError):  # the server breaks the connection off
                    connection.execute("SELECT pg_sleep(30)")
            assert owner.wait(20) == -signal.SIGKILL
            assert int(pid) > 0
        finally:
            shutil.rmtree(Path(root), ignore_errors=True)
