"""Local files read with their holes: every byte once, every hole that counts, whatever happens meanwhile."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
from pathlib import Path

import pytest

from cairnfs.client.local import sparse
from cairnfs.client.local.sparse import SparseReader, local_file
from tests.sparse import GIB, KIB, MIB, any_layout, make, need_holes


@pytest.fixture(autouse=True)
def holes_are_kept(tmp_path: Path) -> None:
    need_holes(tmp_path)


def steps(path: Path, *, start: int = 0, buffering: int = 0, piece: int = MIB) -> list[bytes | int]:
    """A file's data and holes, data that follows data joined."""
    found: list[bytes | int] = []
    with path.open("rb", buffering=buffering) as stream:
        stream.seek(start)
        local = local_file(stream)
        assert local is not None
        reader = SparseReader(local, piece)
        while step := reader.step():
            if isinstance(step, bytes):
                assert len(step) <= piece
                if found and isinstance(found[-1], bytes):
                    found[-1] += step
                    continue
            found.append(step)
        assert stream.tell() == path.stat().st_size
    return found


def test_data_and_holes_come_in_turns(tmp_path: Path) -> None:
    layout: list[bytes | int] = [128 * KIB, b"a" * 8 * KIB, 2 * GIB, b"b" * 3 * MIB, MIB]
    assert steps(make(tmp_path / "f", layout)) == layout


@pytest.mark.parametrize("buffering", [0, 8192])
@pytest.mark.parametrize("piece", [64 * KIB, MIB])
def test_any_layout_is_read_whole(tmp_path: Path, seed: int, buffering: int, piece: int) -> None:
    dice = random.Random(seed)
    layout = [part % (16 * MIB) if isinstance(part, int) else part for part in any_layout(dice)]
    path = make(tmp_path / "f", layout)
    start = dice.choice([0, 0, 1, 5000, path.stat().st_size])
    found = steps(path, start=start, buffering=buffering, piece=piece)
    whole = b"".join(bytes(part) if isinstance(part, int) else part for part in found)
    assert whole == path.read_bytes()[start:]
    at = start
    for part in found:
        size = part if isinstance(part, int) else len(part)
        if isinstance(part, int):
            assert part >= 64 * KIB
            assert at % 4096 == 0
            assert (at + size) % 4096 == 0 or at + size == path.stat().st_size
        at += size


def test_short_holes_are_read_as_zeros(tmp_path: Path) -> None:
    path = make(tmp_path / "f", [b"a" * 4096, 60 * KIB, b"b" * 4096, 32 * KIB])
    assert steps(path) == [path.read_bytes()]


def test_an_empty_file_ends_at_once(tmp_path: Path) -> None:
    assert steps(make(tmp_path / "f", [])) == []
    assert steps(make(tmp_path / "g", [64 * KIB])) == [64 * KIB]


def test_data_alone_asks_for_holes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "f", [random.Random(0).randbytes(5 * MIB)])
    asked = []
    honest = SparseReader._seek

    def counted(self: SparseReader, position: int, whence: int) -> int | None:
        asked.append(position)
        return honest(self, position, whence)

    monkeypatch.setattr(SparseReader, "_seek", counted)
    assert steps(path) == [path.read_bytes()]
    assert asked == [0, 5 * MIB]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
@pytest.mark.parametrize("whence", [[os.SEEK_HOLE, os.SEEK_DATA], [os.SEEK_DATA]])
def test_where_the_system_cannot_tell_all_is_data(tmp_path: Path, number: int, whence: list[int]) -> None:
    path = make(tmp_path / "f", [b"a" * MIB, MIB, b"b" * 4096, MIB])

    class Blind(io.FileIO):
        def seek(self, offset: int, how: int = 0, /) -> int:
            if how in whence:
                raise OSError(number, "cannot tell")
            return super().seek(offset, how)

    with Blind(path) as stream:
        reader = SparseReader(stream, MIB)
        found = list(iter(reader.step, b""))
    assert b"".join(part for part in found if isinstance(part, bytes)) == path.read_bytes()


def test_another_failure_is_told(tmp_path: Path) -> None:
    class Broken(io.FileIO):
        def seek(self, offset: int, how: int = 0, /) -> int:
            if how == os.SEEK_HOLE:
                raise OSError(errno.EIO, "the disk is broken")
            return super().seek(offset, how)

    with Broken(make(tmp_path / "f", [MIB])) as stream, pytest.raises(OSError, match="broken"):
        SparseReader(stream, MIB).step()


def test_what_grows_is_read_to_its_new_end(tmp_path: Path) -> None:
    path = make(tmp_path / "f", [b"a" * 4096, MIB])
    with path.open("rb", buffering=0) as stream, path.open("ab") as more:
        reader = SparseReader(stream, 64 * KIB)
        assert reader.step() == b"a" * 4096
        assert reader.step() == MIB
        more.write(b"more")
        more.flush()
        assert reader.step() == b"more"
        assert reader.step() == b""


def test_what_is_appended_while_the_end_is_sought_is_no_hole(tmp_path: Path) -> None:
    """The last hole is taken to end where the file ended before the system was asked."""
    path = make(tmp_path / "f", [b"a" * 4096, MIB])

    class Growing(io.FileIO):
        def seek(self, offset: int, how: int = 0, /) -> int:
            try:
                return super().seek(offset, how)
            except OSError:
                if path.stat().st_size == MIB + 4096:
                    with path.open("ab") as more:
                        more.write(b"b" * 2 * MIB)
                raise

    with Growing(path) as stream:
        found = list(iter(SparseReader(stream, MIB).step, b""))
    whole = b"".join(bytes(part) if isinstance(part, int) else part for part in found)
    assert whole == path.read_bytes()


@pytest.mark.parametrize("left", [0, 2 * KIB, 4096, 300 * KIB])
def test_what_shrinks_is_as_long_as_it_was_read(tmp_path: Path, left: int) -> None:
    path = make(tmp_path / "f", [b"a" * 4096, MIB, b"b" * 4096])
    with path.open("rb", buffering=0) as stream:
        reader = SparseReader(stream, 64 * KIB)
        assert reader.step() == b"a" * 4096
        os.truncate(path, left)
        rest = list(iter(reader.step, b""))
    # The hole that was seen before the file shrank may still be told; nothing behind it is.
    assert rest in ([], [MIB])


def test_a_shrinking_file_has_no_hole_behind_its_end(tmp_path: Path) -> None:
    path = make(tmp_path / "f", [b"a" * 8 * MIB])
    with path.open("rb", buffering=0) as stream:
        reader = SparseReader(stream, MIB)
        reader.step()
        os.truncate(path, 100)
        assert reader.step() == b""


def test_after_many_holes_only_long_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "HOLES_MAX", 2)
    layout: list[bytes | int] = [b"a" * 4096, 64 * KIB] * 4
    path = make(tmp_path / "f", [*layout, b"b" * 4096, 8 * MIB])
    found = steps(path)
    assert [part for part in found if isinstance(part, int)] == [64 * KIB, 64 * KIB, 8 * MIB]
    assert b"".join(bytes(one) if isinstance(one, int) else one for one in found) == path.read_bytes()


def test_only_plain_files_are_asked(tmp_path: Path) -> None:
    path = make(tmp_path / "f", [b"a"])

    class Reversing(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return bytes(reversed(super().read(size)))

    for other in (b"bytes", io.BytesIO(b"x"), iter([b"x"])):
        assert local_file(other) is None
    (tmp_path / "g").write_bytes(gzip.compress(b"text"))
    with gzip.open(tmp_path / "g") as packed, Reversing(path) as reversing:
        assert packed.fileno()
        assert local_file(packed) is local_file(reversing) is None
    with open("/dev/null", "rb", buffering=0) as device, path.open("ab", buffering=0) as writing:
        assert local_file(device) is None
        assert local_file(writing) is None
    for mode in ("rb", "r+b"):
        with path.open(mode) as stream:
            assert local_file(stream) is stream
