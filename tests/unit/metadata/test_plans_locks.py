"""How both databases go about statements on locks: by an index, however many are held and wait."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import Deadlock, Locked
from cairnfs.metadata.databases.postgres import PostgresDatabase, PostgresTx
from cairnfs.metadata.databases.seam import Row
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase, SqliteTx
from cairnfs.metadata.ops.locks import list as list_locks
from cairnfs.metadata.ops.locks import promote
from cairnfs.metadata.ops.locks.standing import standing
from cairnfs.metadata.ops.sessions import EndSession
from cairnfs.testing.ledger import NEVER_LATE, Ledger, link, mkdir, write
from cairnfs.wire.locks import ListLocksRequest
from tests.unit.metadata.holders import Holder, break_lock

LOCKS = 20_000
#: In 200 directories; half of them held on names of their own, half waiting in 100 lines.
_FILL = f"""
INSERT INTO lock SELECT n, 's' || n % 50, 'o' || n, 1, 'x'::bytea, 1, 0,
  CASE WHEN n % 2 = 0 THEN n ELSE 0 END, 0, 0 FROM generate_series(1000, {999 + LOCKS}) AS n;
INSERT INTO lock_key SELECT CASE WHEN d = 0 THEN 1 ELSE 1000 + n % 200 END, 2, ''::bytea, (n + 1) % 2, n
  FROM generate_series(1000, {999 + LOCKS}) AS n CROSS JOIN generate_series(0, 1) AS d;
INSERT INTO lock_key SELECT 1000 + n % 200, 0,
  convert_to('n' || CASE WHEN n % 2 = 0 THEN n ELSE n % 100 END, 'UTF8'), (n + 1) % 2, n
  FROM generate_series(1000, {999 + LOCKS}) AS n;
UPDATE clock SET next_lock = {2000 + LOCKS}, fence = {2000 + LOCKS}, locks = locks + {LOCKS};
ANALYZE
"""


def begin(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), mkdir("/o"), write("/d/f", b"f"), write("/d/g", b"g"), link("/d/f", "/o/f"))


def lock(ledger: Ledger) -> None:
    """Everything that is done about locks, in lines of several."""
    ann, bob, cid, dee = (Holder(ledger) for _ in range(4))
    ann.lock("/d/f")
    bob.lock("/d/g", "/d/new")
    waits = bob.ask("/d/f", wait=True)
    with suppress(Deadlock):
        ann.ask("/d/g", wait=True)
    cid.ask("/o", subtree=True, wait=True)
    readers = [dee.ask("/d/f", shared=True, wait=True) for _ in range(3)]
    with suppress(Locked):
        dee.ask("/d/f")
    ledger.read(lambda tx: standing(tx, bob.person, waits.lock, bob.proof(waits.lock).token))
    for path in ("/", "/d", "/d/f", "/o/f"):
        listed(ledger, ann, path=path, limit=3)
    listed(ledger, ann, broken=True)
    ann.ask("/d/f", "/d/f", shared=True)
    ann.release()
    bob.release(waits.lock)
    cid.release()
    dee.release(*(one.lock for one in readers[1:]))
    dee.upgrade(readers[0].lock)
    Holder(ledger).ask("/d/f", wait=True)
    break_lock(ledger, readers[0].lock)
    ledger.do(EndSession(bob.session, bob.person.user_id, deadline=NEVER_LATE))


def listed(ledger: Ledger, holder: Holder, **asked: Any) -> None:
    """A page of locks."""
    request = ListLocksRequest(**asked)
    ledger.read(lambda tx: list_locks.page(tx, holder.person, request))


def test_sqlite_scans_no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: dict[str, str] = {}
    execute = SqliteTx._execute

    def explained(tx: SqliteTx, text: str, args: Any) -> sqlite3.Cursor:
        if text not in plans:
            rows = execute(tx, f"EXPLAIN QUERY PLAN {text}", args).fetchall()
            plans[text] = "; ".join(row[3] for row in rows)
        return execute(tx, text, args)

    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        ledger = Ledger(database)
        begin(ledger)
        monkeypatch.setattr(SqliteTx, "_execute", explained)
        lock(ledger)
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        monkeypatch.setattr(SqliteTx, "_execute", execute)
        ledger = Ledger(database)
        begin(ledger)
        monkeypatch.setattr(SqliteTx, "_execute", explained)
        monkeypatch.setattr(promote, "_MANY", 0)
        lock(ledger)
    said = {text: plan for text, plan in plans.items() if re.search(r"\block(_key)?\b", text)}
    assert len(said) > 20
    assert not {text: plan for text, plan in said.items() if re.search(r"SCAN (k|l|lock|lock_key)\b", plan)}
    by_fence = {text for text, plan in said.items() if "lock_fence" in plan}
    assert all(re.search(r"FROM lock WHERE fence|min\(fence\)", text) for text in by_fence), by_fence
    first = [plan for text, plan in said.items() if "ORDER BY k.lock LIMIT" in text]
    assert len(first) > 4
    assert not any("TEMP B-TREE" in plan for plan in first), "who came first is read first"


def test_postgresql_scans_no_locks(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: dict[str, str] = {}
    execute = PostgresTx._execute

    def explained(tx: PostgresTx, text: str, args: Sequence[object]) -> psycopg.Cursor[Row]:
        if text not in plans and text.startswith(("SELECT", "UPDATE", "DELETE")):
            plans[text] = _said(execute(tx, f"EXPLAIN {text}", args).fetchall())
        return execute(tx, text, args)

    with (
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as database,
        psycopg.connect(postgres_dsn, autocommit=True) as connection,
    ):
        ledger = Ledger(database)
        begin(ledger)
        connection.execute(_FILL.encode())
        monkeypatch.setattr(PostgresTx, "_execute", explained)
        lock(ledger)
        generic = {
            text: _said(connection.execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode()).fetchall())
            for text in plans
        }
    assert sum("lock_key" in text for text in plans) > 8
    for known in (plans, generic):
        scans = {
            text: plan for text, plan in known.items() if re.search(r"Seq Scan on (lock|lock_key)\b", plan)
        }
        assert not scans, "\n\n".join(f"{text}\n{plan}" for text, plan in scans.items())


def _said(rows: Sequence[Row]) -> str:
    return "\n".join(row[0] for row in rows)
