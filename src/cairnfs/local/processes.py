"""One of a cluster's processes on this machine: starting it, seeing it live and die, stopping it.

A process is known by its pid file (`pid_file.py`), never by a number alone. It is started in a
session of its own, so that a terminal's Ctrl-C reaches only `up`, and it outlives an `up` that is
killed: the next one finds it. What does not belong here: which processes there are. Any thread.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from cairnfs.errors import Unavailable
from cairnfs.local import pid_file
from cairnfs.local.paths import ClusterPlaces
from cairnfs.local.waiting import until

START_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
_KILL_WITHIN_S = 10.0
_GONE_WITHIN_S = 2.0
_LOG_KEEP_BYTES = 16 * 1024 * 1024
_TAIL_BYTES = 8192
#: What a server has no business knowing.
_SECRETS = ("CAIRN_PASSWORD", "CAIRN_OLD_PASSWORD", "CAIRN_TOKEN", "CAIRN_JOIN_TOKEN", "CAIRN_INVITATION")
#: glibc otherwise keeps an arena of freed memory for each thread: 20 MB of an idle control plane, and twice
#: as much growth while large files pass (docs/design/0007).
_MEMORY = {"MALLOC_ARENA_MAX": "1"}


class Process:
    """One process of the cluster, whoever started it."""

    def __init__(self, places: ClusterPlaces, name: str) -> None:
        """`name` is `control` or `fileserver-N`."""
        self.name = name
        self._pid_file = places.pid_file(name)
        self._log = places.log(name)
        self._data = places.data
        self._child: subprocess.Popen[bytes] | None = None
        self._ready: int | None = None

    def pid(self) -> int | None:
        """The process that serves, or None."""
        return pid_file.holder(self._pid_file)

    def start(self, arguments: list[str]) -> None:
        """Run `cairn serve ARGUMENTS`, without waiting; `wait_until_ready` does."""
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep_log_small()
        ready, says_ready = os.pipe()
        # -P: the directory that it works in is no place to import from.
        command = [sys.executable, "-P", "-m", "cairnfs.cli", "serve", *arguments]
        command += ["--pid-file", str(self._pid_file), "--ready-fd", str(says_ready)]
        try:
            with self._log.open("ab") as log:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._data,
                    env=_MEMORY | {name: text for name, text in os.environ.items() if name not in _SECRETS},
                    start_new_session=True,
                    pass_fds=(says_ready,),
                )
        except BaseException:
            os.close(ready)
            raise
        finally:
            os.close(says_ready)
        self._ready = ready

    def wait_until_ready(self, within_s: float = START_WITHIN_S) -> None:
        """Wait until what `start` started serves. Raises Unavailable if it ended or takes too long.

        Nothing is waited for where somebody else started it: nobody but its starter is told.
        """
        if self._ready is None or self._child is None:
            return
        readable, _, _ = select.select([self._ready], [], [], within_s)
        said = os.read(self._ready, 64) if readable else b""
        if said:
            os.close(self._ready)
            self._ready = None
            return
        if readable:  # the pipe is closed: it ended, or is about to
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_GONE_WITHIN_S)
        self.require_alive()
        raise Unavailable(
            f"{self.name} is not ready after {within_s:.0f} s: {self._last_word()}",
            hint=f"its log knows more: {self._log}",
        )

    @property
    def child_pid(self) -> int | None:
        """The process that `start` started, dead or alive."""
        return self._child.pid if self._child else None

    def died(self) -> int | None:
        """How the process that `start` started ended: exit status, or minus a signal. None: it lives."""
        return self._child.poll() if self._child else None

    def _living_child(self) -> int | None:
        """What `start` started; it may not have come to taking its pid file yet."""
        return self.child_pid if self._child and self.died() is None else None

    def require_alive(self) -> None:
        """Raises Unavailable with the log's last word if the process has ended, whoever started it."""
        status = self.died()
        if status is not None or (self._child is None and self.pid() is None):
            how = "has ended" if status is None else ending(status)
            raise Unavailable(
                f"{self.name} {how}: {self._last_word()}", hint=f"its log knows more: {self._log}"
            )

    def ask_to_stop(self) -> int | None:
        """Send SIGTERM, without waiting. The process that was asked, for `wait_until_gone`."""
        pid = self.pid() or self._living_child()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
        return pid

    def wait_until_gone(self, pid: int | None, within_s: float = STOP_WITHIN_S) -> bool:
        """Wait for the end of what was asked to stop; kill what does not end in time. True if it had to.

        Raises Unavailable if even that did not help.
        """
        if pid is None or until(lambda: self._ended(pid), within_s):
            return False
        if pid in (self.pid(), self._living_child()):
            _signal(pid, signal.SIGKILL)
        if not until(lambda: self._ended(pid), _KILL_WITHIN_S):
            raise Unavailable(f"{self.name} (process {pid}) cannot be killed", hint="is its disk stuck?")
        return True

    def _ended(self, pid: int) -> bool:
        """The lock is dropped and the number is free again, or names a corpse that others will bury."""
        self.died()
        return self.pid() != pid and not _breathes(pid)

    def _last_word(self) -> str:
        lines = tail(self._log, 20)
        for line in reversed(lines):
            with suppress(ValueError):
                said = json.loads(line)
                return str(said.get("error") or said.get("event") or line)
            if line.strip():
                return line.strip().removeprefix("cairn: ")
        return "it said nothing"

    def _keep_log_small(self) -> None:
        with suppress(FileNotFoundError):
            if self._log.stat().st_size > _LOG_KEEP_BYTES:
                self._log.replace(self._log.with_suffix(".log.old"))


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def ending(status: int) -> str:
    """An exit status in words."""
    if status == 0:
        return "has stopped"
    if status < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a text file (at most 8 KiB of them); none if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _breathes(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return not Path("/proc/self/stat").exists() and _answers(pid)
    return status.rpartition(b")")[2].split()[:1] != [b"Z"]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
