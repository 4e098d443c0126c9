"""Drafts: whole or not at all, holes kept where they can be."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from cairnfs.client.local.attributes import Kept
from cairnfs.client.local.draft import Draft
from cairnfs.errors import IsADirectory, NoSpace
from tests.sparse import GIB, KIB, MIB, data_of, need_holes, taken_bytes


def test_holes_are_kept(tmp_path: Path) -> None:
    need_holes(tmp_path)
    draft = Draft(tmp_path / "f", 0o644)
    for part in (1 * GIB, b"a" * 4096, 2 * GIB, b"b" * 4096, 4 * GIB):
        for piece in draft.taken(part):
            draft.append(piece)
    assert not (tmp_path / "f").exists()
    draft.publish()
    assert (tmp_path / "f").stat().st_size == 7 * GIB + 8192
    assert list(data_of(tmp_path / "f")) == [(GIB, b"a" * 4096), (3 * GIB + 4096, b"b" * 4096)]
    assert taken_bytes(tmp_path / "f") < MIB


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([], b""),
        ([5], bytes(5)),
        ([b"a", 5], b"a" + bytes(5)),
        ([b"a", 5, b""], b"a" + bytes(5)),
        ([5, b"a"], bytes(5) + b"a"),
        ([0, b"a", 0], b"a"),
    ],
)
def test_a_file_is_as_long_as_what_was_appended(
    tmp_path: Path, parts: list[bytes | int], content: bytes
) -> None:
    draft = Draft(tmp_path / "f", 0o600)
    for part in parts:
        draft.append(part)
    draft.publish(Kept(mode=0o640, mtime_ns=1_000_000_001, owner="nobody here", group="nobody here"))
    assert (tmp_path / "f").read_bytes() == content
    status = (tmp_path / "f").stat()
    assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (1_000_000_001, 0o640)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_draft_given_up_leaves_nothing(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "f", 0o644)
    draft.skip(5)
    draft.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_gets_zeros_in_pieces(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    draft = Draft(tmp_path / "pipe", 0o644)
    for part in (b"a", 3 * MIB + 1, b"b"):
        pieces = list(draft.taken(part))
        assert all(isinstance(piece, bytes) and len(piece) <= MIB for piece in pieces)
        for piece in pieces:
            draft.append(piece)
    draft.skip(70 * KIB)
    draft.publish()
    reader.join(10)
    assert got == [b"a" + bytes(3 * MIB + 1) + b"b" + bytes(70 * KIB)]


def test_an_open_file_gets_zeros_and_keeps_what_stood_before(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as stream:
        stream.write(b"before")
        stream.flush()
        draft = Draft(f"/dev/fd/{stream.fileno()}", 0o644)
        draft.append(3)
        draft.append(b"x")
        draft.append(2)
        draft.publish()
    assert (tmp_path / "f").read_bytes() == b"before\0\0\0x\0\0"


def too_long(path: Path) -> None:
    draft = Draft(path, 0o644)
    try:
        for _ in range(4):
            draft.skip(2**61)
        draft.publish()
    finally:
        draft.discard()


def test_more_than_the_file_system_can_hold_is_no_space(tmp_path: Path) -> None:
    with pytest.raises(NoSpace):
        too_long(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_in_a_tree_whatever_is_there_gives_way_but_a_directory(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "f").symlink_to("outside")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("f", "pipe"):
        draft = Draft(tmp_path / name, 0o644, follow=False)
        draft.write(b"new")
        draft.publish()
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"
    assert (tmp_path / "outside").read_bytes() == b"mine"
    with pytest.raises(IsADirectory):
        Draft(tmp_path / "directory", 0o644, follow=False)
