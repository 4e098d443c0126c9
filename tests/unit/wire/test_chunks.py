"""Frames: cut anywhere, they come out as they went in; broken ones are refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.core.manifest import CHUNK_MAX_BYTES
from cairnfs.errors import LengthMismatch, TooLarge
from cairnfs.ids import Hash
from cairnfs.wire.chunks import CHUNK, CORRUPT, HEAD_BYTES, MISSING, Deframer, head

Frame = tuple[Hash, int, bytes]

frames_of = st.lists(
    st.tuples(
        st.binary(min_size=32, max_size=32).map(Hash),
        st.sampled_from([CHUNK, MISSING, CORRUPT]),
        st.binary(max_size=300),
    ),
    max_size=8,
)


def row(frames: list[Frame]) -> bytes:
    return b"".join(head(chunk, len(payload), state) + payload for chunk, state, payload in frames)


def test_a_frame_on_the_wire() -> None:
    """The published form; a change here is a change of the protocol."""
    said = head(Hash(bytes(range(32))), 0x01020304)
    assert said == bytes(range(32)) + b"\x00" + b"\x04\x03\x02\x01"
    assert len(said) == HEAD_BYTES == 37
    assert head(Hash(bytes(32)), 0, MISSING)[32] == 1
    assert head(Hash(bytes(32)), 0, CORRUPT)[32] == 2


@given(frames=frames_of, cuts=st.lists(st.integers(0, 3000), max_size=20))
def test_wherever_the_row_is_cut_the_frames_are_the_same(frames: list[Frame], cuts: list[int]) -> None:
    sent = row(frames)
    at = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    deframer = Deframer()
    got = [frame for start, end in itertools.pairwise(at) for frame in deframer.feed(sent[start:end])]
    deframer.finish()
    assert got == frames


@given(frames=frames_of.filter(bool), missing=st.integers(1, 36))
def test_a_row_that_ends_inside_a_frame_is_refused(frames: list[Frame], missing: int) -> None:
    sent = row(frames)
    whole = {len(row(frames[:count])) for count in range(len(frames) + 1)}
    deframer = Deframer()
    list(deframer.feed(sent[:-missing]))
    if len(sent) - missing in whole:
        deframer.finish()
    else:
        with pytest.raises(LengthMismatch):
            deframer.finish()


def test_the_largest_chunk_passes_and_a_larger_one_does_not() -> None:
    largest = Deframer()
    (frame,) = largest.feed(head(Hash(bytes(32)), CHUNK_MAX_BYTES) + bytes(CHUNK_MAX_BYTES))
    assert len(frame[2]) == CHUNK_MAX_BYTES
    with pytest.raises(TooLarge, match="a chunk has at most"):
        list(Deframer().feed(head(Hash(bytes(32)), CHUNK_MAX_BYTES + 1)))


def test_a_row_over_its_limit_is_refused_before_it_is_whole() -> None:
    deframer = Deframer(limit_bytes=100)
    assert list(deframer.feed(head(Hash(bytes(32)), 80) + bytes(63))) == []
    with pytest.raises(TooLarge, match="over its limit"):
        list(deframer.feed(b"x"))


def test_answers_to_ones_own_question_have_no_limit() -> None:
    deframer = Deframer(limit_bytes=None)
    piece = row([(Hash(bytes(32)), CHUNK, bytes(1_000_000))])
    assert sum(len(list(deframer.feed(piece))) for _ in range(40)) == 40
