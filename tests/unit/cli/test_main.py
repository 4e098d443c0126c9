"""However a command begins and ends: one line, an exit status, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

Ended = subprocess.CompletedProcess[str]


def run(place: Path, redirection: str, *arguments: str, python: tuple[str, ...] = ()) -> Ended:
    """A command started by a shell with this redirection."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("CAIRN_", "XDG_"))}
    command = [sys.executable, *(python or ("-m", "cairnfs.cli")), *arguments]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command],
        env=environ | {"HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("version",), ("paths",), ("paths", "--json"), ("--help",)])
def test_a_closed_standard_output_is_an_error_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = run(tmp_path, ">&-", *arguments)
    assert ended.returncode == 2
    assert ended.stderr == "cairn: bad file descriptor (standard input or output is closed)\n"


def test_a_closed_standard_input_is_one_too(tmp_path: Path) -> None:
    ended = run(tmp_path, "<&-", "login", "ann", "--password-stdin")
    assert ended.returncode == 2
    assert ended.stderr == "cairn: bad file descriptor (standard input or output is closed)\n"


def test_where_standard_error_is_closed_the_status_still_tells(tmp_path: Path) -> None:
    assert run(tmp_path, "2>&-", "version").stdout.startswith("cairn ")
    ended = run(tmp_path, "2>&-", "frobnicate")
    assert (ended.returncode, ended.stdout) == (2, "")
    ended = run(tmp_path, "<&- >&- 2>&-", "version")
    assert ended.returncode == 2


INTERRUPTED_IMPORT = """
import builtins
from cairnfs.cli.main import run

really = builtins.__import__

def interrupted(name, *rest):
    if name == "typer":
        raise KeyboardInterrupt
    return really(name, *rest)

builtins.__import__ = interrupted
run()
"""


def test_an_interrupt_while_the_command_is_still_being_loaded(tmp_path: Path) -> None:
    ended = run(tmp_path, "", "version", python=("-c", INTERRUPTED_IMPORT))
    assert (ended.returncode, ended.stderr) == (130, "cairn: interrupted\n")
