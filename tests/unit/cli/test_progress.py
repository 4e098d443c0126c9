"""What a person sees of a transfer: a line at a terminal, lines now and then in a log, nothing if told so."""

from __future__ import annotations

import io
import sys

import pytest

from cairnfs.cli.progress import LINES_S, PATIENCE_S, Progress, duration, in_words
from cairnfs.client.results import Progress as Transferred
from cairnfs.testing.clock import ManualClock

NOW = Transferred(1234, 10_000, 5_000_000, 41_000_000, "sending", 2345.6, 9_800_000.0, 3.7)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_all_that_is_known_is_said() -> None:
    assert in_words(NOW) == ("sending 1,234/10,000 files, 5.0 MB/41.0 MB, 9.8 MB/s, 2,346 files/s, 4 s left")
    assert in_words(Transferred(1234, None, 0, None, "looking")) == "looking at 1,234 names"
    assert in_words(Transferred(0, None, 0, None, "sending")) == "sending 0 files, 0 B"
    assert in_words(Transferred(0, 1, 500, 1000, "receiving", 0.0, 100.0, 5.0)) == (
        "receiving 500 B/1.0 kB, 100 B/s, 5 s left"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.4, "59 s"), (60, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_log_gets_a_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    with Progress("publish", b"/srv/site", lines=True, clock=clock) as progress:
        tell = progress.of_transfer
        assert tell is not None
        for _ in range(30):
            tell(NOW)
            clock.advance(LINES_S / 10)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"publish site: {in_words(NOW)}"] * 2


def test_without_being_asked_for_lines_a_log_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert Progress("put", b"x").of_transfer is None
    assert Progress("put", b"x", lines=True, quiet=True).of_transfer is None
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_one_line_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    clock = ManualClock()
    with Progress("put", b"/srv/[site]", clock=clock) as progress:
        tell = progress.of_transfer
        assert tell is not None
        tell(NOW)
        assert screen.getvalue() == "", "what takes no time needs no line"
        clock.advance(PATIENCE_S)
        tell(NOW)
    assert "put [site]" in screen.getvalue()
    assert "9.8 MB/s" in screen.getvalue()
    screen.truncate(0)
    assert Progress("put", b"x", quiet=True).of_transfer is None
