"""A pid file tells who serves by its lock, whatever number it holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnfs.errors import Conflict
from cairnfs.local import pid_file

HOLDER = """
import sys, time
from pathlib import Path
from cairnfs.local import pid_file
held = pid_file.hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
held.release()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.pid"


@pytest.fixture
def other(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the file until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


def test_nobody_holds_a_file_that_is_not_there(path: Path) -> None:
    assert pid_file.holder(path) is None


def test_it_names_the_process_that_holds_it(path: Path, other: subprocess.Popen[str]) -> None:
    assert pid_file.holder(path) == other.pid
    assert path.read_text() == f"{other.pid}\n"


def test_a_second_holder_is_refused(path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(Conflict, match=f"running already, as process {other.pid}"):
        pid_file.hold(path)
    assert pid_file.holder(path) == other.pid


def test_a_killed_holder_holds_nothing(path: Path, other: subprocess.Popen[str]) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert path.read_text() == f"{other.pid}\n", "the number is still there"
    assert pid_file.holder(path) is None
    pid_file.hold(path).release()


def test_a_number_that_was_given_to_somebody_else_proves_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(f"{os.getppid()}\n")
    assert pid_file.holder(path) is None


def test_the_file_is_gone_after_an_orderly_end(path: Path, other: subprocess.Popen[str]) -> None:
    assert other.stdin is not None
    other.stdin.close()
    assert other.wait() == 0
    assert not path.exists()


def test_it_can_be_taken_again_and_again(path: Path) -> None:
    for _ in range(3):
        held = pid_file.hold(path)
        assert path.read_text() == f"{os.getpid()}\n"
        held.release()


def test_a_shorter_number_leaves_nothing_of_a_longer_one(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("123456789012\n")
    held = pid_file.hold(path)
    assert path.read_text() == f"{os.getpid()}\n"
    held.release()
