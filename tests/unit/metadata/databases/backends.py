"""Small things to do to a PostgreSQL from a test: count, ask, wait, kill."""

from __future__ import annotations

import psycopg

from cairnfs.metadata.databases.seam import Tx

RAISE_FENCE = "UPDATE clock SET fence = fence + 1 WHERE id = 1"


def fence(tx: Tx) -> int:
    row = tx.row("SELECT fence FROM clock")
    assert row is not None
    return int(row[0])


def raise_fence(tx: Tx) -> int:
    return tx.run(RAISE_FENCE)


def backend(tx: Tx) -> int:
    row = tx.row("SELECT pg_backend_pid()")
    assert row is not None
    return int(row[0])


def terminate(admin: psycopg.Connection, pid: int) -> None:
    assert admin.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)


def wait_until(admin: psycopg.Connection, question: str, *args: object) -> None:
    """Ask until the answer is yes; the server does the waiting between."""
    for _ in range(500):
        if admin.execute(question.encode(), args).fetchone() == (True,):
            return
        admin.execute("SELECT pg_sleep(0.01)")
    raise AssertionError(f"never: {question}")
