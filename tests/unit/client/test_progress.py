"""How far, how fast, how long: by a clock that is moved by hand."""

from __future__ import annotations

import pytest

from cairnfs.client.progress import RATE_S, Meter, Part, time_left
from cairnfs.client.results import Progress
from cairnfs.testing.clock import ManualClock

MB = 1_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_it_is_told_ten_times_a_second_at_most(clock: ManualClock) -> None:
    told: list[Progress] = []
    meter = Meter(clock, told.append)
    for _ in range(100):
        clock.advance(0.01)
        meter.moved(1)
    assert 9 <= len(told) <= 11
    meter.finish()
    assert (told[-1].bytes_done, told[-1].bytes_total) == (100, 100)


def test_nobody_listens_and_nothing_is_told(clock: ManualClock) -> None:
    meter = Meter(clock, None)
    meter.moved(5)
    meter.enter("committing")
    assert not meter.listened


def test_rates_are_of_the_last_seconds(clock: ManualClock) -> None:
    told: list[Progress] = []
    meter = Meter(clock, told.append)
    meter.files_total, meter.bytes_total = 1000, 100 * MB

    def go(seconds: int, each: int) -> Progress:
        for _ in range(seconds * 5):
            clock.advance(0.2)
            meter.moved(each)
            meter.done()
        return told[-1]

    meter.moved(0)
    assert (told[0].bytes_per_s, told[0].files_per_s, told[0].left_s) == (None, None, None)
    slow = go(10, MB // 10)
    assert slow.bytes_per_s == pytest.approx(MB / 2, rel=0.05)
    assert slow.files_per_s == pytest.approx(5, rel=0.05)
    fast = go(round(RATE_S) + 1, MB)
    assert fast.bytes_per_s == pytest.approx(5 * MB, rel=0.05), "what was before is forgotten"
    left = 100 * MB - fast.bytes_done
    assert fast.left_s == pytest.approx(max(left / (5 * MB), (1000 - fast.files_done) / 5), rel=0.1)


def test_standing_still_is_told_as_such(clock: ManualClock) -> None:
    told: list[Progress] = []
    meter = Meter(clock, told.append)
    meter.files_total, meter.bytes_total = 2, 10 * MB
    for _ in range(20):
        clock.advance(0.2)
        meter.moved(1000)
    for _ in range(60):
        clock.advance(0.2)
        meter.moved(0)
    assert told[-1].bytes_per_s == 0
    assert told[-1].left_s is None, "nothing tells"


def test_a_phase_begins_with_no_rate(clock: ManualClock) -> None:
    told: list[Progress] = []
    meter = Meter(clock, told.append, "looking")
    for _ in range(10):
        clock.advance(0.2)
        meter.moved(MB)
    assert told[-1].bytes_per_s is not None
    meter.enter("sending")
    assert told[-1].phase == "sending"
    assert [one.bytes_per_s for one in told[-1:]] == [None]
    said = len(told)
    meter.enter("sending")
    assert len(told) == said


def test_what_has_to_be_done_again_is_taken_back(clock: ManualClock) -> None:
    meter = Meter(clock, None)
    kept = Part(meter)
    kept.moved(5)
    kept.done()
    part = Part(meter)
    part.moved(7)
    part.done()
    part.undo()
    assert (meter.files, meter.bytes) == (1, 5)
    part.undo()
    assert (meter.files, meter.bytes) == (1, 5), "once is enough"


@pytest.mark.parametrize(
    ("files_left", "bytes_left", "files_per_s", "bytes_per_s", "left_s"),
    [
        (10, 100, 1.0, 100.0, 10.0),
        (1, 1000, 1.0, 100.0, 10.0),
        (None, 1000, 5.0, 100.0, 10.0),
        (10, None, 5.0, None, 2.0),
        (0, 0, 5.0, 100.0, None),
        (None, None, 5.0, 100.0, None),
        (10, 1000, None, None, None),
        (10, 0, 0.0, 0.0, 0.0),
    ],
)
def test_the_slower_of_both_tells_how_long(
    files_left: int | None,
    bytes_left: int | None,
    files_per_s: float | None,
    bytes_per_s: float | None,
    left_s: float | None,
) -> None:
    assert time_left(files_left, bytes_left, files_per_s, bytes_per_s) == left_s
