"""What the index keeps for one chunk: where it lies, how long it is, its begin number, its state.

Packed into 36 bytes, of which the last four are a checksum over hash and entry: SQLite has none, and
a flipped bit in the index must not pass for a fact about a chunk. Pure, any thread.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from cairnfs.fileserver.records import ALIGN, CHUNK, Record
from cairnfs.fileserver.trouble import IndexDamaged

_ENTRY = struct.Struct("<IIIIQQ")
_CRC = struct.Struct("<I")
ENTRY_BYTES = _ENTRY.size + _CRC.size

#: The bytes were found wrong: not counted as held; a put of the chunk writes it anew.
BAD = 1
#: Only a begin number is known (its record was lost, a touch survived): the chunk is not here.
ABSENT = 2


class Entry(NamedTuple):
    """`number` is the record number of the chunk record it points to; `block` its offset / 64."""

    segment: int
    block: int
    length: int
    flags: int
    number: int
    begin: int

    @property
    def offset(self) -> int:
        """Where the record begins in its segment, in bytes."""
        return self.block * ALIGN

    @property
    def good(self) -> bool:
        """Whether the chunk counts as held here."""
        return self.flags == 0


NOTHING = Entry(0, 0, 0, ABSENT, 0, 0)


def pack_entry(chunk: bytes, entry: Entry) -> bytes:
    """The 36 bytes of an entry."""
    body = _ENTRY.pack(*entry)
    return body + _CRC.pack(zlib.crc32(chunk + body))


def unpack_entry(chunk: bytes, data: bytes) -> Entry:
    """The entry in these bytes. Raises IndexDamaged."""
    if not sound(chunk, data):
        raise IndexDamaged(f"the index entry of {chunk.hex()} is damaged")
    return Entry._make(_ENTRY.unpack_from(data))


def sound(chunk: bytes, data: bytes) -> bool:
    """Whether hash and entry are the ones that were written together."""
    return len(data) == ENTRY_BYTES and _CRC.unpack_from(data, _ENTRY.size)[0] == zlib.crc32(
        chunk + data[: _ENTRY.size]
    )


def merged(before: Entry | None, segment: int, record: Record) -> Entry:
    """The entry after this record was met: the highest record number wins, the highest begin stays."""
    old = NOTHING if before is None else before
    begin = max(old.begin, record.begin)
    if record.kind != CHUNK or (old.number >= record.number and not old.flags & ABSENT):
        return old._replace(begin=begin)
    return Entry(segment, record.offset // ALIGN, record.length, 0, record.number, begin)
