"""Syncing, with a real cluster in this process: exactly the remote tree, few requests, nothing lost."""

from __future__ import annotations

import os
import random
import stat
from collections import Counter
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import NotADirectory, RemovesMost
from cairnfs.testing import planted_client
from tests.unit.client.conftest import TREE, held

MIB = 1024 * 1024
T = TREE


async def test_it_becomes_exactly_the_remote_one(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    first = await ann.sync_tree(T, local)
    assert held(local) == held(source)
    assert (first.added, first.changed, first.removed, first.here) == (len(held(source)), 0, 0, 0)
    (local / "d0" / "f00").write_bytes(b"edited")
    (local / "d1" / "f01").unlink()
    (local / "too" / "much").mkdir(parents=True)
    (local / "too" / "much" / "here").write_bytes(b"x")
    os.mkfifo(local / "pipe")
    (local / "link").unlink()
    (local / "link").symlink_to("elsewhere")
    again = await ann.sync_tree(T, local)
    assert held(local) == held(source)
    assert (again.added, again.changed, again.removed) == (1, 2, 4)
    fetched = sum((source / name).stat().st_size for name in ("d0/f00", "d1/f01"))
    # A member that lets one wait is overtaken: then a chunk comes twice.
    assert fetched <= again.received_bytes <= 2 * fetched


async def test_what_is_unchanged_costs_one_question_and_no_chunk(
    ann: Filesystem, source: Path, tmp_path: Path, asked: Counter[str]
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    before = {path: path.lstat().st_mtime_ns for path in (local, *local.rglob("*"))}
    asked.clear()
    done = await ann.sync_tree(T, local)
    assert (done.added, done.changed, done.removed, done.received_bytes) == (0, 0, 0, 0)
    assert asked == Counter(stat=1)
    # Other things happen in Cairn meanwhile: the log tells that nothing happened here.
    await ann.write_file("/home/ann/other", b"x")
    asked.clear()
    tree = await ann.get_tree(T, local)
    assert (tree.files, tree.unchanged, tree.received_bytes) == (41, 41, 0)
    assert asked == Counter(stat=1, diff=1)
    assert {path: path.lstat().st_mtime_ns for path in (local, *local.rglob("*"))} == before


async def test_only_what_changed_there_is_fetched(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    await ann.get_tree(T, local)
    await ann.write_file(f"{T}/d2/new", b"n" * 700)
    await ann.write_file(f"{T}/d1/run", b"c" * 300)
    await ann.remove(f"{T}/d3", recursive=True)
    done = await ann.sync_tree(T, local)
    assert (done.added, done.changed, done.removed) == (1, 1, 11)
    assert 1000 <= done.received_bytes <= 2000
    assert (local / "d1" / "run").read_bytes() == b"c" * 300
    assert not (local / "d3").exists()
    assert stat.S_IMODE((local / "d1" / "run").stat().st_mode) & 0o111


async def test_as_of_another_moment(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local, then = tmp_path / "local", (await ann.stat(T)).commit
    await ann.write_file(f"{T}/d0/f00", b"later")
    await ann.sync_tree(T, local)
    assert (local / "d0" / "f00").read_bytes() == b"later"
    done = await ann.sync_tree(T, local, at=then)
    assert (done.changed, done.commit) == (1, then)
    assert held(local) == held(source)


async def test_most_of_what_is_there_is_not_removed_unless_that_is_meant(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    (local / "d0" / "f00").write_bytes(b"mine")
    for number in range(60):
        (local / f"mine {number}").write_bytes(b"precious")
    before = held(local)
    with pytest.raises(RemovesMost, match="60 of the 107 names"):
        await ann.sync_tree(T, local)
    assert held(local) == before
    done = await ann.sync_tree(T, local, yes=True)
    assert done.removed == 60
    assert held(local) == held(source)


async def test_a_dry_run_tells_and_does_nothing(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    nothing_yet = await ann.sync_tree(T, local, dry_run=True)
    assert (nothing_yet.added, nothing_yet.dry, local.exists()) == (len(held(source)), True, False)
    await ann.sync_tree(T, local)
    assert (await ann.sync_tree(T, local, dry_run=True)).actions == ()
    (local / "d0" / "f00").write_bytes(b"edited")
    (local / "d1" / "f05").unlink()
    (local / "odd").mkdir()
    (local / "odd" / "one").write_bytes(b"")
    before = held(local)
    done = await ann.sync_tree(T, local, dry_run=True)
    assert [(action.what, action.path) for action in done.actions] == [
        ("changed", b"d0/f00"),
        ("added", b"d1/f05"),
        ("removed", b"odd"),
    ]
    assert (done.added, done.changed, done.removed, done.received_bytes) == (1, 1, 2, 0)
    assert held(local) == before


async def test_files_and_directories_give_way_to_each_other(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    (local / "d0" / "f00").unlink()
    (local / "d0" / "f00" / "in").mkdir(parents=True)
    (local / "d0" / "f00" / "in" / "it").write_bytes(b"x")
    (local / "link").unlink()
    (local / "link").mkdir()
    (local / "empty").rmdir()
    (local / "empty").write_bytes(b"a file")
    done = await ann.sync_tree(T, local)
    assert (done.changed, done.removed) == (3, 2)
    assert held(local) == held(source)


async def test_a_local_edit_is_noticed_whatever_its_size_and_time(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    victim = local / "d1" / "f13"
    await ann.sync_tree(T, local)
    status = victim.stat()
    victim.write_bytes(victim.read_bytes()[::-1] + b"")
    victim.write_bytes(bytes(status.st_size))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    await ann.sync_tree(T, local)
    assert held(local) == held(source)


@pytest.mark.parametrize("planted", [False, True])
async def test_checksum_trusts_nothing(ann: Filesystem, source: Path, tmp_path: Path, planted: bool) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    victim = local / "d1" / "f13"
    right = victim.read_bytes()
    victim.write_bytes(bytes(len(right)))
    with planted_client.trusting_sizes():
        if not planted:
            # What lstat cannot tell, since the disk rotted: reading tells.
            done = await ann.sync_tree(T, local, dry_run=True, checksum=True)
            assert [action.path for action in done.actions] == [b"d1/f13"]
            done = await ann.sync_tree(T, local, checksum=True)
            assert done.changed == 1
            assert victim.read_bytes() == right
        else:
            await ann.sync_tree(T, local)
            assert victim.read_bytes() != right, "the bug that is planted here was not found"


async def test_of_a_long_file_only_what_it_has_not_comes(ann: Filesystem, tmp_path: Path, seed: int) -> None:
    local = tmp_path / "local"
    content = random.Random(seed).randbytes(12 * MIB)
    await ann.write_file(f"{T}/long", content, parents=True)
    await ann.sync_tree(T, local)
    edited = content[: 5 * MIB] + b"in between" + content[5 * MIB :]
    await ann.write_file(f"{T}/long", edited)
    done = await ann.sync_tree(T, local)
    assert (local / "long").read_bytes() == edited
    assert 0 < done.received_bytes <= 8 * MIB
    # Without a record it is read, and found to be equal.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
        assert (await ann.sync_tree(T, local)).received_bytes == 0


async def test_attributes_come_without_content(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    os.utime(source / "d0" / "f00", (1_000_000_000, 1_000_000_000))
    os.utime(source / "d0", (1_100_000_000, 1_100_000_000))
    await ann.put_tree(source, T, preserve=True)
    await ann.sync_tree(T, local)
    assert (local / "d0" / "f00").stat().st_mtime != 1_000_000_000
    for _ in range(2):
        (local / "d0" / "extra").write_bytes(b"x")
        done = await ann.sync_tree(T, local, preserve=True)
        assert (done.received_bytes, done.removed) == (0, 1)
        assert (local / "d0" / "f00").stat().st_mtime == 1_000_000_000
        assert (local / "d0").stat().st_mtime == 1_100_000_000
    (local / "d0" / "f00").touch()
    (local / "d0").touch()
    await ann.sync_tree(T, local, preserve=True)
    assert (local / "d0" / "f00").stat().st_mtime == 1_000_000_000
    assert (local / "d0").stat().st_mtime == 1_100_000_000
    await ann.chmod(f"{T}/d0/f00", 0o600)
    done = await ann.sync_tree(T, local, preserve=True)
    assert done.received_bytes == 0
    assert stat.S_IMODE((local / "d0" / "f00").stat().st_mode) == 0o600


async def test_names_of_one_file_stay_or_become_names_of_one_file(
    ann: Filesystem, tmp_path: Path, asked: Counter[str]
) -> None:
    source, local = tmp_path / "source", tmp_path / "local"
    (source / "d").mkdir(parents=True)
    (source / "a").write_bytes(b"shared")
    os.link(source / "a", source / "d" / "b")
    await ann.put_tree(source, T)
    await ann.sync_tree(T, local)
    assert (local / "a").samefile(local / "d" / "b")
    await ann.sync_tree(T, local)
    asked.clear()
    await ann.sync_tree(T, local)
    assert asked == Counter(stat=1)
    (local / "d" / "b").unlink()
    (local / "d" / "b").write_bytes(b"shared")
    await ann.sync_tree(T, local)
    assert (local / "a").samefile(local / "d" / "b")


async def test_a_file_is_no_place_for_a_tree(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectory):
        await ann.sync_tree(T, tmp_path / "file")
    with pytest.raises(NotADirectory):
        await ann.sync_tree(f"{T}/d0/f00", tmp_path / "local")
