"""Trees with every oddity go in and come out identical; and the comparison would see if they did not."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire import endpoints
from tests.oddities import ROOT, differences, grow
from tests.sparse import MIB, make, need_holes


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose users are called as those of this machine."""
    need_holes(tmp_path)
    async with cluster(fileservers=3) as made:
        for name in ("root", "nobody", "nogroup"):
            await made.user(name)
        yield made
        admin = await made.admin()
        assert (await admin.ask(endpoints.VERIFY_DATABASE)).findings == []


@pytest.fixture
async def files(here: Cluster) -> Filesystem:
    """An administrator's, who may give things to others."""
    return await here.admin()


@pytest.mark.parametrize("things", [150, 1100])
async def test_a_tree_of_every_oddity_comes_back_identical(
    files: Filesystem, tmp_path: Path, seed: int, things: int
) -> None:
    grow(tmp_path / "from", seed, things=things)
    put = await files.put_tree(tmp_path / "from", "/tree", preserve=True)
    assert put.commits == 1
    assert put.skipped == ()
    got = await files.get_tree("/tree", tmp_path / "to", preserve=True)
    assert got.skipped == ()
    assert differences(tmp_path / "from", tmp_path / "to") == []
    assert (got.files, got.links, got.symlinks) == (put.files, put.links, put.symlinks)
    # The same over itself, on both sides, changes nothing that can be seen.
    await files.put_tree(tmp_path / "from", "/tree", preserve=True)
    await files.get_tree("/tree", tmp_path / "to", preserve=True)
    assert differences(tmp_path / "from", tmp_path / "to") == []


async def test_whoever_is_no_administrator_keeps_all_but_what_is_not_theirs(
    here: Cluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    grow(tmp_path / "from", seed, things=1100)
    # Called as the owner of the local files is, so that what is theirs stays theirs.
    name = getpass.getuser()
    mine, there = await here.user(name), f"/home/{name}/tree"
    put = await mine.put_tree(tmp_path / "from", there, preserve=True)
    assert put.commits == 1
    # Not all modes let their owner read.
    got = await files.get_tree(there, tmp_path / "to", preserve=True)
    assert got.skipped == ()
    lost = {what for _, what in differences(tmp_path / "from", tmp_path / "to")}
    # Owners, what only they or administrators may set, and the mode bits that go with owners.
    assert lost <= {"owner", "xattrs", "mode"}


def _append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"x")


def _become(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


def _otherwhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("otherwhere")


def _part(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def _fill(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(MIB)
        stream.write(bytes(MIB))


def _later(path: Path) -> None:
    status = path.lstat()
    os.utime(path, ns=(0, status.st_mtime_ns + 1), follow_symlinks=False)


#: What a bad copy could do, and what the comparison has to say of it.
BAD: list[tuple[str, Callable[[Path], object], str]] = [
    ("file", _append, "size"),
    ("file", lambda path: path.write_bytes(b"contenT"), "content"),
    ("file", lambda path: path.chmod(0o4600), "mode"),
    ("file", _become, "kind"),
    ("file", _later, "mtime_ns"),
    ("file", lambda path: path.unlink(), "missing"),
    ("file", lambda path: os.setxattr(path, "user.a", b"2"), "xattrs"),
    ("file", lambda path: os.removexattr(path, "user.a"), "xattrs"),
    ("file", lambda path: (path.parent / "more").write_bytes(b""), "too much"),
    ("file", lambda path: os.link(path, path.parent / "more"), "names"),
    ("one", _part, "names"),
    ("sparse", _fill, "holes"),
    ("symlink", _otherwhere, "target"),
    ("symlink", _later, "mtime_ns"),
    ("directory", _later, "mtime_ns"),
    ("directory", lambda path: path.chmod(0o500), "mode"),
]
if ROOT:
    BAD += [
        ("file", lambda path: os.chown(path, 1, -1), "owner"),
        ("symlink", lambda path: os.chown(path, -1, 1, follow_symlinks=False), "owner"),
        ("file", lambda path: os.setxattr(path, "trusted.a", b""), "xattrs"),
    ]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_the_comparison_sees_each_kind_of_difference(tmp_path: Path, number: int) -> None:
    need_holes(tmp_path)
    if shutil.which("cp") is None:
        pytest.skip("another program's copy is what this is measured by")
    one = tmp_path / "one"
    one.mkdir()
    (one / "file").write_bytes(b"content")
    os.setxattr(one / "file", "user.a", b"1")
    (one / "one").write_bytes(b"linked")
    os.link(one / "one", one / "two")
    make(one / "sparse", [b"a" * 4096, 4 * MIB, b"b" * 4096])
    (one / "symlink").symlink_to("elsewhere")
    (one / "directory").mkdir()
    subprocess.run(["cp", "-a", one, tmp_path / "other"], check=True)
    assert differences(one, tmp_path / "other") == []
    name, damage, said = BAD[number]
    damage(tmp_path / "other" / name)
    assert said in {what for path, what in differences(one, tmp_path / "other")}
