"""Medians and percentiles, against their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.samples import Latency, Runs, latency, percentile

TIMES = st.lists(st.floats(min_value=0, max_value=1e9), min_size=1)


def test_runs_tell_their_median_and_their_ends() -> None:
    runs = Runs((3.0, 9.0, 1.0, 5.0))
    assert (runs.median, runs.least, runs.most) == (4.0, 1.0, 9.0)


def test_a_figure_without_a_run_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        Runs(())


def test_the_hundredth_of_a_hundred_is_beyond_the_99th_percentile() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert percentile(ordered, 0.5) == 50
    assert percentile(ordered, 0.99) == 99
    assert percentile(ordered, 1.0) == 100
    assert percentile(ordered, 0.0) == 1


@given(TIMES, st.floats(min_value=0, max_value=1))
def test_a_percentile_is_one_of_the_values_and_that_share_does_not_exceed_it(
    times: list[float], share: float
) -> None:
    ordered = sorted(times)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9 * len(ordered)


def test_latency_turns_microseconds_into_milliseconds_in_any_order() -> None:
    assert latency([3000, 1000, 2000]) == Latency(p50_ms=2.0, p99_ms=3.0, max_ms=3.0)


def test_no_operations_have_no_latency() -> None:
    assert latency([]) is None
