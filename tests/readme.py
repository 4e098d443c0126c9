"""The session and the Python example in README.md, run for real. `python -m tests.readme` records.

What belongs here: cutting the README into commands, running them in a directory, home and port of
their own, putting the output back, and what of an output may differ from run to run. The test is in
`scenarios/test_readme.py`.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
_SESSION = re.compile(r"(<!-- session:[^\n]*-->\n```console\n)(.*?)(```\n<!-- /session -->)", re.DOTALL)
_PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
#: What differs from run to run: ports, times, who runs it and where, widths of columns.
_VARYING = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?"), "TIME"),
    (re.compile(r"\S+ cairn lock \d+"), "HOST cairn lock PID"),
    (re.compile(r"\bin \d+(\.\d+)? s"), "in N s"),
    (re.compile(rf"\b({re.escape(getpass.getuser())}|root)\b"), "USER"),
    # A fileserver that just came back is compared in the background; until then its groups are dirty.
    (re.compile(r", \d+ dirty groups?"), ""),
    # So are the names below a removed directory, which a duty ends.
    (re.compile(r"\b\d+ names\b"), "N names"),
    (re.compile(r" {2,}"), " "),
)
COMMAND_SECONDS = 60


class Step(NamedTuple):
    """One command of the session and what it printed."""

    command: str
    output: str


def steps(readme: str) -> list[Step]:
    """The session as the README shows it."""
    found = _SESSION.search(readme)
    assert found is not None, "README.md has no session"
    parts = re.split(r"^\$ ", found[2], flags=re.MULTILINE)
    assert parts[0] == "", "the session begins with a command"
    return [Step(*part.split("\n", 1)) for part in parts[1:]]


def example(readme: str) -> str:
    """The Python example."""
    found = _PYTHON.search(readme)
    assert found is not None, "README.md has no Python example"
    return found[1]


def steady(output: str) -> str:
    """An output without what may differ from run to run."""
    for pattern, instead in _VARYING:
        output = pattern.sub(instead, output)
    return output


@contextmanager
def stage() -> Iterator[dict[str, str]]:
    """An environment of one's own: home, XDG directories, `cairn` and `python3` of this venv first."""
    with tempfile.TemporaryDirectory(prefix="readme-") as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CAIRN_", "XDG_"))}
        path = f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"
        yield kept | {"HOME": home, "PATH": path, "COLUMNS": "100"}


def run(command: str, environment: dict[str, str]) -> str:
    """What a shell command prints on both streams. Raises CalledProcessError."""
    done = subprocess.run(
        ["bash", "-c", command],
        env=environment,
        cwd=environment["HOME"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"$ {command}\n{done.stdout}(exit status {done.returncode})")
    return done.stdout


def play(commands: list[str], example: str, environment: dict[str, str]) -> list[Step]:
    """Run the session; the Python example runs before the cluster goes down, which happens in any case."""
    played: list[Step] = []
    try:
        for command in commands:
            if command.startswith("cairn down"):
                python = subprocess.run(
                    [sys.executable, "-c", example],
                    env=environment,
                    cwd=environment["HOME"],
                    capture_output=True,
                    text=True,
                    timeout=COMMAND_SECONDS,
                    check=False,
                )
                assert python.returncode == 0, python.stderr
            played.append(Step(command, run(command, environment)))
    except BaseException:
        subprocess.run(
            ["bash", "-c", "cairn down --data demo-data"],
            env=environment,
            cwd=environment["HOME"],
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        raise
    return played


def recorded(readme: str) -> str:
    """The README with the session as it runs now."""
    with stage() as environment:
        played = play([step.command for step in steps(readme)], example(readme), environment)
    text = "".join(f"$ {step.command}\n{step.output}" for step in played)
    return _SESSION.sub(lambda found: found[1] + text + found[3], readme)


if __name__ == "__main__":
    README.write_text(recorded(README.read_text()))
