"""Fixtures of the chunk store's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fileserver.shelves import Shelf

#: The flaky disk decides what is durable, so memory will do where there is such a place.
MEMORY = Path("/dev/shm")


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where fsyncs cost nothing; else the test's ordinary one."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="cairn-test-", dir=MEMORY) as path:
        yield Path(path)


@pytest.fixture
def shelf(quick_path: Path) -> Iterator[Shelf]:
    """A claimed, empty directory on a flaky disk that has no faults planned."""
    shelf = Shelf(quick_path / "fileserver")
    yield shelf
    if shelf.store is not None:
        shelf.close()
