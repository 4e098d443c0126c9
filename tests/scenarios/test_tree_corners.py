"""Trees where something is in the way: leftovers on either side, closed directories, what a system lacks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.local import attributes as local_attributes
from cairnfs.client.local import files as local_files
from cairnfs.client.naming import as_path
from cairnfs.core import xattrs
from cairnfs.errors import Exists, IsADirectory
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire.commits import OPERATIONS_MAX
from tests.oddities import ROOT


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    async with cluster(fileservers=3) as made:
        yield made


@pytest.fixture
async def files(here: Cluster) -> Filesystem:
    """Not an administrator's."""
    return await here.user("ann")


HOME = "/home/ann"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def test_a_get_follows_no_symlink_that_the_target_holds(files: Filesystem, tmp_path: Path) -> None:
    await files.write_file(f"{HOME}/t/a/passwd", b"theirs", parents=True)
    await files.write_file(f"{HOME}/t/file", b"theirs")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd").write_bytes(b"mine")
    target = tmp_path / "target"
    target.mkdir()
    (target / "a").symlink_to(outside)
    (target / "file").symlink_to(outside / "passwd")
    await files.get_tree(f"{HOME}/t", target)
    assert (outside / "passwd").read_bytes() == b"mine"
    assert sorted(path.name for path in outside.iterdir()) == ["passwd"]
    assert not (target / "a").is_symlink()
    assert (target / "a" / "passwd").read_bytes() == b"theirs"
    assert (target / "file").read_bytes() == b"theirs"
    # The tree's own place is its user's to name, by a symlink too.
    (tmp_path / "named").symlink_to(outside)
    await files.get_tree(f"{HOME}/t", tmp_path / "named")
    assert (outside / "a" / "passwd").read_bytes() == b"theirs"


async def test_a_put_follows_no_symlink_that_the_target_holds(files: Filesystem, tmp_path: Path) -> None:
    for path in ("outside/inner/f", "outside/g"):
        await files.write_file(f"{HOME}/{path}", b"theirs", parents=True)
    await files.mkdir(f"{HOME}/t")
    await files.symlink("../outside/inner", f"{HOME}/t/inner")
    await files.symlink("../outside/g", f"{HOME}/t/g")
    await files.symlink("../outside/g", f"{HOME}/t/changed")
    source = tmp_path / "from"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "f").write_bytes(b"mine")
    (source / "g").write_bytes(b"mine")
    (source / "changed").symlink_to("g")
    await files.put_tree(source, f"{HOME}/t")
    assert await files.read_file(f"{HOME}/outside/inner/f") == b"theirs"
    assert await files.read_file(f"{HOME}/outside/g") == b"theirs"
    assert [(await files.lstat(f"{HOME}/t/{name}")).kind for name in ("inner", "g", "changed")] == [
        "directory",
        "file",
        "symlink",
    ]
    assert await files.read_file(f"{HOME}/t/inner/f") == b"mine"
    assert await files.readlink(f"{HOME}/t/changed") == b"g"


async def test_what_is_there_of_another_kind_stops_a_tree(files: Filesystem, tmp_path: Path) -> None:
    await files.write_file(f"{HOME}/t/a", b"", parents=True)
    (tmp_path / "from" / "a").mkdir(parents=True)
    with pytest.raises(Exists):
        await files.put_tree(tmp_path / "from", f"{HOME}/t")
    (tmp_path / "to" / "a").mkdir(parents=True)
    with pytest.raises(IsADirectory):
        await files.get_tree(f"{HOME}/t", tmp_path / "to")
    await files.symlink("x", f"{HOME}/t/a", replace=True)
    with pytest.raises(IsADirectory):
        await files.get_tree(f"{HOME}/t", tmp_path / "to")


async def test_names_that_were_one_file_and_no_more_are_none_in_cairn_either(
    files: Filesystem, tmp_path: Path
) -> None:
    names = [tmp_path / name for name in ("a", "b", "c", "d")]
    names[0].write_bytes(b"one")
    for name in names[1:]:
        os.link(names[0], name)
    await files.put_tree(tmp_path, f"{HOME}/t")
    await files.link(f"{HOME}/t/a", f"{HOME}/elsewhere")
    assert (await files.stat(f"{HOME}/t/a")).links == 5
    # a is written anew, b and c are another file, d stays what it was.
    for name in names[:3]:
        name.unlink()
    names[0].write_bytes(b"new")
    names[1].write_bytes(b"other")
    os.link(names[1], names[2])
    await files.put_tree(tmp_path, f"{HOME}/t")
    content = [await files.read_file(f"{HOME}/t/{name.name}") for name in names]
    assert content == [b"new", b"other", b"other", b"one"]
    inodes = [(await files.stat(f"{HOME}/t/{name.name}")).inode for name in names]
    assert inodes[1] == inodes[2]
    assert len(set(inodes)) == 3


@pytest.mark.skipif(not ROOT, reason="only the super user can read what shuts out its owner")
async def test_directories_that_shut_out_their_owner_are_shut_when_all_is_in_them(
    files: Filesystem, here: Cluster, tmp_path: Path
) -> None:
    source = tmp_path / "from"
    for number, closed in enumerate((0o000, 0o500, 0o555, 0o300)):
        directory = source / str(number) / "below"
        directory.mkdir(parents=True)
        for file in range(OPERATIONS_MAX // 3):
            (directory / str(file)).write_bytes(b"")
        directory.chmod(closed)
        directory.parent.chmod(0o511)
        os.utime(directory, ns=(0, 5_000_000_001))
        os.utime(directory.parent, ns=(0, 7_000_000_001))
    for preserve in (False, True):
        place = f"{HOME}/{preserve}"
        tree = await files.put_tree(source, place, preserve=preserve)
        assert tree.commits == 1
        told = [await files.stat(f"{place}/{number}") for number in range(4)]
        below = [await files.stat(f"{place}/{number}/below") for number in range(4)]
        assert [entry.mode for entry in told] == [0o511] * 4
        assert [entry.mode for entry in below] == [0o000, 0o500, 0o555, 0o300]
        assert ({entry.mtime_ns for entry in told} == {7_000_000_001}) == preserve
        assert ({entry.mtime_ns for entry in below} == {5_000_000_001}) == preserve
    admin = await here.admin()
    await admin.get_tree(f"{HOME}/True", tmp_path / "to")
    assert [mode(tmp_path / "to" / str(number) / "below") for number in range(4)] == [
        0o000,
        0o500,
        0o555,
        0o300,
    ]


async def test_without_preserve_a_tree_is_new_as_with_cp(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("put.tree", "put.file"):
        monkeypatch.setattr(f"cairnfs.client.{module}.process_umask", lambda: 0o027)
    source = tmp_path / "from"
    (source / "d").mkdir(parents=True)
    (source / "f").write_bytes(b"x")
    (source / "l").symlink_to("f")
    os.setxattr(source / "f", "user.a", b"1")
    for name in ("d", "f"):
        (source / name).chmod(0o7777)
        os.utime(source / name, ns=(0, 5))
    await files.put_tree(source, f"{HOME}/t")
    entries = {entry.name: entry async for entry in files.list(f"{HOME}/t")}
    assert {name: entry.mode for name, entry in entries.items()} == {"d": 0o750, "f": 0o750, "l": 0o777}
    assert min(entry.mtime_ns for entry in entries.values()) > 1_700_000_000_000_000_000
    assert entries["f"].xattrs is None
    await files.put_file(source / "f", f"{HOME}/g")
    assert (await files.stat(f"{HOME}/g")).mode == 0o750


async def test_one_file_keeps_everything_too(files: Filesystem, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    os.setxattr(tmp_path / "f", "user.a", b"\0\xff")
    (tmp_path / "f").chmod(0o605)
    os.utime(tmp_path / "f", ns=(0, -1))
    (tmp_path / "l").symlink_to("f")
    await files.put_file(tmp_path / "l", f"{HOME}/f", preserve=True)
    assert await files.get_xattrs(f"{HOME}/f") == {b"user.a": b"\0\xff"}
    await files.symlink("f", f"{HOME}/l")
    await files.get_file(f"{HOME}/l", tmp_path / "back", preserve=True)
    assert os.getxattr(tmp_path / "back", "user.a") == b"\0\xff"
    assert (mode(tmp_path / "back"), (tmp_path / "back").stat().st_mtime_ns) == (0o605, -1)


async def test_where_files_have_one_name_each_gets_its_own(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await files.write_file(f"{HOME}/t/a", b"shared", parents=True)
    await files.link(f"{HOME}/t/a", f"{HOME}/t/b")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    tree = await files.get_tree(f"{HOME}/t", tmp_path / "to")
    assert (tree.files, tree.links) == (2, 0)
    assert [(tmp_path / "to" / name).read_bytes() for name in "ab"] == [b"shared"] * 2


async def test_attributes_that_one_side_cannot_hold_are_told(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xattrs, "VALUE_MAX_BYTES", 1000)
    source = tmp_path / "from"
    source.mkdir()
    (source / "f").write_bytes(b"x")
    os.setxattr(source / "f", "user.large", bytes(1001))
    os.setxattr(source / "f", "user.small", bytes(1000))
    put = await files.put_tree(source, f"{HOME}/t", preserve=True)
    assert [(os.path.basename(one.path), "user.large" in one.reason) for one in put.skipped] == [(b"f", True)]
    assert list(await files.get_xattrs(f"{HOME}/t/f")) == [b"user.small"]
    monkeypatch.undo()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "no room for attributes")

    monkeypatch.setattr(os, "setxattr", full)
    got = await files.get_tree(f"{HOME}/t", tmp_path / "to", preserve=True)
    assert [(os.path.basename(one.path), "user.small" in one.reason) for one in got.skipped] == [(b"f", True)]
    assert (tmp_path / "to" / "f").read_bytes() == b"x"


async def test_many_large_attributes_take_several_pages(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems differ in how many a file may have; Cairn's own limits are what counts."""
    value = os.urandom(64 * 1024)
    large = {b"user.1": value, b"user.2": value[::-1][:-100]}
    monkeypatch.setattr(local_attributes, "_read_xattrs", lambda *_, **__: large)
    for number in range(150):
        (tmp_path / str(number)).write_bytes(b"")
    tree = await files.put_tree(tmp_path, f"{HOME}/t", preserve=True)
    assert tree.commits == 1
    assert await files.get_xattrs(f"{HOME}/t/149") == large


async def test_what_directories_ask_for_is_found_out(here: Cluster, tmp_path: Path) -> None:
    files, other = await here.user("ann"), await here.user("ann")
    (tmp_path / "f").write_bytes(b"in a tree")
    await files.mkdir(f"{HOME}/all")
    await files.mkdir(f"{HOME}/async")
    # Set by another client, so that the first guess may be too weak.
    await other.set_policy(f"{HOME}/all", "all")
    await other.set_policy(f"{HOME}/async", "async")
    await files.write_file(f"{HOME}/all/one", b"guessed")
    await files.put_tree(tmp_path, f"{HOME}/all/tree")
    await files.symlink("all", f"{HOME}/way")
    fresh = await here.user("ann")
    await fresh.write_file(f"{HOME}/way/two", b"by a symlink")
    assert files.connection.policies.guess(as_path(f"{HOME}/all/tree/x"), "majority") == "all"
    # Where one disk is enough, one fileserver is.
    assert (await files.stat(f"{HOME}/async")).policy == "async"
    await here.kill(1)
    await here.kill(2)
    await files.write_file(f"{HOME}/async/one", b"on one disk for now")
    await files.put_tree(tmp_path, f"{HOME}/async/tree")


def test_times_beyond_the_calendar_are_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    found = replace(local_files.look(tmp_path / "f"), mtime_ns=10**21)
    beside = local_attributes.look_beside(found)
    assert beside.mtime_ns is None
    assert len(beside.lost) == 1
