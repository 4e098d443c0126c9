"""cursors: how answers that come in pages remember where they were, as opaque text.

What belongs here: the text, and that a cursor is of this database's own history. What does not: what stands
in a cursor (each verb's own). It may name what the person must not see (a search goes on behind names of
others, too), so it is sealed with a key of the cluster's: nobody else can read or write one. Even so it says
where to go on, never what may be seen: one person's cursor can be another's.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from typing import Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from cairnfs.errors import BadCursor
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.ops.moment import Sight
from cairnfs.metadata.rows import clock
from cairnfs.metadata.rows import secrets as rows
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.wire.shapes import CURSOR_MAX_CHARS

#: The name of the key, 64 bytes, among the cluster's secrets: a database has it from the beginning.
_KEY = "cursors"
C = TypeVar("C")


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


def write(tx: Tx, cursor: object) -> str:
    """A cursor as text: the same for the same."""
    sealed = _cipher(tx).encrypt(msgspec.msgpack.encode(cursor), [_purpose(type(cursor))])
    return urlsafe_b64encode(sealed).decode()


def read(tx: Tx, text: str, kind: type[C]) -> C:
    """Read what `write` wrote. Raises BadCursor."""
    try:
        if len(text) > CURSOR_MAX_CHARS:
            raise ValueError("too long")
        sealed = b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        opened = _cipher(tx).decrypt(sealed, [_purpose(kind)])
        return msgspec.msgpack.decode(opened, type=kind)
    except (InvalidTag, msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise BadCursor("nothing here gave this cursor") from error


def _purpose(kind: type) -> bytes:
    return f"{kind.__module__}.{kind.__qualname__}".encode()


def _cipher(tx: Tx) -> AESSIV:
    """The key never changes: it is looked up once in a process."""
    known: AESSIV | None = tx.memo.get(_KEY)
    if known is None:
        key = rows.find(tx, _KEY)
        assert key is not None, "a database is made with its keys"
        known = tx.memo[_KEY] = AESSIV(key)
    return known


def go_on(tx: Tx, cursor: Dated) -> Sight:
    """The tree that the pages before were read of. Raises BadCursor, BeforeHorizon."""
    return moment.look_at(tx, require_ours(tx, cursor.incarnation, cursor.commit), cursor.commit)


def require_ours(tx: Tx, incarnation: int, *commits: int) -> ClockRow:
    """The clock, of this incarnation and with all these commits. Raises BadCursor."""
    now = clock.read(tx)
    if incarnation != now.incarnation or not all(0 <= one <= now.commit_number for one in commits):
        raise BadCursor("this cursor is of another incarnation")
    return now
