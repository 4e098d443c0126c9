"""Bytes to messages and back: JSON by msgspec, with Cairn's errors.

Requests refuse fields that nobody defined; replies ignore them, so that an older client reads a
newer server. Any thread.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

import msgspec

from cairnfs.errors import BadRequest, UnknownField

T = TypeVar("T")

#: A whole number as requests carry it: what every database and every reader of JSON can hold.
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
#: A moment in microseconds since 1970; negative before.
Moment = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


# msgspec hands `frozen` on to subclasses at run time (but not `kw_only`); type checkers have to be told.
@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Parent of every message that comes from outside."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """Parent of every message that a service answers."""


class Empty(Request, kw_only=True):
    """A message that says nothing: `{}`."""


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast(Any, kind))


_encoder = msgspec.json.Encoder()


def encode(message: object) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def decode(kind: type[T], body: bytes | bytearray | memoryview) -> T:
    """JSON as a message of this kind. Raises BadRequest or UnknownField, saying where."""
    try:
        return cast(T, _decoder(cast(Hashable, kind)).decode(body))
    except msgspec.ValidationError as error:
        raise (UnknownField if "unknown field" in str(error) else BadRequest)(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"not JSON: {error}") from error
