"""Times of leases: who holds stops before another begins, and times that break this are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnfs.core.leases import (
    LONGEST_MS,
    SHORTEST_MS,
    HeartbeatTimes,
    LeadTimes,
    LeaseTimes,
    Times,
    look_every_ms,
)
from cairnfs.errors import BadRequest


def test_the_times_that_hold_where_nobody_says_others() -> None:
    times = Times()
    assert times.sessions == LeaseTimes(renew_ms=5_000, suspend_ms=10_000, lease_ms=15_000)
    assert times.lead == LeadTimes(renew_ms=1_000, lease_ms=3_000)
    assert times.heartbeats == HeartbeatTimes(beat_ms=1_000, suspect_ms=3_000, down_ms=5_000, away_ms=30_000)


def test_times_of_sessions_as_they_are_written() -> None:
    times = LeaseTimes.parse("400:800:1200")
    assert times == LeaseTimes(renew_ms=400, suspend_ms=800, lease_ms=1_200)
    assert str(times) == "400:800:1200"


@pytest.mark.parametrize(
    "written", ["", "400", "400:800", "400:800:1200:1600", "a:b:c", "400: 800:1200", "-1:800:1200", "1e2:3:4"]
)
def test_what_is_no_times_is_told_how_they_read(written: str) -> None:
    with pytest.raises(BadRequest, match="RENEW:SUSPEND:END"):
        LeaseTimes.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        "800:400:1200",  # suspended although every renewal came through
        "400:1200:800",  # works on after the end
        "400:400:1200",
        "400:800:800",
        "99:800:1200",
        f"400:800:{LONGEST_MS + 1}",
        "0:0:0",
    ],
)
def test_times_that_break_the_rule_are_refused(written: str) -> None:
    with pytest.raises(BadRequest, match="have to grow"):
        LeaseTimes.parse(written)


@given(st.tuples(*[st.integers(0, 2 * LONGEST_MS)] * 3))
def test_whatever_is_accepted_lets_a_client_stop_before_its_locks_are_given_away(
    given_ms: tuple[int, int, int],
) -> None:
    try:
        times = LeaseTimes(*given_ms)
    except BadRequest:
        return
    assert SHORTEST_MS <= times.renew_ms < times.suspend_ms < times.lease_ms
    assert LeaseTimes.parse(str(times)) == times


@pytest.mark.parametrize(
    ("renew_ms", "lease_ms"), [(1_000, 1_000), (1_000, 2_000), (50, 3_000), (2_000, 1_000)]
)
def test_a_lead_outlasts_a_renewal_that_is_lost(renew_ms: int, lease_ms: int) -> None:
    with pytest.raises(BadRequest, match="two renewals"):
        LeadTimes(renew_ms, lease_ms)


@pytest.mark.parametrize(
    "times",
    [
        (1_000, 2_000, 5_000, 30_000),  # one lost heartbeat would count
        (1_000, 5_000, 3_000, 30_000),
        (1_000, 3_000, 30_000, 5_000),  # replaced before it is known to be down
        (0, 3_000, 5_000, 30_000),
    ],
)
def test_a_fileserver_is_suspect_then_down_then_away(times: tuple[int, int, int, int]) -> None:
    with pytest.raises(BadRequest, match="have to grow"):
        HeartbeatTimes(*times)


@pytest.mark.parametrize(
    ("lease_ms", "every_ms"), [(15_000, 1_000), (LONGEST_MS, 1_000), (1_200, 100), (240, 20)]
)
def test_short_leases_are_looked_at_often(lease_ms: int, every_ms: int) -> None:
    assert look_every_ms(lease_ms) == every_ms
