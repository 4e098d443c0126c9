"""Requests that travel in a URL's query string: `path=/caf%C3%A9&since=12`.

Each field stands once, percent-encoded; `+` is a plus. A path or name, which is bytes, is one field here
(`path`), not the pair that JSON has (`path`, `path_b64`); its bytes need not be UTF-8. What belongs here:
messages to query strings and back. What does not: which endpoints are asked so (`endpoints/`). Any thread.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from cairnfs.errors import BadName, BadRequest, UnknownField
from cairnfs.wire import names

T = TypeVar("T")

_BASE64 = "_b64"


def fields(kind: type[Any]) -> dict[str, bool]:
    """The fields that a query may hold, by name; True where it carries bytes."""
    return _fields(cast(Hashable, kind))


@cache
def _fields(kind: Hashable) -> dict[str, bool]:
    known = [field.encode_name for field in msgspec.structs.fields(cast(Any, kind))]
    second_halves = {name + _BASE64 for name in known}
    return {name: name + _BASE64 in known for name in known if name not in second_halves}


def decode(kind: type[T], query: bytes) -> T:
    """A raw query string as a message. Raises BadRequest, BadName or UnknownField, saying where."""
    known = fields(kind)
    given: dict[str, str | None] = {}
    for part in query.split(b"&") if query else ():
        raw_name, _, raw_value = part.partition(b"=")
        name = raw_name.decode("latin-1")
        if name not in known:
            raise UnknownField(f"the query holds an unknown field `{names.printable(raw_name)[:100]}`")
        if name in given:
            raise BadRequest(f"the query holds `{name}` twice")
        if known[name]:
            given[name], given[name + _BASE64] = names.to_text(names.from_url(raw_value))
        else:
            given[name] = _text(name, raw_value)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"in the query: {error}") from error


def _text(name: str, raw: bytes) -> str:
    try:
        return names.from_url(raw).decode()
    except (BadName, UnicodeDecodeError) as error:
        raise BadRequest(f"`{name}` is not percent-encoded UTF-8") from error


def encode(message: msgspec.Struct) -> str:
    """A message as a query string, without `?`. Fields are texts, numbers, truths, and pairs of bytes."""
    values: dict[str, Any] = msgspec.to_builtins(message)
    parts = []
    for name, is_bytes in fields(type(message)).items():
        value = values.get(name)
        if value is None:
            continue
        raw = names.from_text(value, values.get(name + _BASE64)) if is_bytes else _plain(value)
        parts.append(f"{name}={names.to_url(raw)}")
    return "&".join(parts)


def _plain(value: object) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    assert isinstance(value, str | int), "a query holds texts and whole numbers"
    return str(value).encode()
