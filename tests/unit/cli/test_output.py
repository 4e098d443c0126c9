"""Sizes, counts, times and tables as people read them; JSON as programs do."""

from __future__ import annotations

import json

import pytest

from cairnfs.cli import output


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1234, "1.2 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (104_857_600, "104.9 MB"),
        (5 * 10**12, "5.0 TB"),
        (7 * 10**18, "7000.0 PB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert output.size(count) == words


def test_counts_with_their_nouns() -> None:
    assert output.number(1, "file") == "1 file"
    assert output.number(2450, "file") == "2,450 files"
    assert output.number(0, "copy", "copies") == "0 copies"


def test_durations() -> None:
    assert [output.seconds(duration) for duration in (0.031, 0.26, 1.23, 75.4)] == [
        "0.03 s",
        "0.3 s",
        "1.2 s",
        "75 s",
    ]


def test_columns_are_aligned_and_lines_do_not_trail() -> None:
    lines = output.table(
        [("NAME", "SIZE", "X"), ("a", "1234", ""), ("bcdefg", "5", "y")], right=frozenset({1})
    )
    assert lines == ["NAME    SIZE  X", "a       1234", "bcdefg     5  y"]


def test_an_empty_table_has_no_lines() -> None:
    assert output.table([]) == []


def test_moments_for_programs_are_utc_and_exact() -> None:
    assert output.moment_rfc3339(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"


def test_a_name_that_is_not_utf8_has_its_bytes_beside_it() -> None:
    assert output.path_fields(b"/\xff") == {"path": "/\\xff", "path_b64": "L/8="}
    assert output.path_fields(b"/a", "source") == {"source": "/a"}


def test_a_document_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_json({"path": "/ä\n", "n": 1})
    text = capsys.readouterr().out
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert json.loads(text) == {"path": "/ä\n", "n": 1}


def test_names_give_no_orders_to_the_terminal() -> None:
    assert output.shown("a\x1b[31m\udcfe") == "a\\x1b[31m\\xfe"
