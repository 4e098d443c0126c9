"""Finding what lies below a local directory, and reading it though it changes meanwhile."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cairnfs.client.local.files import Found, look, open_regular, read_short, scan
from cairnfs.client.results import Skipped
from cairnfs.errors import NotFound


def test_everything_is_found_once_parents_first(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "f").write_bytes(b"four")
    os.link(tmp_path / "d" / "f", tmp_path / "g")
    (tmp_path / "away").symlink_to("/")
    os.mkfifo(tmp_path / "pipe")
    found = list(scan(tmp_path))
    assert [(one.inside, one.kind) for one in found if isinstance(one, Found)] == [
        (b"away", "symlink"),
        (b"d", "directory"),
        (b"d/e", "directory"),
        (b"d/f", "file"),
        (b"g", "file"),
    ]
    assert [one.path for one in found if isinstance(one, Skipped)] == [os.fsencode(tmp_path / "pipe")]
    by_name = {one.inside: one for one in found if isinstance(one, Found)}
    assert by_name[b"d/f"].twins == by_name[b"g"].twins is not None
    assert by_name[b"d"].twins is None
    assert by_name[b"away"].target == b"/"


def test_what_is_named_is_looked_at_through_symlinks(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"four")
    (tmp_path / "f").chmod(0o4711)
    os.utime(tmp_path / "f", ns=(0, -1))
    (tmp_path / "l").symlink_to("f")
    found = look(tmp_path / "l")
    assert (found.kind, found.size, found.mode, found.mtime_ns) == ("file", 4, 0o4711, -1)


def test_what_became_something_else_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "symlink").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("symlink", "pipe", "directory", "missing"):
        path = os.fsencode(tmp_path / name)
        with pytest.raises(NotFound):
            open_regular(path)
        with pytest.raises(NotFound):
            read_short(path, 10)
    assert read_short(os.fsencode(tmp_path / "secret"), 6) == b"secret"
    assert read_short(os.fsencode(tmp_path / "secret"), 5) is None


def test_a_file_is_sparse_however_little_is_missing_of_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    found = look(tmp_path / "f")
    cases = ((65_536, 0, True), (70_000, 69_632, True), (70_000, 73_728, False), (4096, 0, False))
    for size, stored, sparse in cases:
        assert replace(found, size=size, stored=stored).sparse == sparse
