"""A database whose COMMITs fail as planned, with every fault counted.

What belongs here: faults that any database may show, played truly: what "did not happen" was rolled
back, what "happened" is there. What does not: what only one can do (killed backends, full disks).

Threads: as the database within.
"""

from __future__ import annotations

import enum
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar

from cairnfs.errors import NoSpace
from cairnfs.metadata.databases.seam import Again, CommitUnknown, Database, Tx

R = TypeVar("R")


class Fault(enum.Enum):
    """What befalls one `write`, after its function has run."""

    NONE = "it commits"
    AGAIN = "the database asks to try again; nothing happened"
    FULL = "the disk is full; nothing happened"
    LOST_BEFORE = "the answer to COMMIT is lost, and it did not happen"
    LOST_AFTER = "the answer to COMMIT is lost, and it happened"
    KILLED_BEFORE = "SIGKILL to this process before COMMIT"
    KILLED_AFTER = "SIGKILL to this process after COMMIT, before any answer"


class _Undone(Exception):
    """Rolls the inner tx back."""


class FlakyDatabase:
    """A `Database` around another. Writes meet `plan` in order, then `otherwise`."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.plan: deque[Fault] = deque()
        self.otherwise = Fault.NONE
        self.met: Counter[Fault] = Counter()
        #: How many writes were begun.
        self.writes = 0
        #: Closed, it holds every write between its function and its COMMIT.
        self.gate = threading.Event()
        self.gate.set()
        #: Set when a write stands at the gate.
        self.at_gate = threading.Event()

    @property
    def kind(self) -> str:
        """The inner one's."""
        return self._inner.kind

    def read(self, function: Callable[[Tx], R]) -> R:
        """Never fails by plan."""
        return self._inner.read(function)

    def write(self, function: Callable[[Tx], R]) -> R:
        """As `Database.write`, or as planned."""
        self.writes += 1
        fault = self.plan.popleft() if self.plan else self.otherwise
        try:
            result = self._inner.write(lambda tx: self._run(function, tx, fault))
        except _Undone:
            self.met[fault] += 1
            if fault is Fault.LOST_BEFORE:
                raise CommitUnknown("planned: not committed") from None
            if fault is Fault.FULL:
                raise NoSpace("planned: full") from None
            raise Again("planned: again") from None
        if fault is Fault.KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        self.met[fault] += 1
        if fault is Fault.LOST_AFTER:
            raise CommitUnknown("planned: committed")
        return result

    def close(self) -> None:
        """Close the inner one."""
        self._inner.close()

    def _run(self, function: Callable[[Tx], R], tx: Tx, fault: Fault) -> R:
        result = function(tx)
        self.at_gate.set()
        assert self.gate.wait(60), "nobody opened the gate"
        if fault is Fault.KILLED_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault in (Fault.AGAIN, Fault.FULL, Fault.LOST_BEFORE):
            raise _Undone
        return result
