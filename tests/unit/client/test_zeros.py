"""Zeros: as many as asked for, in pieces, from one buffer."""

from __future__ import annotations

import pytest

from cairnfs.client.zeros import PIECE_BYTES, zeros


@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 7])
def test_so_many_zeros_come_in_pieces(length: int) -> None:
    pieces = list(zeros(length))
    assert b"".join(pieces) == bytes(length)
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


def test_full_pieces_are_one_buffer() -> None:
    first, second, _ = zeros(2 * PIECE_BYTES + 1)
    assert first is second
