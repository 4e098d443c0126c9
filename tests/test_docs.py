"""The documents say what the code does."""

from __future__ import annotations

from tests.reference import PROTOCOL, written


def test_the_tables_of_the_protocol_are_those_of_the_code() -> None:
    text = PROTOCOL.read_text()
    assert text == written(text), "run: make docs"


def test_a_changed_table_is_noticed() -> None:
    text = PROTOCOL.read_text()
    assert written(text.replace("| `not_found` | 404 |", "| `not_found` | 200 |")) == text
