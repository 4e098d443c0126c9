"""What commands print: JSON documents, tables, sizes and times for people.

What belongs here: forms. What does not: what is said in them. Names pass through `shown`, so that no
file name can give orders to a terminal. Standard output only; one thread.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cairnfs.wire import names

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def show(line: str = "") -> None:
    """Print one line."""
    print(line)


def note(line: str) -> None:
    """Tell a person something beside the result: on stderr."""
    print(line, file=sys.stderr, flush=True)


def show_json(document: Mapping[str, Any]) -> None:
    """Print the one JSON document that a command answers: UTF-8, whatever the terminal's encoding."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def path_fields(raw: bytes, key: str = "path") -> dict[str, str]:
    """How a path or name stands in a JSON document: text, and base64 beside it where it is not UTF-8."""
    text, base64 = names.to_text(raw)
    return {key: text} if base64 is None else {key: text, f"{key}_b64": base64}


def shown(raw: bytes | str) -> str:
    """A name or path for a terminal."""
    return names.printable(os.fsencode(raw))


def table(rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as lines with aligned columns; `right` are the columns that end at the same place."""
    listed = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    lines = []
    for row in listed:
        cells = [
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        # Spaces at the end of what stands last are its own.
        cells[-1] = cells[-1] if len(row) - 1 in right else row[-1]
        lines.append("  ".join(cells) if row[-1] else "  ".join(cells).rstrip())
    return lines


def size(count: int) -> str:
    """Bytes for people: 0 B, 999 B, 1.2 kB, 104.9 MB."""
    if count < 1000:
        return f"{count} B"
    value, unit = float(count), 0
    while value >= 999.95 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.1f} {_UNITS[unit]}"


def number(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: 1 file, 2,450 files."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def seconds(duration: float) -> str:
    """A duration for people: 0.03 s, 1.2 s, 75 s."""
    if duration < 0.1:
        return f"{duration:.2f} s"
    return f"{duration:.1f} s" if duration < 10 else f"{duration:.0f} s"


def moment(at_us: int, *, full: bool = False, sub_ns: int = 0) -> str:
    """A time for people, in their own zone: to the minute, or `full` to the last digit with the zone."""
    when = _when(at_us).astimezone()
    if not full:
        return f"{when:%Y-%m-%d %H:%M}"
    return f"{when.isoformat(sep=' ', timespec='seconds')[:19]}.{_fraction(at_us, sub_ns)} {when:%z}"


def moment_rfc3339(at_us: int, sub_ns: int = 0) -> str:
    """A time for programs: UTC, to the microsecond, or to the nanosecond where it has any."""
    return f"{_when(at_us).isoformat(timespec='seconds')[:19]}.{_fraction(at_us, sub_ns)}Z"


def _when(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def _fraction(at_us: int, sub_ns: int) -> str:
    return f"{at_us % 1_000_000:06d}" + (f"{sub_ns:03d}" if sub_ns else "")
