"""Trying names leaves nothing, and takes no full disk for a forbidden name."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from cairnfs.client.local.naming import Capabilities
from cairnfs.client.local.probe import Trial, trial
from cairnfs.errors import NoSpace


def test_one_directory_is_made_and_removed(tmp_path: Path) -> None:
    with trial(os.fsencode(tmp_path)) as tried:
        assert tried is not None
        (place,) = tmp_path.iterdir()
        assert place.name.startswith(".cairn-")
        assert tried.holds("name")
        assert tried.holds(b"\xff") or sys.platform != "linux"
        assert not tried.holds("x" * 256)
        assert not tried.holds("in/side")
        assert tried.same("one", "one")
        assert not tried.same("one", "two")
        assert list(place.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_stored_as_another_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def shortening(path: bytes, *rest: int) -> int:
        return real(path.rstrip(b"."), *rest)

    monkeypatch.setattr(os, "open", shortening)
    with trial(os.fsencode(tmp_path)) as tried:
        assert tried is not None
        assert not tried.holds("a.")
        assert tried.holds("a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("most", [1, 8, 143, 254])
def test_the_longest_name_is_found(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Trial(os.fsencode(tmp_path))
    monkeypatch.setattr(tried, "holds", lambda name: len(name) <= most)
    assert tried.longest(255) == most


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_limit_of_names(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, "planned")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(NoSpace):
            Capabilities.probe(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(NoSpace):
        Capabilities.probe(tmp_path)


def test_links_that_cannot_be_made_are_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise OSError(errno.ENOSYS, "planned")

    assert Capabilities.probe(tmp_path).symlinks
    monkeypatch.setattr(os, "symlink", never)
    monkeypatch.setattr(os, "link", never)
    holds = Capabilities.probe(tmp_path)
    assert (holds.symlinks, holds.hard_links) == (False, False)
    assert list(tmp_path.iterdir()) == []
