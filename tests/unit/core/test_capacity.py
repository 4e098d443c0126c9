"""How much fits where every byte has copies on several fileservers."""

from __future__ import annotations

import random

import pytest

from cairnfs.core.capacity import room


@pytest.mark.parametrize(
    ("free", "copies", "fits"),
    [
        ([], 1, 0),
        ([10, 10], 3, 0),
        ([10, 10, 10], 3, 10),
        ([10, 20, 30], 3, 10),
        ([10, 20, 30], 1, 60),
        ([10, 10, 10, 10], 2, 20),
        ([100, 1, 1], 2, 2),
        ([100, 1, 1], 3, 1),
        ([0, 0, 0], 1, 0),
    ],
)
def test_what_fits(free: list[int], copies: int, fits: int) -> None:
    assert room(free, copies) == fits


def test_no_more_fits_and_no_less(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(2_000):
        free = [rng.randrange(20) for _ in range(rng.randint(1, 6))]
        copies = rng.randint(1, min(4, len(free)))
        fits = room(free, copies)
        assert sum(min(one, fits) for one in free) >= copies * fits
        assert sum(min(one, fits + 1) for one in free) < copies * (fits + 1)
