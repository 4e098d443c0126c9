"""Progress of what takes longer than a second, for a person at a terminal; nothing in a pipe.

It is drawn on stderr, so that standard output stays the result. What belongs here: when and how it
is drawn. What does not: what is counted. `update` may be called from any thread.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cairnfs.cli.output import shown, size
from cairnfs.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from cairnfs.client.results import Progress as Transferred

PATIENCE_S = 1.0
_NAME_CHARS = 30


class Progress:
    """Draws how far one thing is. Use as a context manager."""

    def __init__(self, verb: str, name: bytes = b"") -> None:
        """The verb and the last part of the name stand before the bar."""
        self._what = f"{verb} {shown(os.path.basename(name.rstrip(b'/')))[:_NAME_CHARS]}".rstrip()
        self._clock = SystemClock()
        self._begun = self._clock.monotonic()
        self._drawn: Any = None
        self._task: Any = None
        self._people = sys.stderr.isatty()

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
        return self._transferred if self._people else None

    def _transferred(self, now: Transferred) -> None:
        words = size(now.bytes_done) + (f"/{size(now.bytes_total)}" if now.bytes_total else "")
        if now.files_total != 1:
            of_all = f"/{now.files_total:,}" if now.files_total else ""
            words = f"{now.files_done:,}{of_all} files, {words}"
        self.update(now.bytes_done, now.bytes_total, words)

    def update(self, done: int, total: int | None, words: str) -> None:
        """So much is done, of so much if that is known."""
        if not self._people or self._clock.monotonic() - self._begun < PATIENCE_S:
            return
        if self._drawn is None:
            self._draw()
        self._drawn.update(self._task, completed=done, total=total, words=words)

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Drawn

        self._drawn = Drawn(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[words]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._drawn.add_task(_literal(self._what), total=None, words="")
        self._drawn.start()


def _literal(text: str) -> str:
    """The text, no part of which is to be read as markup."""
    from rich.markup import escape

    return escape(text)
