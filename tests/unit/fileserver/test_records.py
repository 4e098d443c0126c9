"""The bytes of the format are frozen: a record written today is read in ten years."""

from __future__ import annotations

import pytest
from blake3 import blake3

from cairnfs.fileserver.records import (
    ALIGN,
    CHUNK,
    RECORD_BYTES,
    SEGMENT_BYTES,
    TOUCH,
    SegmentHeader,
    footprint,
    owner_tag,
    pack_record,
    pack_segment,
    padding,
    parse_record,
    parse_segment,
    payload_fits,
    segment_format,
)

NONCE = 0x1122334455667788
HELLO = b"Hello, World!\n"
HELLO_HASH = blake3(HELLO).digest()

# Taken from the format's description in docs/design/0004-chunk-store.md, field by field.
GOLDEN_SEGMENT = (
    "434149524e534547"  # "CAIRNSEG"
    "0100"  # format 1
    "4000"  # 64 bytes of header
    "03000000"  # segment 3
    "8877665544332211"  # nonce
    "000102030405060708090a0b0c0d0e0f"  # owner
    "0000000005000000"  # first record: the fifth opening's
    "02000000"  # segment 2 came before
    "c010000000000000"  # and was durable up to 4288
    "3bbb16ec"  # CRC-32
)
GOLDEN_CHUNK = (
    "c5526563"  # magic
    "01"  # format 1
    "01"  # a chunk
    "6000"  # 96 bytes of header
    "8877665544332211"  # nonce
    "03000000"  # at 3 * 64
    "01000000"  # the segment was durable up to 64
    "0900000005000000"  # record number
    "2a00000000000000"  # begun at commit 42
    "0e000000"  # 14 bytes
    "00000000"
    "HASH"
    "CHECK"
    "00000000"
    "CRC0"
)


def header(kind: int = CHUNK, offset: int = 192) -> bytes:
    return pack_record(kind, NONCE, offset, 64, (5 << 32) + 9, 42, len(HELLO), HELLO_HASH)


def test_the_golden_segment_header() -> None:
    value = SegmentHeader(3, NONCE, bytes(range(16)), 5 << 32, 2, 4288)
    packed = pack_segment(value)
    assert packed.hex() == GOLDEN_SEGMENT
    assert parse_segment(packed) == value
    assert segment_format(packed) == 1


def test_the_golden_chunk_record() -> None:
    packed = header()
    golden = GOLDEN_CHUNK.replace("HASH", HELLO_HASH.hex()).replace("CHECK", HELLO_HASH[:8].hex())
    assert packed[:-4].hex() == golden.removesuffix("CRC0")
    assert packed[-4:].hex() == "31ffe8a8"
    record = parse_record(packed, 0, 192, NONCE)
    assert record is not None
    assert (record.kind, record.number, record.begin, record.length) == (CHUNK, (5 << 32) + 9, 42, 14)
    assert (record.hash, record.offset, record.confirmed) == (HELLO_HASH, 192, 64)
    assert (record.payload_offset, record.end) == (288, 320)


def test_the_golden_touch_record() -> None:
    packed = pack_record(TOUCH, NONCE, 64, 0, 1, 7, 0, HELLO_HASH)
    record = parse_record(packed, 0, 64, NONCE)
    assert record is not None
    assert record.check == blake3(b"").digest()[:8]
    assert payload_fits(record, b"")
    assert packed[-4:].hex() == "0c1e4fdf"


def test_the_owner_tag_is_frozen_too() -> None:
    assert owner_tag("c1", 7).hex() == "49574a8071a62f3b43cb0ef4b63812ed"


def test_a_record_header_with_any_bit_flipped_is_none() -> None:
    for bit in range(RECORD_BYTES * 8):
        packed = bytearray(header())
        packed[bit // 8] ^= 1 << bit % 8
        assert parse_record(bytes(packed), 0, 192, NONCE) is None, bit
        assert parse_record(bytes(packed), 0, 192, None) is None, bit


def test_a_segment_header_with_any_bit_flipped_is_none() -> None:
    for bit in range(SEGMENT_BYTES * 8):
        packed = bytearray(pack_segment(SegmentHeader(3, NONCE, bytes(16), 1, 2, 64)))
        packed[bit // 8] ^= 1 << bit % 8
        assert parse_segment(bytes(packed)) is None, bit


def test_a_record_counts_only_where_it_was_written_and_in_its_segment() -> None:
    packed = header(offset=192)
    assert parse_record(packed, 0, 256, NONCE) is None
    assert parse_record(packed, 0, 192, NONCE + 1) is None
    assert parse_record(b"\0" * 64 + packed, 64, 192, NONCE) is not None


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 4096, 1 << 20])
def test_records_end_on_the_grid(length: int) -> None:
    assert footprint(length) % ALIGN == 0
    assert footprint(length) - ALIGN < RECORD_BYTES + length <= footprint(length)
    assert RECORD_BYTES + length + len(padding(length)) == footprint(length)


def test_a_payload_fits_its_record_and_no_other_bytes_do() -> None:
    record = parse_record(header(), 0, 192, NONCE)
    assert record is not None
    assert payload_fits(record, HELLO)
    assert payload_fits(record, memoryview(HELLO))
    assert not payload_fits(record, HELLO[:-1])
    assert not payload_fits(record, HELLO[:-1] + b"?")
