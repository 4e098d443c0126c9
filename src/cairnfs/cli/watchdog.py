"""A process that ends a command if whoever holds its lock is killed: nobody would renew the lease any more.

It is a shell of a few lines, in a group of its own, at a pipe that only the holder has open. A holder that
lives ends the command itself (`running.py`); against a frozen one only the fence helps, which the cluster
checks. What belongs here: that. One thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType

_SHELL = "/bin/sh"
#: $1 is the group, $2 the seconds from telling it to killing it.
_SCRIPT = """
trap '' HUP INT QUIT TERM
read -r line && exit 0
kill -s TERM -- "-$1"
kill -s CONT -- "-$1"
sleep "$2"
kill -s KILL -- "-$1"
"""


class Watchdog:
    """While it is entered, the group of processes ends with this process, however that ends."""

    def __init__(self, group: int, grace_s: float) -> None:
        """`grace_s`: how long it has to end by itself."""
        self._group = group
        self._grace_s = grace_s
        #: Its process; 0 where there is none.
        self.pid = 0
        self._alive = -1

    def __enter__(self) -> Watchdog:
        told, self._alive = os.pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, told, 0),
            *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
        ]
        arguments = ["sh", "-c", _SCRIPT, "sh", str(self._group), f"{self._grace_s:.3f}"]
        # Where there is no shell, there is no watchdog.
        with suppress(OSError):
            self.pid = os.posix_spawn(_SHELL, arguments, {}, file_actions=actions, setpgroup=0)
        os.close(told)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It may have been killed itself.
        with suppress(BrokenPipeError):
            os.write(self._alive, b"\n")
        os.close(self._alive)
        if self.pid:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
