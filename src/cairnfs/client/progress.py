"""Telling how far a transfer is, how fast it goes and when it may be done, as often as anyone can look.

What belongs here: counting, rates over the last seconds, the estimate. What does not: drawing
(`cli/progress.py`). Used from one event loop.
"""

from __future__ import annotations

from collections import deque

from cairnfs.client.results import OnProgress, Phase, Progress
from cairnfs.clock import Clock

_EVERY_S = 0.1
#: Rates are those of so many seconds.
RATE_S = 5.0
#: Nothing is said of a rate before it was seen for so long.
_LEAST_S = 0.5


class Rates:
    """Files and bytes per second, over the last RATE_S seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int, int]] = deque()

    def see(self, files: int, size: int) -> tuple[float | None, float | None]:
        """So many are done by now; the rates, None before there are any."""
        now = self._clock.monotonic()
        while len(self._seen) > 1 and self._seen[1][0] <= now - RATE_S:
            self._seen.popleft()
        if not self._seen or now - self._seen[-1][0] >= _EVERY_S:
            self._seen.append((now, files, size))
        began, files_then, size_then = self._seen[0]
        passed = now - began
        if passed < _LEAST_S:
            return None, None
        return max(files - files_then, 0) / passed, max(size - size_then, 0) / passed

    def restart(self) -> None:
        """Something else is done from now on."""
        self._seen.clear()


def time_left(
    files_left: int | None,
    bytes_left: int | None,
    files_per_s: float | None,
    bytes_per_s: float | None,
) -> float | None:
    """Seconds until all is done, by whichever of the two takes longer; None where nothing tells.

    Many small files take their time by their number, few large ones by their bytes.
    """
    estimates = []
    for left, rate in ((files_left, files_per_s), (bytes_left, bytes_per_s)):
        if left is None or rate is None:
            continue
        if left > 0 and rate == 0:
            continue
        estimates.append(left / rate if left > 0 else 0.0)
    return max(estimates) if estimates and (files_left or bytes_left) else None


class Meter:
    """Counts files and bytes of one transfer."""

    def __init__(self, clock: Clock, tell: OnProgress | None, phase: Phase = "sending") -> None:
        self.files = 0
        self.bytes = 0
        self.files_total: int | None = None
        self.bytes_total: int | None = None
        self._phase: Phase = phase
        self._clock = clock
        self._tell = tell
        self._told = float("-inf")
        self._rates = Rates(clock)

    @property
    def listened(self) -> bool:
        """Whether anybody is told."""
        return self._tell is not None

    def enter(self, phase: Phase) -> None:
        """The transfer is about something else from now on, which is told at once."""
        if phase != self._phase:
            self._phase = phase
            self._rates.restart()
            self._told = float("-inf")
            self._report()

    def looked(self, names: int) -> None:
        """So many names were looked at by now; they are counted as files until something is sent."""
        self.files = names
        self._report()

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
        files_per_s, bytes_per_s = self._rates.see(self.files, self.bytes)
        self._tell(
            Progress(
                self.files,
                self.files_total,
                self.bytes,
                self.bytes_total,
                self._phase,
                files_per_s,
                bytes_per_s,
                time_left(
                    _left(self.files_total, self.files),
                    _left(self.bytes_total, self.bytes),
                    files_per_s,
                    bytes_per_s,
                ),
            )
        )


def _left(total: int | None, done: int) -> int | None:
    return None if total is None else max(total - done, 0)


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
        self._files = self._bytes = 0
