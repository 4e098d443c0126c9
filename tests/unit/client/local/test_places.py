"""Directories, symlinks and further names take the place of what is there, and follow nothing."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.local.attributes import Kept
from cairnfs.client.local.places import finish_directory, make_inside, make_link, make_root, make_symlink
from cairnfs.errors import CairnError, Exists, Forbidden, IsADirectory

KEPT = Kept(mode=0o1501, mtime_ns=-5, owner="nobody here", group="nobody here")


def raw(path: Path) -> bytes:
    return os.fsencode(path)


def test_a_root_may_be_there_and_a_symlink(tmp_path: Path) -> None:
    assert make_root(tmp_path / "a" / "b", 0o500)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "l").symlink_to("a")
    assert not make_root(tmp_path / "l", 0o755)
    assert (tmp_path / "l").is_symlink()


def test_a_symlink_gives_way_to_a_directory_and_a_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to("d")
    (tmp_path / "f").write_bytes(b"")
    assert [make_inside(raw(tmp_path / name), 0o755) for name in ("d", "l", "new")] == [False, True, True]
    assert not (tmp_path / "l").is_symlink()
    with pytest.raises(Exists):
        make_inside(raw(tmp_path / "f"), 0o755)


def test_a_directory_is_finished_when_all_is_in_it(tmp_path: Path) -> None:
    make_inside(raw(tmp_path / "d"), 0o500)
    (tmp_path / "d" / "f").write_bytes(b"")
    assert finish_directory(raw(tmp_path / "d"), 0o500, None, True) == []
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o500
    assert finish_directory(raw(tmp_path / "d"), 0o1501, KEPT, False) == []
    status = (tmp_path / "d").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o1501, -5)
    (tmp_path / "d").chmod(0o700)


def test_a_closed_directory_is_reopened_where_it_gets_its_mode_anew(tmp_path: Path) -> None:
    for reopen, mode in ((False, 0o500), (True, 0o700)):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d").chmod(0o500)
        assert not make_inside(raw(tmp_path / "d"), 0o500, reopen)
        assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == mode


def test_symlinks_are_made_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "d").mkdir()
    assert make_symlink(raw(tmp_path / "f"), b"missing/\xff", KEPT) == []
    assert os.readlink(raw(tmp_path / "f")) == b"missing/\xff"
    assert (tmp_path / "f").lstat().st_mtime_ns == -5
    with pytest.raises(IsADirectory):
        make_symlink(raw(tmp_path / "d"), b"x", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "f"]


def test_links_are_made_over_what_is_there_and_over_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")
    for _ in range(2):
        assert make_link(raw(tmp_path / "other"), raw(tmp_path / "first"))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "other"]
    assert (tmp_path / "other").samefile(tmp_path / "first")

    def refuse(number: int) -> Any:
        def link(*_: Any, **__: Any) -> None:
            raise OSError(number, os.strerror(number))

        return link

    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    assert not make_link(raw(tmp_path / "third"), raw(tmp_path / "first"))
    monkeypatch.setattr(os, "link", refuse(errno.EROFS))
    with pytest.raises(Forbidden):
        make_link(raw(tmp_path / "third"), raw(tmp_path / "first"))
    assert issubclass(Forbidden, CairnError)
