"""Chunking: frozen cut points, and cuts that depend on content alone."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnfs.core import chunking
from cairnfs.core.chunking import Splitter, split

KIB, MIB = 1024, 1024 * 1024

# Bytes of SHAKE-128 of the seed, and the chunks that they are cut into. These never change: a
# difference here means that files stored before would no longer share chunks with files stored now.
GOLDEN: tuple[tuple[bytes, int, list[int]], ...] = (
    (b"", 0, []),
    (b"one byte", 1, [1]),
    (b"a mebibyte", MIB, [MIB]),
    (b"a mebibyte and a byte", MIB + 1, [1_040_518, 8_059]),
    (
        b"cairn",
        12 * MIB,
        [
            473_877,
            1_529_459,
            1_147_880,
            1_543_836,
            1_242_117,
            1_447_229,
            1_422_645,
            1_731_912,
            1_273_041,
            770_916,
        ],
    ),
    (
        b"stone upon stone",
        9 * MIB + 12345,
        [1_256_285, 1_684_322, 1_023_938, 1_072_716, 265_358, 1_203_745, 1_240_536, 1_058_003, 644_626],
    ),
)


def content(seed: bytes, size: int) -> bytes:
    return hashlib.shake_128(seed).digest(size)


def cut(pieces: Iterable[bytes]) -> list[bytes]:
    splitter = Splitter()
    chunks = [chunk for piece in pieces for chunk in splitter.feed(piece)]
    return [*chunks, *splitter.finish()]


def pieces_of(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(edge % (len(data) + 1) for edge in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize(("seed", "size", "lengths"), GOLDEN)
def test_the_cut_points_never_change(seed: bytes, size: int, lengths: list[int]) -> None:
    data = content(seed, size)
    chunks = cut([data])
    assert [len(chunk) for chunk in chunks] == lengths
    assert b"".join(chunks) == data
    assert [bytes(view) for view in split(data)] == chunks


def test_bytes_without_structure_are_cut_at_the_maximum() -> None:
    data = bytes(10 * MIB)
    assert [len(chunk) for chunk in cut([data])] == [4 * MIB, 4 * MIB, 2 * MIB]


@pytest.fixture(scope="module")
def long_content() -> bytes:
    return content(b"fed in many ways", 11 * MIB)


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, 11 * MIB), max_size=40))
def test_cuts_do_not_depend_on_how_the_bytes_were_fed(long_content: bytes, cuts: list[int]) -> None:
    assert cut(pieces_of(long_content, cuts)) == cut([long_content])


@pytest.mark.parametrize("step", [1000, 64 * KIB, MIB - 1, 5 * MIB])
def test_even_feeding_gives_the_same_cuts(long_content: bytes, step: int) -> None:
    pieces = [long_content[at : at + step] for at in range(0, len(long_content), step)]
    assert cut(pieces) == [bytes(view) for view in split(long_content)]


@settings(max_examples=30)
@given(size=st.integers(MIB - 2, 6 * MIB), seed=st.binary(min_size=1, max_size=8))
def test_chunks_keep_their_limits(size: int, seed: bytes) -> None:
    chunks = cut([content(seed, size)])
    assert sum(map(len, chunks)) == size
    assert all(chunking.CUT_MIN_BYTES <= len(chunk) <= chunking.CUT_MAX_BYTES for chunk in chunks[:-1])


def test_a_changed_byte_changes_the_chunk_around_it_alone(seed: int) -> None:
    data = bytearray(content(b"edited", 24 * MIB))
    before = set(cut([bytes(data)]))
    data[random.Random(seed).randrange(len(data))] ^= 1
    after = cut([bytes(data)])
    assert len([chunk for chunk in after if chunk not in before]) <= 3


def test_inserted_bytes_leave_the_later_chunks_as_they_were() -> None:
    data = content(b"inserted", 16 * MIB)
    before = set(cut([data]))
    after = cut([data[: 3 * MIB], b"a few more bytes", data[3 * MIB :]])
    assert len([chunk for chunk in after if chunk not in before]) <= 3


def test_a_splitter_holds_eight_mebibytes_whatever_it_is_fed(long_content: bytes) -> None:
    splitter = Splitter()
    for _ in splitter.feed(long_content * 3):
        assert len(splitter._buffer) <= 8 * MIB
    assert splitter._end - splitter._start < chunking.CUT_MAX_BYTES


def test_the_pure_python_fallback_is_refused() -> None:
    program = (
        "import sys, warnings; warnings.simplefilter('ignore'); sys.modules['pyfastcdc.cy'] = None\n"
        "import cairnfs.core.chunking"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs the compiled pyfastcdc" in done.stderr


@pytest.mark.parametrize(
    ("gap", "last", "kept"),
    [
        ((0, 64 * KIB), False, (0, 64 * KIB)),
        ((0, 64 * KIB - 1), False, None),
        ((0, 64 * KIB - 1), True, None),
        ((1, 68 * KIB), False, (4 * KIB, 68 * KIB)),
        ((1, 64 * KIB + 1), False, None),
        ((4 * KIB, 100 * KIB + 4095), False, (4 * KIB, 100 * KIB)),
        ((4 * KIB, 100 * KIB + 4095), True, (4 * KIB, 100 * KIB + 4095)),
        ((5, 5), True, None),
        ((9, 2), True, None),
    ],
)
def test_which_gaps_are_holes(gap: tuple[int, int], last: bool, kept: tuple[int, int] | None) -> None:
    assert chunking.hole(*gap, last=last) == kept


def test_a_hole_may_have_to_be_longer() -> None:
    assert chunking.hole(0, MIB, last=False, least=MIB + 1) is None
    assert chunking.hole(0, MIB, last=False, least=MIB) == (0, MIB)
