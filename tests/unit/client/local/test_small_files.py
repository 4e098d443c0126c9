"""A small file is whole or absent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cairnfs.client.local import small_files


def test_content_and_mode_are_as_asked(tmp_path: Path) -> None:
    small_files.replace(tmp_path / "a" / "secret", b"x", mode=0o600)
    assert (tmp_path / "a" / "secret").read_bytes() == b"x"
    assert stat.S_IMODE((tmp_path / "a" / "secret").stat().st_mode) == 0o600


def test_a_failure_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files.replace(tmp_path / "f", b"old", mode=0o644)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        small_files.replace(tmp_path / "f", b"new", mode=0o644)
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]
