"""Where a command gets a password from."""

from __future__ import annotations

import getpass
import io
import sys

import pytest

from cairnfs.cli.passwords import password
from cairnfs.errors import BadRequest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_PASSWORD", raising=False)


def answers(monkeypatch: pytest.MonkeyPatch, *given: str) -> None:
    left = list(given)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: left.pop(0))


def test_the_environment_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_PASSWORD", " with spaces ")
    assert password(from_stdin=False) == " with spaces "


def test_standard_input_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_PASSWORD", "other")
    monkeypatch.setattr(sys, "stdin", io.StringIO("first \r\nsecond\n"))
    assert password(from_stdin=True) == "first "
    assert password(from_stdin=True) == "second"


def test_standard_input_may_lack_its_last_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("word"))
    assert password(from_stdin=True) == "word"


def test_a_terminal_is_asked_twice_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "word", "word")
    assert password(from_stdin=False, twice=True) == "word"


def test_two_answers_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "word", "wrod")
    with pytest.raises(BadRequest, match="differ"):
        password(from_stdin=False, twice=True)


def test_an_empty_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "")
    with pytest.raises(BadRequest):
        password(from_stdin=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(BadRequest):
        password(from_stdin=True)
    monkeypatch.setenv("CAIRN_PASSWORD", "")
    with pytest.raises(BadRequest):
        password(from_stdin=False)


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("not this way\n"))
    with pytest.raises(BadRequest) as caught:
        password(from_stdin=False)
    assert "--password-stdin" in caught.value.hint
