"""Columns of given rows as PostgreSQL's binary arrays.

What belongs here: the packing and its registration with psycopg. psycopg's own list dumper sends text
and takes the type of the largest number in each list, so that one statement would be prepared for
smallint[], integer[] and bigint[] in turn. What does not: statements, connections. Any thread.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from cairnfs.metadata.databases.seam import Value

_HEAD = struct.Struct(">iiiii").pack  # dimensions, any null?, element type, length, first index
_LENGTH = struct.Struct(">i").pack
_BIGINT = struct.Struct(">iq").pack
_NULL = _LENGTH(-1)
#: Our type's name -> (oid of the element type, oid of the array type).
_OIDS = {"BIGINT": (20, 1016), "BYTES": (17, 1001), "TEXT": (25, 1009)}


@dataclass(frozen=True, slots=True)
class Packed:
    """An array ready to be sent."""

    data: bytes


class BigintArray(Packed):
    """bigint[]."""


class BytesArray(Packed):
    """bytea[]."""


class TextArray(Packed):
    """text[]."""


_CLASSES: dict[str, type[Packed]] = {"BIGINT": BigintArray, "BYTES": BytesArray, "TEXT": TextArray}


def pack(kind: str, column: Sequence[Value]) -> Packed:
    """One column of given rows, of the type `kind` (BIGINT, BYTES, TEXT)."""
    nulls = None in column
    body = b"".join(_elements(kind, column, nulls))
    return _CLASSES[kind](_HEAD(1, nulls, _OIDS[kind][0], len(column), 1) + body)


def _elements(kind: str, column: Sequence[Value], nulls: bool) -> list[bytes]:
    if kind == "BIGINT" and not nulls:
        return list(map(_BIGINT, repeat(8), column))
    if kind == "BIGINT":
        return [_NULL if value is None else _BIGINT(8, value) for value in column]
    parts = []
    for value in column:
        if value is None:
            parts.append(_NULL)
            continue
        data = value.encode() if isinstance(value, str) else value
        assert isinstance(data, bytes), (kind, value)
        assert isinstance(value, str) == (kind == "TEXT"), (kind, value)
        parts += (_LENGTH(len(data)), data)
    return parts


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> Buffer | None:
        return obj.data


def register(context: AdaptContext) -> None:
    """Let a connection send packed arrays."""
    for kind, cls in _CLASSES.items():
        dumper = type(f"{cls.__name__}Dumper", (_PackedDumper,), {"oid": _OIDS[kind][1]})
        context.adapters.register_dumper(cls, dumper)
