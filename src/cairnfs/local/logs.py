"""Reading the logs of a cluster's processes: the last lines, and those that come.

What belongs here: files to lines, merged. What does not: who writes them. One thread.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TAIL_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_POLL_S = 0.2
_FIRST = ("at", "level", "logger", "event")


def read(logs: Mapping[str, Path], lines: int, *, follow: bool) -> Iterator[tuple[str, str]]:
    """(process, line) of the last `lines` of each log, and with `follow` of what is appended, for ever."""
    followed = {name: _Followed(path) for name, path in logs.items()}
    try:
        for name, log in followed.items():
            for line in log.last(lines):
                yield name, readable(line)
        if follow:
            yield from _what_comes(followed)
    finally:
        for log in followed.values():
            log.close()


def _what_comes(followed: Mapping[str, _Followed]) -> Iterator[tuple[str, str]]:
    while True:
        idle = True
        for name, log in followed.items():
            for line in log.fresh():
                idle = False
                yield name, readable(line)
        if idle:
            threading.Event().wait(_POLL_S)


def readable(line: bytes) -> str:
    """A line of JSON as `time level event key=value`; any other as it is. Nothing in it moves the cursor."""
    text = line.decode(errors="replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if isinstance(said, dict):
        text = " ".join(_words(said))
    return "".join(char if char.isprintable() else "\\" + f"x{ord(char):02x}" for char in text.expandtabs())


def _words(said: dict[str, Any]) -> Iterator[str]:
    for key in _FIRST:
        if key in said:
            yield str(said[key])
    for key, value in said.items():
        if key not in _FIRST:
            yield f"{key}={value if isinstance(value, str) and value.isalnum() else json.dumps(value)}"


class _Followed:
    """One log, also where it is put aside and begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedReader | None = None
        self._rest = b""

    def last(self, count: int) -> list[bytes]:
        """The last lines (of the last 4 MiB)."""
        file = self._open()
        if file is None or count == 0:
            if file is not None:
                file.seek(0, io.SEEK_END)
            return []
        file.seek(max(0, file.seek(0, io.SEEK_END) - _TAIL_BYTES))
        return self._lines(file.read())[-count:]

    def fresh(self) -> list[bytes]:
        """Whole lines that were written since."""
        file = self._open()
        if file is None:
            return []
        piece = file.read(_PIECE_BYTES)
        if not piece and self._begun_anew(file):
            self.close()
            return self.fresh()
        return self._lines(piece)

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, b""

    def _lines(self, piece: bytes) -> list[bytes]:
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return whole

    def _open(self) -> io.BufferedReader | None:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return None
        return self._file

    def _begun_anew(self, file: io.BufferedReader) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        opened = os.fstat(file.fileno())
        return (now.st_ino, now.st_dev) != (opened.st_ino, opened.st_dev)
