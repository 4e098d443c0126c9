"""What a name and a path may be.

A name is bytes: 1 to 255 of them, no NUL, no `/`, not `.` and not `..`. A path is `/` or names
joined by `/` behind a leading `/`, at most 4,096 bytes. Nothing is ever decoded, folded or
normalised here: two different names stay two different names.

What belongs here: the rules. What does not: how names look in JSON or URLs (`wire/names.py`).
Pure functions, any thread.
"""

from __future__ import annotations

from cairnfs.errors import BadName, PathTooLong
from cairnfs.ids import Name, Path

NAME_MAX_BYTES = 255
PATH_MAX_BYTES = 4096


def name(raw: bytes) -> Name:
    """Check one name. Raises BadName."""
    if not raw:
        raise BadName("a name cannot be empty")
    if len(raw) > NAME_MAX_BYTES:
        raise BadName(f"a name has at most {NAME_MAX_BYTES} bytes, this one has {len(raw)}")
    if raw in (b".", b".."):
        raise BadName("a name cannot be . or ..")
    if b"\0" in raw or b"/" in raw:
        raise BadName("a name cannot hold NUL or /")
    return Name(raw)


def path(raw: bytes) -> Path:
    """Check an absolute path and drop a trailing `/`. Raises BadName or PathTooLong.

    Repeated slashes are refused rather than folded: no two spellings of one path.
    """
    if len(raw) > PATH_MAX_BYTES:
        raise PathTooLong(f"a path has at most {PATH_MAX_BYTES} bytes, this one has {len(raw)}")
    if not raw.startswith(b"/"):
        raise BadName("a path starts with /")
    if raw == b"/":
        return Path(raw)
    trimmed = raw.removesuffix(b"/")
    for part in trimmed[1:].split(b"/"):
        name(part)
    return Path(trimmed)


def split(checked: Path) -> tuple[Name, ...]:
    """The names of a checked path; `/` has none."""
    return tuple(Name(part) for part in checked[1:].split(b"/")) if len(checked) > 1 else ()


def join(names: tuple[Name, ...]) -> Path:
    """The path of these names. Raises PathTooLong."""
    return path(b"/" + b"/".join(names))


def parent(checked: Path) -> Path:
    """The directory that holds this path; the root's is the root."""
    return Path(checked.rpartition(b"/")[0] or b"/")


def base(checked: Path) -> bytes:
    """The last name of the path; empty for the root."""
    return checked.rpartition(b"/")[2]
