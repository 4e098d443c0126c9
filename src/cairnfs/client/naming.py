"""What callers may give as a path or a point in history, and what the cluster is asked for.

Text becomes bytes as the operating system's own file names do, so that a name that is not UTF-8 and
came from a command line or a directory listing arrives as the bytes it was. Pure, any thread.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from cairnfs.core import moment, names
from cairnfs.errors import BadName
from cairnfs.ids import Path

PathLike = str | bytes | PurePosixPath
At = str | int | None


def as_path(given: PathLike) -> Path:
    """The checked path. Raises BadName, PathTooLong."""
    if isinstance(given, bytes):
        return names.path(given)
    if not isinstance(given, (str, PurePosixPath)):
        raise BadName(f"a path is str, bytes or PurePosixPath, not {type(given).__name__}")
    try:
        return names.path(str(given).encode(errors="surrogateescape"))
    except UnicodeEncodeError as error:
        raise BadName("the path cannot be written as bytes") from error


def as_at(given: At) -> str | None:
    """What goes into a request's `at`. Raises BadRequest on what is no point in history."""
    if given is None:
        return None
    text = str(given)
    moment.parse(text)
    return text


def below(directory: Path, name: bytes) -> Path:
    """The path of a name in a directory. Raises PathTooLong."""
    return names.path((directory if directory != b"/" else b"") + b"/" + name)
