"""cursors: how answers that come in pages remember where they were, as opaque text.

What belongs here: the text, and that a cursor is of this database's own history. What does not: what stands
in a cursor (each verb's own). Anyone can write one: it says where to go on, never what may be seen.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Protocol, TypeVar

import msgspec

from cairnfs.errors import BadCursor
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.rows import clock

C = TypeVar("C")
#: A path and two names, packed and in base64, fit well.
_MAX_CHARS = 8192


class Dated(Protocol):
    """What every cursor says: at which commit its answer is read."""

    @property
    def incarnation(self) -> int:
        """The incarnation in which it was given."""
        ...

    @property
    def commit(self) -> int:
        """The commit of the first page."""
        ...


def write(cursor: object) -> str:
    """A cursor as text."""
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode()


def read(text: str, kind: type[C]) -> C:
    """Read what `write` wrote. Raises BadCursor."""
    try:
        if len(text) > _MAX_CHARS:
            raise ValueError("too long")
        return msgspec.msgpack.decode(urlsafe_b64decode(text.encode("ascii")), type=kind)
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise BadCursor("nothing here gave this cursor") from error


def go_on(tx: Tx, cursor: Dated) -> Sight:
    """The tree that the pages before were read of. Raises BadCursor, BeforeHorizon."""
    now = clock.read(tx)
    if cursor.incarnation != now.incarnation or not 0 <= cursor.commit <= now.commit_number:
        raise BadCursor("this cursor is of another incarnation")
    return moment.look_at(tx, now, cursor.commit)
