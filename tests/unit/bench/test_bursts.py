"""Bursts end by time or by count, and lie side by side."""

from __future__ import annotations

import json

import pytest

from bench.bursts import Burst, burst, parse, rate


def test_a_burst_ends_at_its_count() -> None:
    seen: list[int] = []
    done = burst(seen.append, seconds=60, most=5)
    assert seen == [0, 1, 2, 3, 4]
    assert len(done.times_us) == done.units == 5
    assert sum(done.times_us) == pytest.approx((done.ended - done.began) * 1e6)


def test_a_burst_ends_when_its_time_is_up_but_does_something() -> None:
    assert burst(lambda _: None, seconds=0, most=100).units == 1


def test_a_burst_begins_when_it_is_told() -> None:
    first = burst(lambda _: None, seconds=0, most=1)
    later = burst(lambda _: None, seconds=0, most=1, start_at=first.ended + 0.02)
    assert later.began >= first.ended + 0.02


def test_the_rate_of_many_counts_from_the_first_start_to_the_last_end() -> None:
    assert rate([Burst(10, 12, [], 30), Burst(11, 14, [], 10)]) == 10


def test_a_burst_survives_the_way_from_the_worker() -> None:
    sent = Burst(1.5, 2.5, [10.0, 20.0], 2)
    assert parse(json.loads(json.dumps(sent.reply()))) == sent
