"""What stands beside the content of local files, read and given as far as it may be."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.local import attributes as local_attributes
from cairnfs.client.local.attributes import Kept, give, look_beside, process_umask
from cairnfs.client.local.files import look
from cairnfs.core import xattrs
from cairnfs.errors import Forbidden, NotFound

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def kept(**given: Any) -> Kept:
    return replace(Kept(mode=0o644, mtime_ns=0, owner="nobody here", group="nobody here"), **given)


def test_what_runs_as_its_owner_does_not_run_as_another(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    beside = look_beside(look(tmp_path / "f"))
    assert give(os.fsencode(tmp_path / "f"), kept(mode=0o6755), "file") == []
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o755
    if beside.owner is None or beside.group is None:
        pytest.skip("who runs this has no name here")
    theirs = kept(mode=0o6755, owner=beside.owner, group=beside.group)
    assert give(os.fsencode(tmp_path / "f"), theirs, "file") == []
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o6755


@pytest.mark.skipif(not ROOT, reason="only the super user gives files away")
def test_files_are_given_to_who_has_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    os.chown(tmp_path / "f", 65534, 65534)
    told = look_beside(look(tmp_path / "f"))
    if told.owner is None or told.group is None:
        pytest.skip("this machine has no nobody")
    os.chown(tmp_path / "f", 0, 0)
    give(os.fsencode(tmp_path / "f"), kept(owner=told.owner, group=told.group), "file")
    status = (tmp_path / "f").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65534)


def test_what_may_not_be_written_has_attributes_too(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "f").chmod(0o400)
    assert give(os.fsencode(tmp_path / "f"), kept(mode=0o400, xattrs={b"user.a": b"1"}), "file") == []
    assert os.getxattr(tmp_path / "f", "user.a") == b"1"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o400


def test_more_attributes_than_cairn_keeps_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"")
    for number in range(4):
        os.setxattr(tmp_path / "f", f"user.{number}", bytes(100))
    monkeypatch.setattr(xattrs, "SET_MAX_BYTES", 350)
    beside = look_beside(look(tmp_path / "f"))
    assert beside.xattrs is not None
    assert (len(beside.xattrs), len(beside.lost)) == (3, 1)
    monkeypatch.setattr(xattrs, "SET_MAX", 2)
    assert len(look_beside(look(tmp_path / "f")).lost) == 2


def test_a_system_without_attributes_has_none_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"")
    found = look(tmp_path / "f")

    def refuse(number: int) -> Any:
        def listxattr(*_: Any, **__: Any) -> None:
            raise OSError(number, os.strerror(number))

        return listxattr

    monkeypatch.setattr(os, "listxattr", refuse(errno.ENOTSUP))
    assert look_beside(found).xattrs is None
    monkeypatch.setattr(os, "listxattr", refuse(errno.EROFS))
    with pytest.raises(Forbidden):
        look_beside(found)
    monkeypatch.setattr(local_attributes, "_XATTRS", False)
    assert look_beside(found).xattrs is None
    assert give(os.fsencode(tmp_path / "f"), kept(xattrs={b"user.a": b"", b"trusted.b": b""}), "file") == [
        "its attribute user.a cannot be kept here (Operation not supported)"
    ]


def test_what_went_away_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    found = look(tmp_path / "f")
    (tmp_path / "f").unlink()
    with pytest.raises(NotFound):
        look_beside(found)


def test_the_process_has_a_umask(tmp_path: Path) -> None:
    os.close(os.open(tmp_path / "f", os.O_CREAT | os.O_WRONLY, 0o777))
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o777 & ~process_umask()
