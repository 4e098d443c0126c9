"""Content is the same for the same seed, of the asked length, and does not repeat."""

from __future__ import annotations

from bench.content import PIECE, pieces


def test_the_length_is_exact_and_pieces_are_bounded() -> None:
    for size in (0, 1, PIECE - 1, PIECE, 2 * PIECE + 5):
        found = list(pieces(1, size))
        assert sum(map(len, found)) == size
        assert all(0 < len(piece) <= PIECE for piece in found)


def test_a_seed_gives_its_own_content_again_and_no_two_pieces_are_equal() -> None:
    first, second = pieces(1, 2 * PIECE)
    assert [first, second] == list(pieces(1, 2 * PIECE))
    assert len({first, second, *pieces(2, PIECE)}) == 3
