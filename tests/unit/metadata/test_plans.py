"""How both databases go about statements of every day: by an index, however large the tables are.

SQLite is asked for the plan of every statement as it is run. PostgreSQL, which decides by what it knows of
its tables, is asked with 20,000 files in them, for plans with the parameters known and without.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest

from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.postgres import PostgresDatabase, PostgresTx
from cairnfs.metadata.databases.seam import Row
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase, SqliteTx
from cairnfs.metadata.ops import find as finding
from cairnfs.metadata.ops import walk
from cairnfs.metadata.ops.du import usage
from cairnfs.metadata.ops.find import find
from cairnfs.metadata.ops.open_many import open_many
from cairnfs.testing.ledger import Ledger, link, mkdir, remove, rename, write
from cairnfs.wire.directory import OpenManyRequest, WalkRequest, Wanted
from cairnfs.wire.search import FindRequest, UsageRequest

FILES = 20_000
_GROWING = "dentry|version|inode|leaf|chunk|commits|change|xattr_set"
#: Directories of 100 files and one with all of them, as rows and without their content.
_FILL = f"""
INSERT INTO inode SELECT n, 'file', 1, 0, 0 FROM generate_series(1000, {999 + FILES}) AS n;
INSERT INTO inode SELECT n, 'directory', 1, 0, 0 FROM generate_series(500000, {499999 + FILES // 200}) AS n;
INSERT INTO dentry SELECT CASE WHEN n % 2 = 0 THEN d.inode ELSE 500000 + n / 200 END,
  convert_to('f' || n, 'UTF8'), 1, 9223372036854775807, 1000 + n, 'file', 0
  FROM generate_series(0, {FILES - 1}) AS n CROSS JOIN dentry AS d WHERE d.name = 'flat'::bytea;
INSERT INTO dentry SELECT d.inode, convert_to('d' || n, 'UTF8'), 1, 9223372036854775807, n, 'directory', 1
  FROM generate_series(500000, {499999 + FILES // 200}) AS n CROSS JOIN dentry AS d
  WHERE d.name = 'tree'::bytea;
INSERT INTO version SELECT i.id, 1, 9223372036854775807, 493, 1, 1, 0, 0, 0, 1, '', '', '', ''
  FROM inode AS i WHERE i.id >= 1000;
INSERT INTO leaf SELECT sha256(convert_to(n::text, 'UTF8')), 0, 1, '' FROM generate_series(1, {FILES}) AS n;
INSERT INTO chunk SELECT sha256(convert_to(n::text, 'UTF8')), 1, 1, 3 FROM generate_series(1, {FILES}) AS n;
INSERT INTO commits SELECT n, n, 1, 1, '' FROM generate_series(1000, {FILES}) AS n;
ANALYZE
"""


def begin(ledger: Ledger) -> None:
    """A little of everything."""
    ledger.commit(mkdir("/all/flat", parents=True), mkdir("/all/tree"), mkdir("/all/few"))
    ledger.commit(*[write(f"/all/few/f{n}", b"x%d" % n, b"y") for n in range(5)])
    ledger.commit(*[mkdir(f"/all/small/{n}/{m}", parents=True) for n in range(3) for m in range(3)])
    ledger.commit(write("/all/linked"), *[link("/all/linked", f"/all/few/l{n}") for n in range(70)])
    ledger.commit(write("/all/few/later"))


def look_and_change(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stat, list, open, walk, find by both ways, du and rename, now and as of an earlier commit."""
    before = str(ledger.newest() - 1)
    ann = ledger.person("ann")

    def ask(person: Any, **conditions: Any) -> None:
        request = FindRequest(path="/all", limit=3, **conditions)
        page = ledger.read(lambda tx: find(tx, person, request))
        if page.cursor is not None:
            more = FindRequest(path="/all", limit=3, cursor=page.cursor, **conditions)
            ledger.read(lambda tx: find(tx, person, more))

    for at in (None, before):
        ledger.stat("/all/few/f0", at=at)
        ledger.list("/all/few", limit=2, at=at)
        files = OpenManyRequest(files=[Wanted(path="/all/few/f0"), Wanted(path="/all/few/f1")], at=at)
        ledger.read(lambda tx, r=files: open_many(tx, ledger.admin, r))  # type: ignore[misc]
        ledger.walk("/all/small", at=at)
        for contents in (False, True):
            request = WalkRequest(path="/all", limit=3, at=at, contents=contents)
            page = ledger.read(lambda tx, r=request: walk.page(tx, ledger.admin, r))  # type: ignore[misc]
            more = WalkRequest(path="/all", limit=3, contents=contents, cursor=page.cursor)
            ledger.read(lambda tx, r=more: walk.page(tx, ledger.admin, r))  # type: ignore[misc]
    for person in (ledger.admin, ann):
        for few in (1, 1_000_000):
            monkeypatch.setattr(finding, "FEW", few)
            ask(person)
            ask(person, name="f1")
            ask(person, name="f1*")
            ask(person, name="*1")
            ask(person, name="f*", at=before)
        for at in (None, before):
            ledger.read(lambda tx, a=at: usage(tx, ann, UsageRequest(path="/all", at=a)))  # type: ignore[misc]
    ledger.commit(rename("/all", "/every"), write("/every/flat/new", b"new"), remove("/every/few/f1"))
    ledger.commit(remove("/every/few/l3"), link("/every/few/l4", "/every/few/l3"))
    ledger.commit(rename("/every/few/f2", "/every/few/f3"), remove("/every/few", recursive=True))
    ledger.commit(rename("/every", "/all"), link("/all/linked", "/all/more"), remove("/all/linked"))


def test_sqlite_scans_no_table_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
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
        look_and_change(ledger, monkeypatch)
    assert len(plans) > 40
    assert any("d.traced = 1" in text and text.endswith("LIMIT ?") for text in plans)  # of very many names
    short = rf"SCAN (d|e|v|w|i|l|c|h|o|{_GROWING})( |$)"
    assert not {text: plan for text, plan in plans.items() if re.search(short, plan)}
    by_name = [plan for text, plan in plans.items() if "ORDER BY d.name, d.parent LIMIT" in text]
    assert len(by_name) > 1
    assert all(re.search(r"SEARCH d USING INDEX dentry_name \(", plan) for plan in by_name), by_name
    assert not any("TEMP B-TREE" in plan for plan in by_name)


def test_postgresql_scans_no_table_that_grows(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
        look_and_change(ledger, monkeypatch)
        assert len(plans) > 25
        # As it plans a statement that it has met several times, whatever the parameters will be.
        generic = {
            text: _said(connection.execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode()).fetchall())
            for text in plans
        }
    for known in (plans, generic):
        scans = {
            text: plan for text, plan in known.items() if re.search(rf"Seq Scan on ({_GROWING})\b", plan)
        }
        assert not scans, "\n\n".join(f"{text}\n{plan}" for text, plan in scans.items())
        by_name = {text: plan for text, plan in known.items() if "ORDER BY d.name, d.parent LIMIT" in text}
        assert len(by_name) > 1
        for text, plan in by_name.items():
            assert " dentry_name " in plan, plan
            # All of one name are sorted where that is expected to be two or three.
            assert "Sort" not in plan or "d.name = " in text, plan


def _said(rows: Sequence[Row]) -> str:
    return "\n".join(row[0] for row in rows)
