"""Drafts that were left behind are gone on with, by one, and never while their writer lives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cairnfs.client.local.draft_locks import open_draft

pytest.importorskip("fcntl")


def test_what_has_no_name_is_new_each_time(tmp_path: Path) -> None:
    target = os.fsencode(tmp_path / "f")
    opened = [open_draft(target, 0o644, None) for _ in range(2)]
    assert len({place for place, _, _ in opened}) == 2
    assert not any(resumed for _, _, resumed in opened)
    for _, descriptor, _ in opened:
        os.close(descriptor)


def test_a_draft_whose_writer_is_gone_is_taken_over_by_one(tmp_path: Path) -> None:
    target = os.fsencode(tmp_path / "f")
    place, writer, resumed = open_draft(target, 0o644, b"version 1")
    assert not resumed
    os.write(writer, b"half")
    other, second, resumed = open_draft(target, 0o644, b"version 1")
    assert other != place, "its writer lives"
    assert not resumed
    os.close(second)
    os.close(writer)
    again, third, resumed = open_draft(target, 0o644, b"version 1")
    assert (again, resumed) == (place, True)
    assert os.pread(third, 10, 0) == b"half"
    _, fourth, resumed = open_draft(target, 0o644, b"version 1")
    assert not resumed, "it was taken over already"
    os.close(third)
    os.close(fourth)


def test_other_content_or_another_target_is_another_draft(tmp_path: Path) -> None:
    places = set()
    for name, version in ((b"f", b"1"), (b"f", b"2"), (b"g", b"1")):
        place, descriptor, resumed = open_draft(os.fsencode(tmp_path) + b"/" + name, 0o644, version)
        os.close(descriptor)
        places.add(place)
        assert not resumed
    assert len(places) == 3


def test_only_a_plain_file_with_one_name_is_taken_over(tmp_path: Path) -> None:
    target = os.fsencode(tmp_path / "f")
    place, descriptor, _ = open_draft(target, 0o644, b"1")
    os.close(descriptor)
    os.link(place, target)
    other, descriptor, resumed = open_draft(target, 0o644, b"1")
    os.close(descriptor)
    assert (other != place, resumed) == (True, False)
    os.unlink(place)
    os.symlink(b"f", place)
    other, descriptor, resumed = open_draft(target, 0o644, b"1")
    os.close(descriptor)
    assert (other != place, resumed) == (True, False)
