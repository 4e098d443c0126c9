"""One SQL, two databases: how statements and the schema are put into each dialect.

What belongs here: pure text, cached. What does not: connections (`sqlite.py`, `postgres.py`) and the
statements themselves (`rows/`). The marks that statements may hold:

- `?`: the next parameter, in both. So no literal question mark in a statement.
- `{given}`: a table of given rows, in a FROM clause, followed by its alias.
- `{lock}`: at a SELECT's end, locks its rows until the tx ends. SQLite's writer holds all anyway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

#: Given rows come in pieces of this size in SQLite, the rest in halves of it: few statement texts, and
#: no padding. Measured with 3.40: 1.4 us a row in pieces of 64, 4.9 one by one, 2.3 through json_each.
PIECE_MAX = 64
LOCK = "{lock}"
_TEXTS = 4096
_PLAIN_INSERT = re.compile(r"INSERT INTO \w+ \([\w, ]+\) SELECT [\w.?, ]+ FROM \{given\} AS \w+")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names and types of given rows: `names[i]` is a `types[i]` (BIGINT, BYTES or TEXT)."""

    names: tuple[str, ...]
    types: tuple[str, ...]


@lru_cache(_TEXTS)
def columns(text: str) -> Columns:
    """Read "parent BIGINT, name BYTES"."""
    pairs = [part.split() for part in text.split(",")]
    assert all(len(pair) == 2 and pair[1] in ("BIGINT", "BYTES", "TEXT") for pair in pairs), text
    return Columns(tuple(name for name, _ in pairs), tuple(kind for _, kind in pairs))


@lru_cache(_TEXTS)
def sqlite(sql: str) -> str:
    """A statement without given rows, as SQLite reads it."""
    return sql.replace(LOCK, "")


@lru_cache(_TEXTS)
def sqlite_given(sql: str, given: str, size: int) -> str:
    """A statement with `size` given rows: its own parameters come first, then the rows, flat."""
    text, count = _numbered(sqlite(sql), "?")
    names = columns(given).names
    picked = ", ".join(f"column{at} AS {name}" for at, name in enumerate(names, 1))
    row = ", ".join("?" * len(names))
    # A bare ? takes the number after the largest so far; the first row says its numbers in full, so
    # that parameters written behind {given} are already counted.
    first = ", ".join(f"?{count + at}" for at in range(1, len(names) + 1))
    values = ", ".join([f"({first})", *[f"({row})"] * (size - 1)])
    return _with_given(text, f"(SELECT {picked} FROM (VALUES {values}))")  # noqa: S608  (names and marks)


@lru_cache(_TEXTS)
def postgres(sql: str) -> str:
    """A statement without given rows, as PostgreSQL reads it."""
    return _numbered(sql.replace(LOCK, "FOR UPDATE"), "$")[0]


@lru_cache(_TEXTS)
def postgres_given(sql: str, given: str) -> str:
    """A statement with given rows: its own parameters first, then an array a column, then their length.

    The LIMIT changes nothing but the planner's guess: of a limit that it does not know it expects one
    row in ten of the ten that it expects of an array. One given row and then an index is the plan that
    stays right, however small the tables were when it was made.
    """
    text, count = _numbered(sql.replace(LOCK, "FOR UPDATE"), "$")
    shape = columns(given)
    arrays = ", ".join(f"${count + at}::{_postgres(kind)}[]" for at, kind in enumerate(shape.types, 1))
    limit = f"LIMIT ${count + len(shape.types) + 1}"
    names = ", ".join(shape.names)
    return _with_given(text, f"(SELECT * FROM unnest({arrays}) AS u({names}) {limit})")  # noqa: S608


@lru_cache(_TEXTS)
def inserts_each(sql: str) -> bool:
    """Whether a statement does nothing but insert one row for each given row."""
    return _PLAIN_INSERT.fullmatch(sql) is not None


def schema(kind: str) -> list[str]:
    """The statements of `schema.sql` for "sqlite" or "postgresql"."""
    source = resources.files("cairnfs.metadata").joinpath("schema.sql").read_text("utf-8")
    return statements(source, kind)


def statements(source: str, kind: str) -> list[str]:
    """The statements of a schema's text for "sqlite" or "postgresql"."""
    bare = re.sub(r"--[^\n]*", "", source)
    words = (
        {"BYTES": "BLOB", "BIGINT": "INTEGER"} if kind == "sqlite" else {"BYTES": "BYTEA", "CLUSTERED": ""}
    )
    translated = []
    for statement in filter(None, map(str.strip, bare.split(";"))):
        text = statement
        for word, meaning in words.items():
            text = re.sub(rf"\b{word}\b", meaning, text)
        if kind == "sqlite" and text.startswith("CREATE TABLE"):
            text = text.replace("CLUSTERED", "WITHOUT ROWID, STRICT")
            text += "" if text.endswith("STRICT") else " STRICT"
        translated.append(text)
    return translated


def _numbered(sql: str, sign: str) -> tuple[str, int]:
    head, *tail = sql.split("?")
    return head + "".join(f"{sign}{at}{part}" for at, part in enumerate(tail, 1)), len(tail)


def _with_given(text: str, table: str) -> str:
    assert text.count("{given}") == 1, text
    return text.replace("{given}", table)


def _postgres(kind: str) -> str:
    return "bytea" if kind == "BYTES" else kind.lower()
