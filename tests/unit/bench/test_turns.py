"""Turns at one lock are laid in a row by their fences, and a row that cannot be is refused."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from bench import turns
from bench.turns import Turn

HOLDER = Turn(fence=3, asked=0.0, granted=0.5, released=4.0)
FIRST = Turn(fence=5, asked=1.0, granted=4.25, released=4.5)
SECOND = Turn(fence=9, asked=1.25, granted=5.0, released=5.5)


def test_workers_turns_are_put_in_the_order_of_their_fences() -> None:
    assert turns.parse([[asdict(SECOND)], [asdict(HOLDER), asdict(FIRST)]]) == [HOLDER, FIRST, SECOND]


def test_a_hand_over_is_from_giving_back_to_knowing() -> None:
    assert turns.hand_overs_us([HOLDER, FIRST, SECOND]) == [250_000, 500_000]


def test_who_came_when_the_lock_was_free_or_nearly_so_was_handed_nothing() -> None:
    late = Turn(fence=9, asked=4.75, granted=5.0, released=5.5)
    hardly_waiting = Turn(fence=11, asked=5.5 - turns.SURELY_S / 2, granted=6.0, released=6.0)
    assert turns.hand_overs_us([FIRST, late, hardly_waiting]) == []


def test_getting_through_is_from_the_first_giving_back_to_the_last_having() -> None:
    assert turns.through_s([HOLDER, FIRST, SECOND]) == 1.0


def test_two_that_hold_at_once_are_found() -> None:
    overlapping = Turn(fence=9, asked=1.25, granted=4.4, released=5.5)
    with pytest.raises(AssertionError, match="two held it"):
        turns.parse([[asdict(FIRST), asdict(overlapping)]])
    with pytest.raises(AssertionError, match="one fence for two"):
        turns.parse([[asdict(FIRST)], [asdict(FIRST)]])
