"""What `--at` may say: a commit number, a time, how long ago, the name of a snapshot, or now.

`41` is a commit; `2026-11-22T10:00Z` (RFC 3339, seconds optional, zone required) a time;
`10m` (s, m, h, d, w) so long before the server's now. `now` is the newest commit; whatever else begins
with a letter is a snapshot's name: nothing else does. Pure, any thread.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from cairnfs.errors import BadRequest

#: The years 1 to 9999 but for their outermost days: in every zone a date can be made of it.
EARLIEST_US, LATEST_US = -62_135_510_400_000_000, 253_402_214_400_000_000

NOW = "now"
#: The longest name of a snapshot.
SNAPSHOT_NAME_MAX = 64

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"([0-9]{1,9})([smhdw])")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


_SNAPSHOT = re.compile(rf"[A-Za-z][A-Za-z0-9._-]{{0,{SNAPSHOT_NAME_MAX - 1}}}")


class Moment(NamedTuple):
    """One of the four is set at most; none means now."""

    commit: int | None = None
    at_us: int | None = None
    ago_us: int | None = None
    snapshot: str | None = None


def parse(text: str) -> Moment:
    """Read what `--at` says. Raises BadRequest on anything else."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        return Moment(commit=int(text))
    if text == NOW:
        return Moment()
    if text[:1].isascii() and text[:1].isalpha():
        return Moment(snapshot=snapshot_name(text))
    if (ago_us := age_us(text)) is not None:
        return Moment(ago_us=ago_us)
    if _TIME.fullmatch(text):
        try:
            when = datetime.fromisoformat(text.upper())
        except ValueError as error:
            raise BadRequest(f"no such time: {text}") from error
        return Moment(at_us=round(when.timestamp() * 1_000_000))
    raise BadRequest(
        f"cannot read {text[:80]!r} as a point in history",
        hint="give a commit (41), a time (2026-11-22T10:00Z), an age (10m) or a snapshot's name",
    )


def age_us(text: str) -> int | None:
    """How many microseconds `10m` and the like say; None for what says no age."""
    ago = _AGO.fullmatch(text)
    return int(ago[1]) * _UNIT_SECONDS[ago[2]] * 1_000_000 if ago else None


def snapshot_name(text: str) -> str:
    """A name that a snapshot may have. Raises BadRequest."""
    if not _SNAPSHOT.fullmatch(text) or text == NOW:
        raise BadRequest(
            f"a snapshot cannot be called {text[:80]!r}",
            hint=f"names have 1 to {SNAPSHOT_NAME_MAX} of A-Z, a-z, 0-9, '.', '_', '-', a letter first",
        )
    return text
