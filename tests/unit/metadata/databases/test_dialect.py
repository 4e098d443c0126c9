"""How statements read in each dialect: parameters, given rows, the schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from cairnfs.metadata.databases import dialect

FIND = "SELECT d.x FROM {given} AS g CROSS JOIN dentry AS d WHERE d.parent = g.parent AND d.died = ?"


def test_sqlite_counts_its_own_parameters_first() -> None:
    text = dialect.sqlite_given(f"{FIND} AND d.y = ?", "parent BIGINT, name BYTES", 3)
    assert "d.died = ?1 AND d.y = ?2" in text
    assert "(SELECT column1 AS parent, column2 AS name FROM (VALUES (?3, ?4), (?, ?), (?, ?))) AS g" in text


def test_sqlite_binds_parameters_on_both_sides() -> None:
    text = dialect.sqlite_given("SELECT ?, g.a, g.b, ? FROM {given} AS g", "a BIGINT, b TEXT", 2)
    with closing(sqlite3.connect(":memory:")) as connection:
        rows = connection.execute(text, ("first", "second", 1, "x", 2, "y")).fetchall()
    assert rows == [("first", 1, "x", "second"), ("first", 2, "y", "second")]


def test_postgres_takes_an_array_a_column_and_their_length() -> None:
    text = dialect.postgres_given(FIND, "parent BIGINT, name BYTES")
    assert "unnest($2::bigint[], $3::bytea[]) AS u(parent, name) LIMIT $4) AS g" in text
    assert "d.died = $1" in text


def test_the_lock_is_for_those_who_need_it() -> None:
    sql = "SELECT fence FROM clock WHERE id = ? {lock}"
    assert dialect.sqlite(sql) == "SELECT fence FROM clock WHERE id = ? "
    assert dialect.postgres(sql) == "SELECT fence FROM clock WHERE id = $1 FOR UPDATE"


@pytest.mark.parametrize("given", ["a", "a BIGINT, b", "a INTEGER", ""])
def test_columns_are_spelled_out(given: str) -> None:
    with pytest.raises(AssertionError):
        dialect.columns(given)


@pytest.mark.parametrize(
    ("sql", "plain"),
    [
        ("INSERT INTO t (a, b) SELECT g.a, ? FROM {given} AS g", True),
        ("INSERT INTO t (a) SELECT g.a FROM {given} AS g WHERE g.a > 0", False),
        ("INSERT INTO t (a) SELECT g.a FROM {given} AS g ON CONFLICT DO NOTHING", False),
        ("INSERT INTO t (a) SELECT g.a FROM {given} AS g RETURNING a", False),
        ("INSERT INTO t (a) SELECT max(g.a) FROM {given} AS g", False),
        ("UPDATE t SET a = g.a FROM {given} AS g", False),
    ],
)
def test_only_a_plain_insert_is_known_to_insert_each(sql: str, plain: bool) -> None:
    assert dialect.inserts_each(sql) == plain


def test_every_table_is_strict_in_sqlite() -> None:
    statements = dialect.schema("sqlite")
    tables = [text for text in statements if text.startswith("CREATE TABLE")]
    assert len(tables) > 15
    assert all(text.endswith("STRICT") for text in tables)
    assert not any(word in text for text in statements for word in ("BYTES", "BIGINT", "CLUSTERED", "--"))


def test_no_word_of_the_schema_stays_untranslated_for_postgres() -> None:
    statements = dialect.schema("postgresql")
    assert len(statements) == len(dialect.schema("sqlite"))
    assert not any(word in text for text in statements for word in ("BYTES", "CLUSTERED", "STRICT", "--"))
