"""The terminal, and which process group may read from it and is told Ctrl-C and Ctrl-Z.

What belongs here: handing it to a command that runs in a group of its own, and taking it back. What does not:
running the command. On machines without terminals of this kind nothing is handed over. One thread.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TERMINAL = "/dev/tty"


class Terminal:
    """The terminal that this process was started from, if there is one. Close it at the end."""

    def __init__(self) -> None:
        try:
            self._descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1
        self._given = 0

    @property
    def there(self) -> bool:
        """Whether there is one."""
        return self._descriptor >= 0

    def is_ours(self) -> bool:
        """Whether this process's group is the one in its foreground."""
        return self._foreground() == os.getpgrp()

    def give(self, group: int) -> bool:
        """Hand it to a group of processes, if it is ours. Whether the group has it now."""
        if self._given == group and self._foreground() == group:
            # It was stopped for reading while it was handed over.
            return True
        if not self.is_ours():
            return False
        self._set(group)
        self._given = group
        return True

    def take_back(self) -> bool:
        """Have it again where the group that it was given to still has it. Whether that was so."""
        if not self._given or self._foreground() != self._given:
            return False
        self._set(os.getpgrp())
        return True

    def close(self) -> None:
        """Take it back, and be done with it."""
        self.take_back()
        if self.there:
            os.close(self._descriptor)
            self._descriptor = -1

    def _foreground(self) -> int:
        try:
            return os.tcgetpgrp(self._descriptor) if self.there else 0
        except OSError:
            return 0

    def _set(self, group: int) -> None:
        with _unstopped():
            try:
                os.tcsetpgrp(self._descriptor, group)
            except OSError:
                return  # the group has ended, or the terminal has


def fully_used() -> bool:
    """Whether both standard input and output are a terminal: nobody else of a pipeline needs it then."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def _unstopped() -> Iterator[None]:
    """A group in the background that sets the foreground is stopped by SIGTTOU, unless that is blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
