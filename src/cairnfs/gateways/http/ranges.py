"""The Range header: which part of a file is asked for. Pure, any thread.

One range of bytes is answered as such; several, another unit, or what is no range at all are
ignored, as the standard allows (RFC 9110, 14.2), and the whole file is the answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cairnfs.errors import BadRange

_ONE = re.compile(
    r"bytes[ \t]*=[ \t]*(?:([0-9]{1,18})[ \t]*-[ \t]*([0-9]{0,18})|-[ \t]*([0-9]{1,18}))[ \t]*,?[ \t]*"
)


class Span(NamedTuple):
    """The bytes from `start` up to `stop`, which is not among them."""

    start: int
    stop: int


def wanted(header: str | None, size: int) -> Span | None:
    """The part of `size` bytes that the header asks for; None for the whole.

    Raises BadRange where no byte of the file is in the range.
    """
    one = _ONE.fullmatch(header.lower()) if header is not None else None
    if one is None:
        return None
    first, last, suffix = one.groups()
    if suffix is not None:
        if int(suffix) == 0:
            raise BadRange("the last 0 bytes are none")
        return Span(max(0, size - int(suffix)), size) if size else None
    start = int(first)
    stop = min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return None
    if start >= size:
        raise BadRange(f"the file has {size} bytes, none at {start}")
    return Span(start, stop)
