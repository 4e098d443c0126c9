"""A person at a terminal who types commands at a real cluster, and what comes out of them.

What belongs here: running commands, and stopping whatever a failed test left. What does not: which
clusters there are (`conftest.py`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cairnfs.local import pid_file

PASSWORD = "correct horse"
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def document(self) -> Any:
        """Its standard output, which is one JSON document and nothing else."""
        assert self.text.count("\n") == 1
        return json.loads(self.text)


@dataclass
class Person:
    """Somebody with a home, an environment and a cluster's directory."""

    home: Path
    data: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CAIRN_", "XDG_"))}
        self.environ = kept | {"HOME": str(self.home), "CAIRN_DATA": str(self.data), "LC_ALL": "C.UTF-8"}
        # What is read is to come from the cluster, unless a story is about the cache.
        self.environ["CAIRN_CACHE_BYTES"] = "0"

    def start(self, *arguments: str | bytes, **options: Any) -> subprocess.Popen[bytes]:
        """A command under way."""
        environ = self.environ | options.pop("environ", {})
        return subprocess.Popen(
            [sys.executable, "-m", "cairnfs.cli", *arguments],
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            cwd=self.home,
            env=environ,
            **options,
        )

    def tries(self, *arguments: str | bytes, given: bytes | None = None, **environ: str) -> Ended:
        """Run a command to its end, whatever that is; `given` is its standard input."""
        stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
        with self.start(*arguments, stdin=stdin, environ=environ) as process:
            out, err = process.communicate(given, timeout=PATIENCE_S)
        ended = Ended(process.returncode, out, err.decode())
        if ended.status != 0:
            complaints = [line for line in ended.err.splitlines() if line.startswith("cairn: ")]
            assert complaints, f"status {ended.status} and not a word: {ended}"
            assert "Traceback" not in ended.err
        return ended

    def does(self, *arguments: str | bytes, given: bytes | None = None, **environ: str) -> Ended:
        """Run a command that succeeds."""
        ended = self.tries(*arguments, given=given, **environ)
        assert ended.status == 0, f"{arguments}: {ended}"
        return ended

    def fails(self, status: int, *arguments: str | bytes, given: bytes | None = None, **environ: str) -> str:
        """Run a command that fails with this status. Its one line on stderr."""
        ended = self.tries(*arguments, given=given, **environ)
        assert ended.status == status, f"{arguments}: {ended}"
        lines = ended.err.splitlines()
        assert len(lines) == 1, f"{arguments}: {ended}"
        return lines[0]

    def another(self, name: str) -> Person:
        """Another person of the same machine, with no login yet."""
        return Person(self.home.parent / name, self.data)

    def signed_up(self, name: str) -> Person:
        """Another person, who has signed up and is logged in."""
        other = self.another(name)
        other.does("signup", name, CAIRN_PASSWORD=PASSWORD)
        return other

    def pid(self, process: str) -> int | None:
        """The process that serves, by its lock."""
        return pid_file.holder(self.data / "run" / f"{process}.pid")


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_S:.0f} s: {what or condition}"
        time.sleep(0.02)


def gone(person: Person, process: str) -> bool:
    """Whether this process of the cluster does not run."""
    return person.pid(process) is None


def _is_free(path: Path) -> bool:
    return pid_file.holder(path) is None


def kill_what_is_left(person: Person) -> None:
    """After a test that failed half-way; a process is known by the lock on its pid file."""
    for path in sorted((person.data / "run").glob("*.pid")):
        pid = pid_file.holder(path)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            eventually(partial(_is_free, path), f"the end of {path.stem}")
