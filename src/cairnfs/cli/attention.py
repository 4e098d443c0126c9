"""Signals that a command takes one after the other instead of being interrupted by them; news of threads too.

What belongs here: having both in one place to wait at. What does not: what they mean. Of the main thread; but
`call` is any thread's.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

_READ_BYTES = 4096


class Attention:
    """While it is entered, the given signals do nothing but end `wait`."""

    def __init__(self, signals: Iterable[int]) -> None:
        self._signals = tuple(signals)
        self._before: dict[int, object] = {}
        self._wakeup_before = -1
        self._reading, self._writing = -1, -1

    def __enter__(self) -> Attention:
        self._reading, self._writing = os.pipe()
        for descriptor in (self._reading, self._writing):
            os.set_blocking(descriptor, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in self._signals:
            # What was ignored from the start (nohup) stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, _noted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reading)
        writing, self._writing = self._writing, -1
        os.close(writing)

    def wait(self, timeout_s: float | None = None) -> list[int]:
        """The signals that came, up to now or until one comes; none after `timeout_s`, or at a `call`."""
        select.select([self._reading], [], [], None if timeout_s is None else max(timeout_s, 0.0))
        try:
            came = os.read(self._reading, _READ_BYTES)
        except BlockingIOError:
            came = b""
        return [number for number in came if number in self._before]

    def call(self) -> None:
        """End the wait that is under way, or else the next one. Any thread."""
        try:
            os.write(self._writing, b"\0")
        except OSError:
            return  # full, so that it ends anyway; or nobody waits any more

    @contextmanager
    def default(self, number: int) -> Iterator[None]:
        """Let a signal do within the body what it does by itself."""
        now = signal.signal(number, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(number, now)


def _noted(number: int, frame: FrameType | None) -> None:
    """The wakeup file descriptor has its number by now."""
