"""What `--at` may say: a commit number, a time, or how long ago.

`41` is a commit; `2026-11-22T10:00Z` (RFC 3339, seconds optional, zone required) a time;
`10m` (s, m, h, d, w) so long before the server's now. Pure, any thread.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from cairnfs.errors import BadRequest

#: The years 1 to 9999 but for their outermost days: in every zone a date can be made of it.
EARLIEST_US, LATEST_US = -62_135_510_400_000_000, 253_402_214_400_000_000

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"([0-9]{1,9})([smhdw])")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Moment(NamedTuple):
    """Exactly one of the three is set."""

    commit: int | None = None
    at_us: int | None = None
    ago_us: int | None = None


def parse(text: str) -> Moment:
    """Read what `--at` says. Raises BadRequest on anything else."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        return Moment(commit=int(text))
    if ago := _AGO.fullmatch(text):
        return Moment(ago_us=int(ago[1]) * _UNIT_SECONDS[ago[2]] * 1_000_000)
    if _TIME.fullmatch(text):
        try:
            when = datetime.fromisoformat(text.upper())
        except ValueError as error:
            raise BadRequest(f"no such time: {text}") from error
        return Moment(at_us=round(when.timestamp() * 1_000_000))
    raise BadRequest(
        f"cannot read {text[:80]!r} as a point in history",
        hint="give a commit (41), a time (2026-11-22T10:00Z) or an age (10m)",
    )
