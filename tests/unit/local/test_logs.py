"""Logs for people: the last lines of each process, then what comes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from cairnfs.local import logs


def test_the_last_lines_of_each(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ntwo\nthree\n")
    (tmp_path / "b").write_text("four\n")
    found = list(logs.read({"a": tmp_path / "a", "b": tmp_path / "b", "c": tmp_path / "c"}, 2, follow=False))
    assert found == [("a", "two"), ("a", "three"), ("b", "four")]


def test_none_of_the_past_is_fine_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    assert list(logs.read({"a": tmp_path / "a"}, 0, follow=False)) == []


def test_following_goes_on_with_what_is_written_also_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one\nha")
    following = logs.read({"a": path}, 1, follow=True)
    assert next(following) == ("a", "one")
    with path.open("a") as log:
        log.write("lf\nmore\n")
    assert list(islice(following, 2)) == [("a", "half"), ("a", "more")]
    path.rename(tmp_path / "a.old")
    path.write_text("anew\n")
    assert next(following) == ("a", "anew")


def test_following_waits_for_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    following = logs.read({"a": tmp_path / "a", "b": tmp_path / "b"}, 5, follow=True)
    (tmp_path / "b").write_text("here\n")
    (tmp_path / "a").write_text("")
    assert next(following) == ("b", "here")


def test_json_becomes_words() -> None:
    line = (
        b'{"event": "listening", "level": "info", "at": "2026-11-22T10:00:00Z", "port": 7070, "why": "a b"}'
    )
    assert logs.readable(line) == '2026-11-22T10:00:00Z info listening port=7070 why="a b"'


def test_nothing_in_a_line_moves_the_cursor() -> None:
    assert logs.readable(b"red \x1b[31m\r and \xff") == "red \\x1b[31m\\x0d and \ufffd"
    assert "\x1b" not in logs.readable(b'{"event": "\\u001b[2J"}')
