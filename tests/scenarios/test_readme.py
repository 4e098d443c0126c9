"""What the README shows is what happens."""

from __future__ import annotations

import pytest

from tests import readme


@pytest.mark.timeout(240)
def test_the_session_of_the_readme_runs_as_shown() -> None:
    text = readme.README.read_text()
    shown = readme.steps(text)
    with readme.stage() as environment:
        played = readme.play([step.command for step in shown], readme.example(text), environment)
    for was, now in zip(shown, played, strict=True):
        assert readme.steady(now.output) == readme.steady(was.output), f"$ {was.command}"


def test_a_session_that_shows_something_else_is_noticed() -> None:
    assert readme.steady("in 1.2 s, commit 4\n") == readme.steady("in 0.9 s, commit 4\n")
    assert readme.steady("in 1.2 s, commit 4\n") != readme.steady("in 0.9 s, commit 5\n")
    with readme.stage() as environment, pytest.raises(AssertionError, match="exit status 3"):
        readme.run("exit 3", environment)
