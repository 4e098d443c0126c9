"""Each error becomes one line and one number."""

from __future__ import annotations

import errno
import os

import pytest

from cairnfs import errors
from cairnfs.cli import exits


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ChunkLost(), 1),
        (errors.BadRequest(), 2),
        (errors.BadName(), 2),
        (errors.NotFound(), 3),
        (errors.BeforeHorizon(), 3),
        (errors.Forbidden(), 4),
        (errors.BadCredentials(), 4),
        (errors.Exists(), 5),
        (errors.VersionChanged(), 5),
        (errors.Unreachable(), 6),
        (errors.TooFewCopies(), 6),
        (errors.TooLarge(), 7),
        (errors.NoSpace(), 7),
        (KeyboardInterrupt(), 130),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), 3),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 4),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "x"), 5),
        (OSError(errno.ENOSPC, "No space left on device"), 7),
        (OSError(errno.EIO, "Input/output error"), 6),
        (OSError(), 6),
        (ValueError("a bug"), 6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_number(error: BaseException, status: int) -> None:
    assert exits.status_of(error) == status


def test_every_error_has_a_number_that_is_documented() -> None:
    for kind in errors.BY_CODE.values():
        assert kind.exit_status in range(1, 8), kind


def test_the_line_names_path_cause_and_what_to_do() -> None:
    error = errors.NotEmpty("holds 3 names", path="/home/ann")
    assert exits.line_of(error) == "/home/ann: holds 3 names (remove it with -r to remove all below it)"


def test_the_line_of_a_local_error_names_the_file() -> None:
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/etc/shadow")
    assert exits.line_of(error) == "/etc/shadow: permission denied (look at its permissions)"


def test_a_file_name_gives_no_orders_to_the_terminal() -> None:
    error = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a\x1b[2J\n\udcff")
    assert exits.line_of(error) == "a\\x1b[2J\\n\\xff: no such file or directory"


def test_it_is_one_line_whatever_the_server_says() -> None:
    error = errors.Conflict("two\nlines\x1b[31m", hint="and\rmore", path="/a\nb")
    assert exits.line_of(error).isprintable()


def test_a_defect_is_called_one() -> None:
    assert exits.line_of(KeyError("x")) == "KeyError: 'x' (a defect in Cairn; CAIRN_DEBUG=1 shows where)"
    assert exits.line_of(RuntimeError()).startswith("RuntimeError (a defect")


def test_an_interruption_is_no_defect() -> None:
    assert exits.line_of(KeyboardInterrupt()) == "interrupted"
