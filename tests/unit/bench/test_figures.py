"""Marks are met from the right side, and ratios are Cairn's over the machine's."""

from __future__ import annotations

from bench.figures import Figure, Limit, Mark
from bench.samples import Runs


def _figure(value: float, *, limit: float | None = None, mark: Mark | None = None) -> Figure:
    beside = None if limit is None else Limit("plain", Runs((limit,)))
    return Figure("write", "python", "files/s", Runs((value,)), limit=beside, mark=mark)


def test_a_rate_meets_its_mark_from_above_and_a_size_from_below() -> None:
    assert _figure(600, mark=Mark(600)).met
    assert not _figure(599, mark=Mark(600)).met
    assert _figure(64, mark=Mark(64, at_most=True)).met
    assert not _figure(65, mark=Mark(64, at_most=True)).met


def test_nothing_is_met_or_missed_without_a_mark() -> None:
    assert _figure(1).met is None


def test_the_ratio_is_of_medians() -> None:
    assert _figure(50, limit=200).ratio == 0.25
    assert _figure(50).ratio is None
    assert _figure(50, limit=0).ratio is None
