"""Many short files at one go: each whole in its place, or what was there before."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from cairnfs.client.local.batch import Short, place_all
from cairnfs.client.local.places import Aside
from cairnfs.core.manifest import HOLE, hash_bytes
from cairnfs.errors import IsADirectory, NoSpace
from cairnfs.ids import Hash
from cairnfs.wire.directory import ChunkRef

A, B = b"first content", b"second"
CONTENTS = {hash_bytes(content): content for content in (A, B)}


def short(place: Path, *parts: bytes | int, mode: int = 0o644, fresh: bool = False) -> Short:
    """A file of this content; a number is a hole."""
    chunks = [
        ChunkRef(HOLE, part) if isinstance(part, int) else ChunkRef(hash_bytes(part), len(part))
        for part in parts
    ]
    return Short(os.fsencode(place), mode, chunks, None, fresh)


def test_all_are_there_and_nothing_else(tmp_path: Path) -> None:
    os.umask(mask := os.umask(0o022))
    placed = place_all(
        [
            short(tmp_path / "a", A, fresh=True),
            short(tmp_path / "b", B, mode=0o755),
            short(tmp_path / "empty"),
            short(tmp_path / "sparse", B, 65536, A, 4096),
        ],
        CONTENTS,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "empty", "sparse"]
    assert (tmp_path / "sparse").read_bytes() == B + bytes(65536) + A + bytes(4096)
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o755 & ~mask
    for name, one in zip(("a", "b", "empty", "sparse"), placed, strict=True):
        status = (tmp_path / name).stat()
        assert (one.inode, one.size, one.mtime_ns) == (status.st_ino, status.st_size, status.st_mtime_ns)


def test_a_file_that_is_there_keeps_its_mode_and_a_symlink_leads_nowhere_any_more(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"old")
    (tmp_path / "kept").chmod(0o640)
    (tmp_path / "outside").write_bytes(b"not to be touched")
    (tmp_path / "link").symlink_to("outside")
    place_all([short(tmp_path / "kept", A), short(tmp_path / "link", B)], CONTENTS)
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o640
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "outside").read_bytes() == b"not to be touched"


def test_a_directory_gives_way_only_where_it_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "d" / "in").mkdir(parents=True)
    with pytest.raises(IsADirectory):
        place_all([short(tmp_path / "d", A)], CONTENTS)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    aside = Aside()
    place_all([short(tmp_path / "d", A)], CONTENTS, aside)
    assert (tmp_path / "d").read_bytes() == A
    [moved] = aside.moved
    assert os.listdir(moved) == [b"in"]


@pytest.mark.parametrize("fails", ["write", "replace"])
def test_what_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    (tmp_path / "f").write_bytes(b"old")

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, fail)
        with pytest.raises(NoSpace):
            place_all([short(tmp_path / "f", A)], CONTENTS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f": b"old"}


def test_a_disk_that_takes_little_at_a_time_gets_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, content: honest(descriptor, bytes(content[:3])))
        place_all([short(tmp_path / "f", A)], {Hash(name): content for name, content in CONTENTS.items()})
    assert (tmp_path / "f").read_bytes() == A
