"""`cairn user`, `group`, `invite`: what they understand, before any cluster is asked."""

from __future__ import annotations

import pytest

from cairnfs.cli import commands
from cairnfs.cli.group import VERBS as OF_GROUPS
from cairnfs.cli.user import VERBS as OF_USERS
from cairnfs.errors import BadRequest


@pytest.mark.parametrize(
    "arguments",
    [
        ["invite", "--list", "--admin"],
        ["invite", "--list", "--revoke", "00000000"],
        ["invite", "--revoke", "00000000", "--note", "x"],
        ["invite", "--fileserver", "--admin"],
        ["invite", "--fileserver", "--group", "staff"],
        ["invite", "--ttl", "soon"],
        ["invite", "--ttl", "0h"],
        ["invite", "--ttl", "8d"],
        ["invite", "--ttl", "²d"],
        ["user"],
        ["user", "frobnicate"],
        ["user", "role", "ann"],
        ["user", "role", "ann", "king"],
        ["group", "create"],
        ["group", "add", "staff"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(BadRequest) as refusal:
        commands.dispatch(arguments)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("command", "verb"), [*(("user", verb) for verb in OF_USERS), *(("group", verb) for verb in OF_GROUPS)]
)
def test_each_verb_explains_itself(command: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.dispatch([command, verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: cairn {command} {verb}")
    assert "list[str]" not in text
    assert commands.dispatch([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:1] == [verb] and line.endswith(".") for line in lines)
