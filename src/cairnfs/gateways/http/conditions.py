"""Conditional requests (RFC 9110, 13): what If-Match and its kin say about a version. Pure, any thread.

Cairn's ETags are strong. A list of tags is read leniently: what is no tag matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal

_TAG = re.compile(r'(W/)?"([^"\x00-\x20\x7f]*)"')

Verdict = Literal["go", "unchanged", "failed"]


def quoted(etag: str) -> str:
    """An ETag as a header carries it."""
    return f'"{etag}"'


def http_date(at_us: int) -> str:
    """A time (µs since 1970) as a header carries it."""
    return format_datetime(datetime.fromtimestamp(at_us // 1_000_000, UTC), usegmt=True)


def tags(header: str, *, weak: bool) -> set[str]:
    """The ETags in a list; `weak` ones only where a weak comparison is made."""
    return {tag for mark, tag in _TAG.findall(header) if weak or not mark}


def matches(header: str, etag: str | None, *, weak: bool = False) -> bool:
    """Whether the present version (None: nothing is there) is in the list; `*` is anything that is there."""
    if header.strip() == "*":
        return etag is not None
    return etag is not None and etag in tags(header, weak=weak)


def judge(headers: Mapping[str, str], etag: str | None, mtime_us: int, *, reading: bool) -> Verdict:
    """What the conditions say about a version: go on, it is unchanged (304), or they failed (412)."""
    if (if_match := headers.get("if-match")) is not None:
        if not matches(if_match, etag):
            return "failed"
    elif (since := _date(headers.get("if-unmodified-since"))) is not None and _changed(etag, mtime_us, since):
        return "failed"
    if (if_none_match := headers.get("if-none-match")) is not None:
        if matches(if_none_match, etag, weak=True):
            return "unchanged" if reading else "failed"
    elif (
        reading
        and (since := _date(headers.get("if-modified-since"))) is not None
        and not _changed(etag, mtime_us, since)
    ):
        return "unchanged"
    return "go"


def range_counts(headers: Mapping[str, str], etag: str, mtime_us: int) -> bool:
    """Whether If-Range, where there is one, still speaks of this version."""
    if_range = headers.get("if-range")
    if if_range is None:
        return True
    if '"' in if_range:
        return matches(if_range, etag)
    # A date is only as good as its second; the standard asks for an exact match.
    return _date(if_range) == mtime_us // 1_000_000


def _date(header: str | None) -> int | None:
    """Seconds since 1970; None for no date or what is none."""
    if header is None:
        return None
    try:
        return int(parsedate_to_datetime(header).timestamp())
    except (ValueError, OverflowError):
        return None


def _changed(etag: str | None, mtime_us: int, since: int) -> bool:
    return etag is None or mtime_us // 1_000_000 > since
