"""Fixtures of the chunk store's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fileserver.shelves import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """A claimed, empty directory on a flaky disk that has no faults planned."""
    shelf = Shelf(tmp_path / "fileserver")
    yield shelf
    if shelf.store is not None:
        shelf.close()
