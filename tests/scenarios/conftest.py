"""Real clusters of real processes for whole-command tests, stopped again whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.people import Person, kill_what_is_left


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """Somebody who has not started anything yet."""
    somebody = Person(tmp_path / "somebody", tmp_path / "data")
    yield somebody
    kill_what_is_left(somebody)


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Who started a cluster of three fileservers that all tests of the module share."""
    place = tmp_path_factory.mktemp("cluster")
    somebody = Person(place / "admin", place / "data")
    try:
        somebody.does("up", "--detach", "--port", "0")
        yield somebody
        somebody.does("down")
    finally:
        kill_what_is_left(somebody)


@pytest.fixture(scope="module")
def ann(admin: Person) -> Person:
    """A user of that cluster."""
    return admin.signed_up("ann")
