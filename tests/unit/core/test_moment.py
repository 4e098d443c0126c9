"""What --at may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cairnfs.core.moment import EARLIEST_US, LATEST_US, Moment, parse, snapshot_name
from cairnfs.errors import BadRequest

NOON_US = 1_795_348_800_000_000  # 2026-11-22T12:00:00Z


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("0", Moment(commit=0)),
        ("41", Moment(commit=41)),
        ("2026-11-22T12:00Z", Moment(at_us=NOON_US)),
        ("2026-11-22 12:00:00z", Moment(at_us=NOON_US)),
        ("2026-11-22T12:00:00.000001Z", Moment(at_us=NOON_US + 1)),
        ("2026-11-22T14:00+02:00", Moment(at_us=NOON_US)),
        ("2026-11-22T11:30:00-00:30", Moment(at_us=NOON_US)),
        ("30s", Moment(ago_us=30_000_000)),
        ("10m", Moment(ago_us=600_000_000)),
        ("2h", Moment(ago_us=7_200_000_000)),
        ("1d", Moment(ago_us=86_400_000_000)),
        ("1w", Moment(ago_us=604_800_000_000)),
        ("0m", Moment(ago_us=0)),
        ("yesterday", Moment(snapshot="yesterday")),
        ("now", Moment()),
        ("Now", Moment(snapshot="Now")),
        ("m", Moment(snapshot="m")),
        ("Before_1.0-rc.2", Moment(snapshot="Before_1.0-rc.2")),
        ("T" + "0" * 63, Moment(snapshot="T" + "0" * 63)),
    ],
)
def test_it_reads(text: str, meaning: Moment) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    "text",
    ["", "-1", "10 m", "10M", "1.5h", "2026-11-22", "2026-11-22T12:00", "2026-11-22T25:00Z",
     "2026-02-30T12:00Z", "2026-11-22T12:00:00.1234567Z", "41.5", "٤١", "1" * 19, "1" * 10 + "s", " 41",
     "a b", "a/b", "ä", "_a", ".a", "a\n", "T" + "0" * 64],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text)


@pytest.mark.parametrize("at_us", [EARLIEST_US, LATEST_US])
@pytest.mark.parametrize("hours", [-14, 14])
def test_the_outermost_times_of_files_are_dates_in_every_zone(at_us: int, hours: int) -> None:
    when = datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone(timezone(timedelta(hours=hours)))
    assert 1 <= when.year <= 9999


def test_now_is_no_name_of_a_snapshot() -> None:
    assert snapshot_name("nowadays") == "nowadays"
    with pytest.raises(BadRequest):
        snapshot_name("now")
