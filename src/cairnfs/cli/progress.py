"""Progress of what takes longer than a second: one line at a terminal, lines now and then in a log.

It is drawn on stderr, so that standard output stays the result; with `quiet` there is none. What belongs
here: when and how it is drawn, and in which words. What does not: what is counted (`client/progress.py`).
`update` and what a transfer calls may be called from any thread.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cairnfs.cli.output import note, shown, size
from cairnfs.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from cairnfs.client.results import Progress as Transferred

PATIENCE_S = 1.0
#: Where nobody sees a line change, there is a new one this often.
LINES_S = 5.0
_NAME_CHARS = 30


class Progress:
    """Draws how far one thing is. Use as a context manager."""

    def __init__(
        self,
        verb: str,
        name: bytes = b"",
        *,
        lines: bool = False,
        quiet: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """The verb and the last part of the name stand before all else.

        `lines`: where stderr is no terminal, say how far it is every few seconds.
        """
        self._what = f"{verb} {shown(os.path.basename(name.rstrip(b'/')))[:_NAME_CHARS]}".rstrip()
        self._clock = clock or SystemClock()
        self._begun = self._clock.monotonic()
        self._said = self._begun
        self._drawn: Any = None
        self._task: Any = None
        self._people = not quiet and sys.stderr.isatty()
        self._lines = lines and not quiet and not self._people

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    @property
    def of_transfer(self) -> Callable[[Transferred], None] | None:
        """What a transfer is to call; None where nobody would see it."""
        return self._transferred if self._people or self._lines else None

    def _transferred(self, now: Transferred) -> None:
        self.update(now.bytes_done, now.bytes_total, in_words(now))

    def update(self, done: int, total: int | None, words: str) -> None:
        """So much is done, of so much if that is known."""
        now = self._clock.monotonic()
        if self._lines and now - self._said >= LINES_S:
            self._said = now
            note(f"{self._what}: {words}")
        if not self._people or now - self._begun < PATIENCE_S:
            return
        if self._drawn is None:
            self._draw()
        self._drawn.update(self._task, completed=done, total=total, words=words)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Drawn

        self._drawn = Drawn(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._drawn.add_task(_literal(self._what), total=None, words="")
        self._drawn.start()


def in_words(now: Transferred) -> str:
    """How far a transfer is: its phase, what is done of what, how fast, and how long it may take."""
    words = []
    if now.phase == "looking":
        return f"looking at {now.files_done:,} names"
    if now.files_total != 1:
        words.append(f"{now.files_done:,}{f'/{now.files_total:,}' if now.files_total else ''} files")
    words.append(size(now.bytes_done) + (f"/{size(now.bytes_total)}" if now.bytes_total else ""))
    if now.bytes_per_s is not None:
        words.append(f"{size(round(now.bytes_per_s))}/s")
    if now.files_per_s is not None and now.files_total != 1:
        words.append(f"{now.files_per_s:,.0f} files/s")
    if now.left_s is not None:
        words.append(f"{duration(now.left_s)} left")
    return f"{now.phase} {', '.join(words)}"


def duration(seconds: float) -> str:
    """Seconds that are only estimated: 12 s, 3 min 20 s, 2 h 5 min."""
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _literal(text: str) -> str:
    """The text, no part of which is to be read as markup."""
    from rich.markup import escape

    return escape(text)
