"""A command that runs under a lock: in a process group of its own, ended before the lock can be given away.

It has the terminal as if it had been started alone, and is sent the signals that are sent here; its status is
given as shells do: 128 and the number of the signal that ended it. When the lease cannot be renewed, or is
lost, its group is told to end (SIGTERM), then killed; see `core/leases` for when. Stopped by Ctrl-Z it stops
this process too, as a shell's job: a lease is not renewed meanwhile. What belongs here: that. What does not:
locks. The main thread's.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from cairnfs.cli import exits
from cairnfs.cli.attention import Attention
from cairnfs.cli.terminal import Terminal, fully_used
from cairnfs.cli.watchdog import Watchdog
from cairnfs.clock import Clock
from cairnfs.core.leases import LeaseTimes
from cairnfs.errors import BadRequest

#: Signals that are passed on; what the terminal sends goes to the command's group by itself.
_PASSED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTSTP", "SIGCONT", "SIGWINCH")
PASSED = tuple(getattr(signal, name) for name in _PASSED if hasattr(signal, name))
SIGNALS = (*PASSED, *((signal.SIGCHLD,) if hasattr(signal, "SIGCHLD") else ()))
#: A machine that slept notices by then.
_LOOK_S = 0.5
#: Killed processes are gone by then, or never.
_KILLED_S = 1.0


class Lease(Protocol):
    """What a command runs under."""

    @property
    def times(self) -> LeaseTimes:
        """When it is renewed, suspended, over."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether it surely is over."""
        ...

    def age_s(self) -> float:
        """How long ago the renewal was sent that was answered last."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended; `told`: because of the lease."""

    status: int
    told: bool


class NotRun(Exception):
    """The command cannot be run: 127 where there is none, 126 where it is no program."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what


def check(arguments: Sequence[str]) -> None:
    """See before all else that there is such a command. Raises NotRun, BadRequest."""
    if not hasattr(os, "posix_spawnp"):
        raise BadRequest("commands are run under locks on POSIX systems only")
    name = arguments[0]
    if shutil.which(name) is None:
        found = os.path.exists(name) and "/" in name
        raise NotRun(
            exits.NOT_RUNNABLE if found else exits.NO_COMMAND,
            "cannot be run as a program" if found else "no such command",
        )


def run(
    arguments: Sequence[str], environ: Mapping[str, str], lease: Lease, attention: Attention, clock: Clock
) -> Ended:
    """Run the command to its end. Raises NotRun.

    `attention` has SIGNALS, and is called when the lease is lost.
    """
    terminal = Terminal()
    try:
        running = _Running(_spawned(arguments, environ), lease, attention, terminal, clock)
        with Watchdog(running.group, lease.times.grace_ms / 1000):
            if fully_used():
                terminal.give(running.group)
            return running.to_its_end()
    finally:
        terminal.close()


def _spawned(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    # Python ignores these two; the command is not to know.
    python_ignores = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
    try:
        return os.posix_spawnp(arguments[0], list(arguments), environ, setpgroup=0, setsigdef=python_ignores)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        status = exits.NO_COMMAND if missing else exits.NOT_RUNNABLE
        raise NotRun(status, (error.strerror or "cannot be run").lower()) from error


def group_lives(group: int) -> bool:
    """Whether any process is in this group, and may be sent signals."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class _Running:
    """The command, from its start to its end."""

    def __init__(
        self, group: int, lease: Lease, attention: Attention, terminal: Terminal, clock: Clock
    ) -> None:
        self.group = group
        self._lease = lease
        self._attention = attention
        self._terminal = terminal
        self._clock = clock
        self._status: int | None = None
        self._told_at: float | None = None

    def to_its_end(self) -> Ended:
        """Wait for it, passing signals on."""
        while not self._is_over():
            self._end_in_time()
            for number in self._attention.wait(self._pause_s()):
                if number in PASSED:
                    self._send(number)
        assert self._status is not None
        return Ended(self._status, self._told_at is not None)

    def _is_over(self) -> bool:
        if self._status is None:
            pid, how = os.waitpid(self.group, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(how):
                self._stopped(os.WSTOPSIG(how))
            elif pid:
                code = os.waitstatus_to_exitcode(how)
                self._status = code if code >= 0 else 128 - code
        if self._status is None:
            return False
        # What it left running must not go on without the lock; a command that ended by itself may leave it.
        if self._told_at is None or not group_lives(self.group):
            return True
        return self._clock.monotonic() >= self._told_at + self._lease.times.grace_ms / 1000 + _KILLED_S

    def _end_in_time(self) -> None:
        """Tell it to end when that is due, and kill it when that was in vain."""
        now = self._clock.monotonic()
        if self._told_at is None:
            if self._lease.is_lost or self._left_s() <= 0:
                self._told_at = now
                self._send(signal.SIGTERM)
                self._send(signal.SIGCONT)
        elif now >= self._told_at + self._lease.times.grace_ms / 1000:
            self._send(signal.SIGKILL)

    def _pause_s(self) -> float:
        if self._told_at is None:
            return min(self._left_s(), _LOOK_S)
        # The group's end is told by nobody.
        return min(self._lease.times.grace_ms / 1000, _LOOK_S) / 10

    def _left_s(self) -> float:
        """How long it may go on if no renewal is answered."""
        return self._lease.times.end_ms / 1000 - self._lease.age_s()

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)

    def _stopped(self, number: int) -> None:
        """As a shell would: let it have the terminal that it asked for, or stop with it until continued."""
        wants = number in (signal.SIGTTIN, signal.SIGTTOU)
        if wants and self._terminal.give(self.group):
            self._send(signal.SIGCONT)
            return
        if not self._terminal.there or not (wants or number == signal.SIGTSTP):
            return  # somebody stopped just the command; the lock is kept meanwhile
        had = self._terminal.take_back()
        with self._attention.default(signal.SIGTSTP):
            os.kill(0, signal.SIGTSTP)
        if had or wants:
            self._terminal.give(self.group)
        self._send(signal.SIGCONT)
