"""Bytes to messages and back: JSON by msgspec, with Cairn's errors.

Requests refuse fields that nobody defined; replies ignore them, so that an older client reads a
newer server. Any thread.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, dataclass_transform

import msgspec

from cairnfs.errors import BadRequest, UnknownField

T = TypeVar("T")


# msgspec hands `frozen` on to subclasses at run time (but not `kw_only`); type checkers have to be told.
@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Parent of every message that comes from outside."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Reply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Parent of every message that a service answers."""


class Empty(Request):
    """A message that says nothing: `{}`."""


@cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


_encoder = msgspec.json.Encoder()


def encode(message: object) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def decode(kind: type[T], body: bytes | bytearray | memoryview) -> T:
    """JSON as a message of this kind. Raises BadRequest or UnknownField, saying where."""
    try:
        return _decoder(kind).decode(body)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise (UnknownField if "unknown field" in str(error) else BadRequest)(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"not JSON: {error}") from error
