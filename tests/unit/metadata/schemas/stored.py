"""Databases of earlier schemas as they were: the schema's text, and the rows of one that was in use.

    statements(1, "sqlite")     what makes an empty database of schema 1
    contents(1)                 (table, columns, rows) of a small cluster made by the Cairn of that time

Left out of the rows: the groups, which are 1,024 alike, their members, and the cluster's keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cairnfs.ids import GROUPS
from cairnfs.metadata.databases import dialect

_HERE = Path(__file__).parent


def statements(schema: int, kind: str) -> list[str]:
    """In the words of "sqlite" or "postgresql"."""
    return dialect.statements((_HERE / f"{schema}.sql").read_text("utf-8"), kind)


def contents(schema: int) -> Iterator[tuple[str, list[str], list[tuple[Any, ...]]]]:
    """(table, columns, rows); bytes are bytes."""
    yield "replica_group", ["id", "epoch", "dirty"], [(group, 0, 0) for group in range(GROUPS)]
    tables = json.loads((_HERE / f"{schema}.json").read_text("utf-8"))
    for table, kept in tables.items():
        yield table, kept["columns"], [tuple(map(_value, row)) for row in kept["rows"]]


def _value(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
