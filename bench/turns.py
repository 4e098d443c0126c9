"""Turns at one lock, and what they come to when laid side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Who asked so long ago waits by now.
SURELY_S = 0.01


@dataclass(frozen=True, slots=True)
class Turn:
    """One lock of one owner; times are CLOCK_MONOTONIC's, which all processes of a machine share.

    `asked`: before it was asked for; `granted`: when its owner knew that it has it; `released`: before it was
    given back.
    """

    fence: int
    asked: float
    granted: float
    released: float


def parse(replies: Iterable[Sequence[Mapping[str, float]]]) -> list[Turn]:
    """The turns of all workers, in the order of their fences. Raises AssertionError where two overlap."""
    turns = sorted(
        (Turn(**each) for reply in replies for each in reply),  # type: ignore[arg-type]
        key=lambda turn: turn.fence,
    )
    for one, following in pairwise(turns):
        assert one.fence < following.fence, "one fence for two"
        assert one.released <= following.granted, "two held it"
    return turns


def hand_overs_us(turns: Sequence[Turn]) -> list[float]:
    """From giving back to knowing, wherever the next one was surely waiting by then. Microseconds."""
    return [
        (following.granted - one.released) * 1e6
        for one, following in pairwise(turns)
        if following.asked < one.released - SURELY_S
    ]


def through_s(turns: Sequence[Turn]) -> float:
    """From the first one's giving back to the last one's having it."""
    return turns[-1].granted - turns[0].released
