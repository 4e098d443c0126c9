"""A walk finds every record that is whole, whatever lies between them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.fileserver.disk import RealDisk
from cairnfs.fileserver.records import (
    ALIGN,
    CHUNK,
    RECORD_BYTES,
    SEGMENT_BYTES,
    Record,
    footprint,
    pack_record,
    padding,
)
from cairnfs.fileserver.walk import Gap, walk
from tests.unit.fileserver.shelves import datum, hash_of

NONCE = 99


def segment(payloads: list[bytes], nonce: int = NONCE) -> tuple[bytes, list[int]]:
    """A segment's bytes (its own header left blank) and where its records begin."""
    data, places = bytes(SEGMENT_BYTES), []
    for number, payload in enumerate(payloads):
        places.append(len(data))
        chunk = hash_of(payload)
        data += pack_record(CHUNK, nonce, len(data), 0, number, 1, len(payload), chunk)
        data += payload + padding(len(payload))
    return data, places


def found(path: Path, data: bytes, nonce: int | None = NONCE) -> list[Record | Gap]:
    path.write_bytes(data)
    return list(walk(RealDisk().open(path), SEGMENT_BYTES, len(data), nonce))


def offsets(items: list[Record | Gap]) -> list[int]:
    return [item.offset for item in items if isinstance(item, Record)]


PAYLOADS = [datum(1, 100), datum(2, 5000), datum(3, 1), datum(4, 300_000), datum(5, 64), datum(6, 40)]


def test_a_whole_segment_has_its_records_and_no_gap(tmp_path: Path) -> None:
    data, places = segment(PAYLOADS)
    items = found(tmp_path / "s", data)
    assert offsets(items) == places
    assert len(items) == len(places)


def test_a_segment_without_its_header_is_walked_by_its_first_record(tmp_path: Path) -> None:
    data, places = segment(PAYLOADS)
    assert offsets(found(tmp_path / "s", data, None)) == places


def test_what_lies_between_records_is_told_as_a_gap(tmp_path: Path) -> None:
    data, places = segment(PAYLOADS)
    broken = bytearray(data)
    broken[places[1]] ^= 1
    broken[places[3] + 40] ^= 1
    items = found(tmp_path / "s", bytes(broken))
    assert offsets(items) == [places[0], places[2], places[4], places[5]]
    assert [(gap.start, gap.end) for gap in items if isinstance(gap, Gap)] == [
        (places[1], places[2]),
        (places[3], places[4]),
    ]


def test_a_segment_torn_at_any_byte_keeps_the_records_before(tmp_path: Path) -> None:
    data, places = segment([datum(1, 50), datum(2, 200)])
    for length in range(places[1], len(data)):
        items = found(tmp_path / "s", data[:length])
        assert offsets(items) == [places[0]]
        assert [(gap.start, gap.end) for gap in items[1:] if isinstance(gap, Gap)] == (
            [(places[1], length)] if length > places[1] else []
        )


def test_a_chunk_that_looks_like_a_segment_is_not_walked_into(tmp_path: Path) -> None:
    inner, inner_places = segment([datum(7), datum(8)], nonce=NONCE + 1)
    copy, _ = segment([datum(9), datum(10)])  # even with this very segment's nonce
    data, places = segment([b"?" * 32 + inner[SEGMENT_BYTES:], b"?" * 32 + copy[SEGMENT_BYTES:], datum(11)])
    broken = bytearray(data)
    broken[places[0] + 20] ^= 1
    broken[places[1] + 20] ^= 1
    # The images lie on the grid, so only nonce and place tell them from records.
    assert all((places[0] + RECORD_BYTES + 32 + place - SEGMENT_BYTES) % ALIGN == 0 for place in inner_places)
    assert offsets(found(tmp_path / "s", bytes(broken))) == [places[2]]


@given(
    sizes=st.lists(st.sampled_from([1, 20, 64, 700, 40_000]), min_size=1, max_size=8),
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), max_size=4),
)
def test_flipped_bytes_cost_only_the_records_whose_headers_they_hit(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], flips: list[tuple[int, int]]
) -> None:
    data, places = segment([datum(number, size) for number, size in enumerate(sizes)])
    broken = bytearray(data)
    for place, mask in flips:
        broken[place % len(broken)] ^= mask
    whole = [at for at in places if broken[at : at + RECORD_BYTES] == data[at : at + RECORD_BYTES]]
    items = found(tmp_path_factory.getbasetemp() / "flipped", bytes(broken))
    assert offsets(items) == whole
    # Records and gaps cover the segment without holes or overlaps.
    spans = [(i.offset, i.end) if isinstance(i, Record) else (i.start, i.end) for i in items]
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert (spans[0][0], spans[-1][1]) == (SEGMENT_BYTES, len(data))
    assert sum(footprint(size) for size in sizes) == len(data) - SEGMENT_BYTES
