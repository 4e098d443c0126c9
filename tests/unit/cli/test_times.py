"""Times as touch takes them."""

from __future__ import annotations

import pytest

from cairnfs.cli.output import moment, moment_rfc3339
from cairnfs.cli.times import nanoseconds
from cairnfs.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01t00:00:01.5z", 1_500_000_000),
        ("1970-01-01 01:00:00.123456789+01:00", 123_456_789),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2026-11-22T10:00:00Z", 1_795_341_600_000_000_000),
    ],
)
def test_a_time_to_the_nanosecond(text: str, ns: int) -> None:
    assert nanoseconds(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-22",
        "2026-11-22T10:00",
        "2026-13-01T00:00Z",
        "2026-11-22T10:00:60Z",
        "2026-11-22T10:00:00.1234567890Z",
        "0001-01-01T00:00Z",
        "9999-12-31T23:59Z",
        "@5",
        "2026-11-22T25:00Z",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadRequest):
        nanoseconds(text)


def test_what_is_shown_is_what_was_set() -> None:
    for text in (
        "2026-01-02T03:04:05.123456789Z",
        "1969-12-31T23:59:59.999999999Z",
        "9998-07-01T00:00:00.000000001Z",
    ):
        us, sub_ns = divmod(nanoseconds(text), 1000)
        assert moment_rfc3339(us, sub_ns) == text
        assert f".{text[20:-1]} " in moment(us, full=True, sub_ns=sub_ns)
    assert moment_rfc3339(1_500_000) == "1970-01-01T00:00:01.500000Z"
    assert moment(0, full=True).startswith("19")
