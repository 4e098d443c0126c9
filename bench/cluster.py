"""The cluster under test: a real one, in its own directory, with its own XDG directories.

What belongs here: starting it with `cairn up --detach`, its processes by name, and ending it
whatever happens. Processes are stopped by the numbers in this cluster's own pid files.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from bench import processes
from cairnfs.local.paths import ClusterPlaces

FILESERVERS = 3
COPIES = 3
_UP_WITHIN_S = 60.0
_DOWN_WITHIN_S = 20.0
CONTROL = "control"


class Cluster:
    """`with Cluster(directory) as cluster:` runs one; `environment` is what its clients need."""

    def __init__(self, directory: Path) -> None:
        """`directory` holds everything, the profile included; it must exist."""
        self.data = directory / "data"
        self.port = _free_port()
        self.environment = _environment(directory)

    @property
    def url(self) -> str:
        """Where the control plane answers."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Cluster:
        """Start it; it is ready when this returns."""
        numbers = ["--port", str(self.port), "--fileservers", str(FILESERVERS), "--replicas", str(COPIES)]
        try:
            self._cairn("up", "--detach", *numbers, within_s=_UP_WITHIN_S)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, by its own command and then by the numbers of those that are left."""
        self._end()

    def pids(self) -> dict[str, int]:
        """The process of each pid file: control, fileserver-1, ..."""
        found = {}
        for file in sorted((self.data / "run").glob("*.pid")):
            with suppress(ValueError):
                pid = int(file.read_text())
                if processes.mentions(pid, str(self.data)):
                    found[file.stem] = pid
        return found

    def cpu_s(self) -> dict[str, float]:
        """Processor time so far, of the control plane and of all fileservers together."""
        spent = {CONTROL: 0.0, "fileservers": 0.0}
        for name, pid in self.pids().items():
            spent[name if name == CONTROL else "fileservers"] += processes.cpu_s(pid)
        return spent

    def database_bytes(self) -> int:
        """The size of the database, its log aside."""
        return self.look("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")

    def locks(self) -> int:
        """How many locks are held or waited for."""
        return self.look("SELECT locks FROM clock")

    def look(self, text: str) -> int:
        """What a query for one number gives."""
        file = ClusterPlaces(self.data).directory(CONTROL) / "cairn.sqlite"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return int(connection.execute(text).fetchone()[0])

    def command(self, *words: str) -> list[str]:
        """The argument list of a `cairn` command."""
        return [str(Path(sys.executable).with_name("cairn")), *words]

    def _cairn(self, *words: str, within_s: float) -> None:
        done = subprocess.run(
            [*self.command(*words), "--data", str(self.data)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        if done.returncode:
            raise OSError(f"cairn {words[0]} ended with {done.returncode}: {done.stderr or done.stdout}")

    def _end(self) -> None:
        left = self.pids()
        with suppress(OSError, subprocess.TimeoutExpired):
            self._cairn("down", within_s=_DOWN_WITHIN_S)
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            left = {name: pid for name, pid in left.items() if processes.mentions(pid, str(self.data))}
            for pid in left.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            if left:
                time.sleep(2.0)


def _environment(directory: Path) -> Mapping[str, str]:
    """This process's, without anything of Cairn's, and with directories of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CAIRN_", "XDG_"))}
    kept["HOME"] = str(directory / "home")
    # What is measured is the cluster; what a cache adds is measured where it is switched on.
    kept["CAIRN_CACHE_BYTES"] = "0"
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        kept[f"XDG_{name}_HOME"] = str(directory / "xdg" / name.lower())
    kept["XDG_RUNTIME_DIR"] = str(directory / "xdg" / "runtime")
    for name, place in kept.items():
        if name == "HOME" or name.startswith("XDG_"):
            Path(place).mkdir(parents=True, mode=0o700, exist_ok=True)
    return kept


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
