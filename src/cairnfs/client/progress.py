"""Telling how far a transfer is, not more often than anyone can look.

Used from one event loop.
"""

from __future__ import annotations

from cairnfs.client.results import OnProgress, Progress
from cairnfs.clock import Clock

_EVERY_S = 0.1


class Meter:
    """Counts files and bytes of one transfer."""

    def __init__(self, clock: Clock, tell: OnProgress | None) -> None:
        self.files = 0
        self.bytes = 0
        self.files_total: int | None = None
        self.bytes_total: int | None = None
        self._clock = clock
        self._tell = tell
        self._told = float("-inf")

    @property
    def listened(self) -> bool:
        """Whether anybody is told."""
        return self._tell is not None

    def moved(self, size: int) -> None:
        """So many bytes more."""
        self.bytes += size
        self._report()

    def done(self) -> None:
        """One file more."""
        self.files += 1
        self._report()

    def finish(self) -> None:
        """The last word: all that was done is all there was."""
        self.files_total, self.bytes_total = self.files, self.bytes
        self._told = float("-inf")
        self._report()

    def _report(self) -> None:
        if self._tell is None or self._clock.monotonic() - self._told < _EVERY_S:
            return
        self._told = self._clock.monotonic()
        self._tell(Progress(self.files, self.files_total, self.bytes, self.bytes_total))


class Part:
    """What one commit of a transfer adds, so that it can be taken back and counted again."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._files = 0
        self._bytes = 0

    def moved(self, size: int) -> None:
        """So many bytes more."""
        self._bytes += size
        self._meter.moved(size)

    def done(self) -> None:
        """One file more."""
        self._files += 1
        self._meter.done()

    def undo(self) -> None:
        """It is all to be done again."""
        self._meter.files -= self._files
        self._meter.moved(-self._bytes)
