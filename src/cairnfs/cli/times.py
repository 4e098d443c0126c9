"""Times that commands are given: RFC 3339 with up to nine digits behind the second. Pure, any thread."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cairnfs.core.moment import EARLIEST_US, LATEST_US
from cairnfs.errors import BadRequest

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(text: str) -> int:
    """The time in ns since 1970. Raises BadRequest."""
    read = _TIME.fullmatch(text)
    if read is None:
        raise BadRequest(
            f"cannot read {text[:80]!r} as a time",
            hint="write it like 2026-11-22T10:00Z or 2026-11-22T10:00:00.123456789+01:00",
        )
    day, minute, second, fraction, zone = read.groups()
    try:
        when = datetime.fromisoformat(f"{day}T{minute}:{second or '00'}{zone.upper()}")
        whole_us = (when - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"no such time: {text}") from error
    if not EARLIEST_US <= whole_us <= LATEST_US:
        raise BadRequest(f"a file's time cannot be {text}", hint="it lies in the years 1 to 9999")
    return whole_us * 1000 + int((fraction or "").ljust(9, "0"))
