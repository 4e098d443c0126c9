"""Ranges and conditions: HTTP's own rules, as tables."""

from __future__ import annotations

import pytest

from cairnfs.errors import BadRange
from cairnfs.gateways.http.conditions import http_date, judge, matches, range_counts
from cairnfs.gateways.http.ranges import wanted

NOW_US = 1_767_225_600_123_456
NOW = "Thu, 01 Jan 2026 00:00:00 GMT"
BEFORE = "Wed, 31 Dec 2025 23:59:59 GMT"


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=0-1000", (0, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-100", (0, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes = 1 - 2 ", (1, 3)),
        ("bytes=1-2,", (1, 3)),
        ("bytes=0-1,5-6", None),
        ("bytes=9-5", None),
        ("lines=1-2", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-2-3", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges_of_a_hundred_bytes(header: str | None, span: tuple[int, int] | None) -> None:
    assert wanted(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=5000-"])
def test_ranges_outside_a_hundred_bytes(header: str) -> None:
    with pytest.raises(BadRange):
        wanted(header, 100)


def test_an_empty_file_has_no_first_byte() -> None:
    with pytest.raises(BadRange):
        wanted("bytes=0-", 0)
    assert wanted("bytes=-5", 0) is None


@pytest.mark.parametrize(
    ("header", "weak", "expected"),
    [
        ("*", False, True),
        ('"1.2.3"', False, True),
        ('"9.9.9", "1.2.3"', False, True),
        ('"9.9.9"', False, False),
        ('W/"1.2.3"', False, False),
        ('W/"1.2.3"', True, True),
        ("1.2.3", False, False),
        ("", False, False),
    ],
)
def test_lists_of_tags(header: str, weak: bool, expected: bool) -> None:
    assert matches(header, "1.2.3", weak=weak) is expected
    assert not matches(header, None, weak=weak)


@pytest.mark.parametrize(
    ("headers", "reading", "writing"),
    [
        ({}, "go", "go"),
        ({"if-match": '"1.2.3"'}, "go", "go"),
        ({"if-match": "*"}, "go", "go"),
        ({"if-match": '"9.9.9"'}, "failed", "failed"),
        ({"if-none-match": '"1.2.3"'}, "unchanged", "failed"),
        ({"if-none-match": "*"}, "unchanged", "failed"),
        ({"if-none-match": '"9.9.9"'}, "go", "go"),
        ({"if-modified-since": NOW}, "unchanged", "go"),
        ({"if-modified-since": BEFORE}, "go", "go"),
        ({"if-modified-since": "nonsense"}, "go", "go"),
        ({"if-unmodified-since": NOW}, "go", "go"),
        ({"if-unmodified-since": BEFORE}, "failed", "failed"),
        ({"if-none-match": '"9.9.9"', "if-modified-since": NOW}, "go", "go"),
        ({"if-match": '"1.2.3"', "if-unmodified-since": BEFORE}, "go", "go"),
        ({"if-match": '"1.2.3"', "if-none-match": '"1.2.3"'}, "unchanged", "failed"),
    ],
)
def test_conditions_on_what_is_there(headers: dict[str, str], reading: str, writing: str) -> None:
    assert judge(headers, "1.2.3", NOW_US, reading=True) == reading
    assert judge(headers, "1.2.3", NOW_US, reading=False) == writing


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "go"),
        ({"if-match": "*"}, "failed"),
        ({"if-match": '"1.2.3"'}, "failed"),
        ({"if-none-match": "*"}, "go"),
        ({"if-none-match": '"1.2.3"'}, "go"),
        ({"if-unmodified-since": NOW}, "failed"),
    ],
)
def test_conditions_on_nothing(headers: dict[str, str], expected: str) -> None:
    assert judge(headers, None, 0, reading=False) == expected


@pytest.mark.parametrize(
    ("header", "counts"),
    [
        (None, True),
        ('"1.2.3"', True),
        ('"9.9.9"', False),
        ('W/"1.2.3"', False),
        (NOW, True),
        (BEFORE, False),
        ("x", False),
    ],
)
def test_if_range(header: str | None, counts: bool) -> None:
    assert range_counts({} if header is None else {"if-range": header}, "1.2.3", NOW_US) is counts


def test_dates_are_written_as_http_writes_them() -> None:
    assert http_date(NOW_US) == NOW
