"""The main job, end to end, with real processes: `make demo`.

A cluster of one control plane and three fileservers is started below .demo, a user signs up and puts
the Python standard library's source into it, gets it back and compares every byte; then a fileserver
is killed, everything is read again, and writing goes on. Every step is a command that anybody can
type; each is shown before it runs, with the time it took. Whatever an earlier demo left is stopped
and removed first. Nothing outside of .demo is touched.

The last line is `demo: N files, M bytes, 0 differences` and the exit status 0, or what went wrong and 1.
"""

from __future__ import annotations

import filecmp
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".demo"
DATA = PLACE / "data"
SOURCE = PLACE / "stdlib"
#: What lies in the standard library's directory and is not its source.
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages")
KILLED = "fileserver-2"
SHOWN_DIFFERENCES = 20
GONE_WITHIN_S = 10.0


class Failed(Exception):
    """A step did not do what it should; the text says which and how."""


@dataclass(slots=True)
class Tally:
    """What was compared so far."""

    files: int = 0
    bytes: int = 0
    differences: int = 0


# -- showing -----------------------------------------------------------------------------------------


def say(line: str = "") -> None:
    """A line for the person who watches, at once also in a pipe."""
    print(line, flush=True)


def title(words: str) -> None:
    """What the next steps are about."""
    say(f"\n== {words}")


@contextmanager
def timed() -> Iterator[None]:
    """Says how long the body took."""
    begun = time.monotonic()
    yield
    say(f"   ({time.monotonic() - begun:.1f} s)")


def relative(path: Path) -> str:
    """A path as one types it in the repository's directory."""
    return os.path.relpath(path, ROOT)


# -- doing -------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """Ours, with every directory of the user's below .demo, and no setting of the user's own cluster."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    for name in ("CONFIG_HOME", "DATA_HOME", "STATE_HOME", "CACHE_HOME", "RUNTIME_DIR"):
        environ[f"XDG_{name}"] = str(PLACE / name.lower())
    return environ | {
        "CAIRN_DATA": str(DATA),
        # What is compared is to come from the fileservers.
        "CAIRN_CACHE_BYTES": "0",
        "CAIRN_PASSWORD": "correct horse battery staple",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def cairn(*arguments: str) -> None:
    """Run a command, shown and timed. Raises Failed if it fails."""
    say(f"$ cairn {shlex.join(arguments)}")
    with timed():
        ended = subprocess.run(["cairn", *arguments], cwd=ROOT, env=environment(), check=False)
    if ended.returncode != 0:
        raise Failed(f"cairn {arguments[0]} ended with status {ended.returncode}")


def prepare() -> None:
    """Stop and remove what an earlier demo left."""
    if (DATA / "cluster.toml").exists():
        title("An earlier demo left something: it is stopped and removed")
        cairn("down")
    if PLACE.exists():
        shutil.rmtree(PLACE)
    PLACE.mkdir()
    (PLACE / "runtime_dir").mkdir(mode=0o700)


def take_source() -> None:
    """A copy of the standard library's source: the original may get __pycache__ while we look."""
    original = Path(sysconfig.get_path("stdlib"))
    title("A real tree: the source of Python's standard library, without __pycache__")
    say(f"   copying {original} to {relative(SOURCE)}")
    with timed():
        shutil.copytree(original, SOURCE, ignore=NOT_SOURCE, ignore_dangling_symlinks=True)


def kill(process: str) -> None:
    """SIGKILL to the one process that serves, and proof that it is gone: its number and its port."""
    pid = int((DATA / "run" / f"{process}.pid").read_text())
    say(f"$ kill -KILL {pid}   # {process}")
    os.kill(pid, signal.SIGKILL)
    port = port_of(process)
    end = time.monotonic() + GONE_WITHIN_S
    while time.monotonic() < end:
        if not is_alive(pid) and not answers(port):
            say(f"   process {pid} is gone, and port {port} refuses")
            return
        time.sleep(0.02)
    raise Failed(f"{process} is still there {GONE_WITHIN_S:.0f} s after SIGKILL")


def port_of(process: str) -> int:
    """From cluster.toml."""
    cluster = tomllib.loads((DATA / "cluster.toml").read_text())
    return int(next(member["port"] for member in cluster["fileservers"] if member["name"] == process))


def is_alive(pid: int) -> bool:
    """Whether it runs; a corpse that nobody has buried does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def answers(port: int) -> bool:
    """Whether somebody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


# -- comparing ---------------------------------------------------------------------------------------


def compare(there: Path, back: Path, tally: Tally) -> None:
    """Compare two trees: names, kinds and every byte. Differences are said and counted."""
    say(f"   comparing {relative(there)} with {relative(back)}, every byte")
    files = volume = 0
    with timed():
        for difference in differences(there, back):
            tally.differences += 1
            if tally.differences <= SHOWN_DIFFERENCES:
                say(f"   differs: {difference}")
        for path in there.rglob("*"):
            if path.is_file():
                files, volume = files + 1, volume + path.stat().st_size
        say(f"   {files:,} files, {volume:,} bytes, {tally.differences} differences")
    tally.files, tally.bytes = max(tally.files, files), max(tally.bytes, volume)


def differences(there: Path, back: Path) -> Iterator[str]:
    """What is in one tree and not, or not alike, in the other."""
    ours, theirs = names(there), names(back)
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield f"{name!r} did not come back"
        elif name not in ours:
            yield f"{name!r} came back and was never there"
        elif ours[name] != theirs[name]:
            yield f"{name!r} went as a {ours[name]} and came back as a {theirs[name]}"
        elif ours[name] == "file" and not filecmp.cmp(there / name, back / name, shallow=False):
            yield f"{name!r} came back with other bytes"


def names(tree: Path) -> dict[str, str]:
    """Every path below the tree, and whether it is a file or a directory."""
    return {str(path.relative_to(tree)): "directory" if path.is_dir() else "file" for path in tree.rglob("*")}


# -- the main job ------------------------------------------------------------------------------------


def main_job(tally: Tally) -> None:
    """Everything, step by step."""
    title("A cluster: one control plane, three fileservers, three copies of everything")
    cairn("up", "--detach", "--port", "0", "--fileservers", "3")
    cairn("cat", "/Hello.txt")

    title("A user signs up and logs in (CAIRN_PASSWORD answers when the password is asked for)")
    cairn("signup", "ann")
    cairn("login", "ann")
    cairn("whoami")

    take_source()
    title("In, and back out")
    cairn("put", "-r", relative(SOURCE), "/home/ann/stdlib")
    cairn("get", "-r", "/home/ann/stdlib", relative(PLACE / "back"))
    compare(SOURCE, PLACE / "back", tally)

    title("A fileserver is killed; everything is read again")
    kill(KILLED)
    cairn("get", "-r", "/home/ann/stdlib", relative(PLACE / "back-without-one"))
    compare(SOURCE, PLACE / "back-without-one", tally)

    title("Writing goes on with two fileservers")
    (PLACE / "new").mkdir()
    for number in range(50):
        (PLACE / "new" / f"{number}.bin").write_bytes(os.urandom(number * 1000))
    cairn("put", "-r", relative(PLACE / "new"), "/home/ann/new")
    cairn("get", "-r", "/home/ann/new", relative(PLACE / "new-back"))
    compare(PLACE / "new", PLACE / "new-back", tally)
    cairn("ls", "-l", "/home/ann")


def bring_down() -> None:
    """The end, however it came."""
    if (DATA / "cluster.toml").exists():
        title("Down")
        cairn("down")


def run(work: Callable[[Tally], None]) -> int:
    """Do the work and bring the cluster down. The exit status; the last line is said here."""
    tally = Tally()
    problem = ""
    try:
        prepare()
        work(tally)
    except (Failed, OSError) as error:
        problem = str(error)
    except KeyboardInterrupt:
        problem = "interrupted"
    try:
        bring_down()
    except (Failed, KeyboardInterrupt) as error:
        problem = problem or str(error) or "interrupted"
    say()
    if problem:
        say(f"demo: failed: {problem} (the logs are in {relative(DATA / 'log')})")
        return 130 if problem == "interrupted" else 1
    say(f"demo: {tally.files} files, {tally.bytes} bytes, {tally.differences} differences")
    return 1 if tally.differences else 0


def interrupted(number: int, frame: object) -> None:
    """SIGTERM ends the demo as Ctrl-C does: the cluster is brought down first."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    sys.exit(run(main_job))
