"""The bytes of a segment: its header and its records. `docs/design/0004-chunk-store.md` draws them.

What belongs here: packing, parsing, checking, numbers of the format. What does not: files.
All integers are little-endian; everything starts at a multiple of 64 bytes. Pure, any thread.

A record's header says where it stands (`block`) and carries its segment's random `nonce`, so that
bytes of a chunk that look like a record (a copy of a fileserver's own directory, say) are never
taken for one when a scan looks for the next header after damage.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from blake3 import blake3

from cairnfs.core.manifest import CHUNK_MAX_BYTES
from cairnfs.ids import Hash

ALIGN = 64
FORMAT = 1
SEGMENT_MAGIC = b"CAIRNSEG"
RECORD_MAGIC = b"\xc5Rec"
SEGMENT_BYTES = 64
RECORD_BYTES = 96
PAYLOAD_MAX_BYTES = CHUNK_MAX_BYTES

#: Kinds of record. CHUNK holds a chunk's bytes; TOUCH raises the begin number of a chunk that is
#: already here. Others belong to later versions: they are skipped, kept and noted.
CHUNK, TOUCH = 1, 2

_SEGMENT = struct.Struct("<8sHHIQ16sQIQ")
_RECORD = struct.Struct("<4sBBHQIIQQII32s8sI")
_CRC = struct.Struct("<I")
_EMPTY_CHECK = blake3(b"").digest()[:8]
_PADDING = bytes(ALIGN)
assert _SEGMENT.size + _CRC.size == SEGMENT_BYTES
assert _RECORD.size + _CRC.size == RECORD_BYTES


class SegmentHeader(NamedTuple):
    """The first 64 bytes of a segment.

    `owner` is the tag of cluster and fileserver; `first_record` is lower than every record number
    in it; `previous` is the segment written before this one, of which `previous_end` bytes were durable
    when this one was begun (0, 0: there was none).
    """

    number: int
    nonce: int
    owner: bytes
    first_record: int
    previous: int
    previous_end: int


class Record(NamedTuple):
    """A record's header. `offset` is where the record begins, in bytes.

    `confirmed`: so many bytes of this segment were durable when the record was written. `check`: the
    first 8 bytes of the payload's BLAKE3 (for a chunk also the first 8 of `hash`).
    """

    kind: int
    offset: int
    confirmed: int
    number: int
    begin: int
    length: int
    hash: Hash
    check: bytes

    @property
    def payload_offset(self) -> int:
        """Where its payload begins."""
        return self.offset + RECORD_BYTES

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + footprint(self.length)


def footprint(length: int) -> int:
    """The bytes that a record with a payload of `length` bytes takes in a segment."""
    return (RECORD_BYTES + length + ALIGN - 1) & -ALIGN


def padding(length: int) -> bytes:
    """The zero bytes after a payload of `length` bytes."""
    return _PADDING[: -(RECORD_BYTES + length) % ALIGN]


def owner_tag(cluster_id: str, fileserver_id: int) -> bytes:
    """16 bytes that stand for one fileserver of one cluster."""
    return blake3(f"cairn segment owner\0{cluster_id}\0{fileserver_id}".encode()).digest()[:16]


def pack_segment(header: SegmentHeader) -> bytes:
    """The 64 bytes of a segment header."""
    number, nonce, owner, first_record, previous, previous_end = header
    body = _SEGMENT.pack(
        SEGMENT_MAGIC, FORMAT, SEGMENT_BYTES, number, nonce, owner, first_record, previous, previous_end
    )
    return body + _CRC.pack(zlib.crc32(body))


def parse_segment(data: bytes) -> SegmentHeader | None:
    """The header in the first bytes of a segment; None if it is damaged or of another format."""
    if len(data) < SEGMENT_BYTES:
        return None
    magic, version, size, *values = _SEGMENT.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _SEGMENT.size)
    if (magic, version, size) != (SEGMENT_MAGIC, FORMAT, SEGMENT_BYTES):
        return None
    return SegmentHeader(*values) if crc == zlib.crc32(data[: _SEGMENT.size]) else None


def segment_format(data: bytes) -> int | None:
    """The format version that a segment claims; None if it does not look like a segment at all."""
    return int.from_bytes(data[8:10], "little") if data[:8] == SEGMENT_MAGIC else None


def pack_record(
    kind: int, nonce: int, offset: int, confirmed: int, number: int, begin: int, length: int, chunk: bytes
) -> bytes:
    """The 96 bytes before the payload of a chunk or touch record."""
    body = _RECORD.pack(
        RECORD_MAGIC,
        FORMAT,
        kind,
        RECORD_BYTES,
        nonce,
        offset // ALIGN,
        confirmed // ALIGN,
        number,
        begin,
        length,
        0,
        chunk,
        chunk[:8] if kind == CHUNK else _EMPTY_CHECK,
        0,
    )
    return body + _CRC.pack(zlib.crc32(body))


def parse_record(data: bytes, at: int, offset: int, nonce: int | None) -> Record | None:
    """The record header at `data[at:]`, which stands at `offset` of its segment; None if invalid.

    `nonce` None takes whatever nonce is there (a segment whose own header is damaged).
    """
    if at + RECORD_BYTES > len(data):
        return None
    magic, version, kind, size, own, block, confirmed, number, begin, length, _, chunk, check, _ = (
        _RECORD.unpack_from(data, at)
    )
    if magic != RECORD_MAGIC or version != FORMAT or size != RECORD_BYTES:
        return None
    if block * ALIGN != offset or (nonce is not None and own != nonce):
        return None
    (crc,) = _CRC.unpack_from(data, at + _RECORD.size)
    if crc != zlib.crc32(memoryview(data)[at : at + _RECORD.size]):
        return None
    return Record(kind, offset, confirmed * ALIGN, number, begin, length, Hash(chunk), check)


def record_nonce(data: bytes, at: int) -> int:
    """The nonce in a header that `parse_record` found valid."""
    return int.from_bytes(data[at + 8 : at + 16], "little")


def payload_fits(record: Record, payload: bytes | memoryview) -> bool:
    """Whether these are the bytes that the record was written with."""
    if len(payload) != record.length:
        return False
    digest = blake3(payload).digest()
    return digest == record.hash if record.kind == CHUNK else digest[:8] == record.check
