"""The log: one line an event, JSON in a file, key=value on a terminal, no secrets in either."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from cairnfs.net import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._CHATTY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)
    logs.route()


def test_a_file_gets_json() -> None:
    out = io.StringIO()
    logs.configure(out)
    structlog.get_logger("fileserver.scrub").info("bad record", segment=4, name=b"\xff")
    (line,) = out.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["logger"], event["level"], event["segment"]) == (
        "bad record", "fileserver.scrub", "info", 4,
    )  # fmt: skip
    assert event["at"].endswith("Z")


def test_a_terminal_gets_words() -> None:
    out = Terminal()
    logs.configure(out)
    structlog.get_logger("net").info("listening", port=7070)
    (line,) = out.getvalue().splitlines()
    assert "listening" in line
    assert "7070" in line


@pytest.mark.parametrize(
    "name", ["token", "refresh_token", "Authorization", "receipt_key", "password", "sealed"]
)
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_what_is_named_like_a_secret_is_blanked(name: str, stream: type[io.StringIO]) -> None:
    out = stream()
    logs.configure(out)
    structlog.get_logger("auth").info("login", **{name: "hunter2"})
    assert "hunter2" not in out.getvalue()


@pytest.mark.loud
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_traceback_shows_no_local_variables(stream: type[io.StringIO]) -> None:
    out = stream()
    logs.configure(out)

    def fail(given: str) -> None:
        raise ZeroDivisionError(len(given))

    try:
        fail("hunter2".upper())
    except ZeroDivisionError:
        structlog.get_logger("auth").exception("defect")
    assert "ZeroDivisionError" in out.getvalue()
    assert "HUNTER2" not in out.getvalue()


@pytest.mark.loud
def test_libraries_that_log_by_themselves_are_written_alike() -> None:
    out = io.StringIO()
    logs.configure(out)
    logging.getLogger("uvicorn.error").warning("something %s", "odd")
    logging.getLogger("uvicorn.error").info("chatter")
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["event"] == "something odd"


@pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 1), ("error", 0), ("nonsense", 1)])
def test_the_level_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, level: str, lines: int
) -> None:
    monkeypatch.setenv("CAIRN_LOG", level)
    out = io.StringIO()
    logs.configure(out)
    log = structlog.get_logger("x")
    log.debug("one")
    log.info("two")
    assert len(out.getvalue().splitlines()) == lines
