"""Long answers as they come: a JSON document whose entries are printed one by one, and what find and du say
besides.

What belongs here: forms of answers that are not kept in memory. What does not: short ones (`output.py`).
Standard output and standard error; one thread.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from cairnfs.cli import exits
from cairnfs.cli.output import note, number, shown
from cairnfs.errors import CairnError, Forbidden, NotADirectory, NotFound, SymlinkLoop

_OF_A_PATH = (NotFound, NotADirectory, Forbidden, SymlinkLoop)


class JsonEntries:
    """One JSON document: `{"entries":[...], ...}`. Begun with the first entry, or at the end."""

    def __init__(self, called: str = "entries") -> None:
        self._count = 0
        self._begin = f'{{"{called}":['

    def add(self, entry: Mapping[str, Any]) -> None:
        """Print one more entry."""
        sys.stdout.write("," if self._count else self._begin)
        sys.stdout.write(_text(entry))
        self._count += 1

    def end(self, rest: Mapping[str, Any] | None = None) -> None:
        """Print the end, with the fields of `rest`, if there are any."""
        begun = "]" if self._count else self._begin + "]"
        print(begun + ("," + _text(rest)[1:] if rest else "}"))


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def passed_by(path: bytes, error: CairnError, status: int, *, only: bool) -> int:
    """Tell why one of several paths cannot be looked at; give the exit status.

    Raises the error if it is the `only` one, or is not of the path.
    """
    if only or not isinstance(error, _OF_A_PATH):
        raise error
    error.path = error.path or shown(path)
    note(f"cairn: {exits.line_of(error)}")
    return status or exits.status_of(error)


def closed(count: int, status: int) -> int:
    """Say how many directories could not be read; give the exit status."""
    if count:
        note(f"cairn: {number(count, 'directory', 'directories')} could not be read")
    return status or (exits.NOT_ALLOWED if count else exits.OK)
