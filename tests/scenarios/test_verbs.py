"""The verbs of a complete namespace through the client: what each does, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import (
    BadRequest,
    BadSymlink,
    BadXattr,
    Exists,
    Forbidden,
    IsADirectory,
    LinkToDirectory,
    NoSuchGroup,
    NoSuchUser,
    NoSuchXattr,
    NotFound,
    SymlinkLoop,
    XattrTooLarge,
)
from cairnfs.testing.cluster import Cluster, cluster

HOME = "/home/ann"


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    async with cluster(fileservers=1) as made:
        yield made


@pytest.fixture
async def files(here: Cluster) -> Filesystem:
    return await here.user("ann")


async def test_symlinks_are_followed_by_stat_and_not_by_lstat(files: Filesystem) -> None:
    await files.write_file(f"{HOME}/f", b"content")
    made = await files.symlink("f", f"{HOME}/l")
    assert made.etag is not None
    assert await files.readlink(f"{HOME}/l") == b"f"
    assert [(await files.stat(f"{HOME}/l")).kind, (await files.lstat(f"{HOME}/l")).kind] == [
        "file",
        "symlink",
    ]
    [followed], [itself] = (
        await files.stat_many([f"{HOME}/l"]),
        await files.stat_many([f"{HOME}/l"], follow=False),
    )
    assert not isinstance(followed, Exception)
    assert not isinstance(itself, Exception)
    assert (followed.size, itself.size) == (7, 1)
    assert await files.read_file(f"{HOME}/l") == b"content"
    with pytest.raises(Exists):
        await files.symlink("g", f"{HOME}/l")
    await files.symlink(b"\xff", f"{HOME}/l", replace=True)
    assert await files.readlink(f"{HOME}/l") == b"\xff"
    assert await files.readlink(f"{HOME}/l", at=made.commit) == b"f"
    with pytest.raises(NotFound):
        await files.stat(f"{HOME}/l")
    await files.symlink("loop", f"{HOME}/loop")
    with pytest.raises(SymlinkLoop):
        await files.stat(f"{HOME}/loop")
    with pytest.raises(IsADirectory):
        await files.symlink("f", HOME + "/d", replace=bool(await files.mkdir(HOME + "/d")))
    for target in ("", "x" * 4096, b"a\0b"):
        with pytest.raises(BadSymlink):
            await files.symlink(target, f"{HOME}/bad")
    with pytest.raises(BadSymlink):
        await files.readlink(f"{HOME}/f")


async def test_links_are_names_of_one_file(files: Filesystem) -> None:
    await files.write_file(f"{HOME}/a", b"one")
    await files.link(f"{HOME}/a", f"{HOME}/b")
    await files.write_file(f"{HOME}/b", b"both")
    assert await files.read_file(f"{HOME}/a") == b"both"
    first, second = await files.stat(f"{HOME}/a"), await files.stat(f"{HOME}/b")
    assert (first.inode, first.links) == (second.inode, 2)
    with pytest.raises(Exists):
        await files.link(f"{HOME}/a", f"{HOME}/b")
    await files.symlink("a", f"{HOME}/s")
    await files.link(f"{HOME}/s", f"{HOME}/followed")
    await files.link(f"{HOME}/s", f"{HOME}/itself", follow=False)
    assert (await files.lstat(f"{HOME}/followed")).kind == "file"
    assert (await files.lstat(f"{HOME}/itself")).kind == "symlink"
    with pytest.raises(LinkToDirectory):
        await files.link(HOME, f"{HOME}/home")


async def test_modes_owners_and_times(here: Cluster, files: Filesystem) -> None:
    admin = await here.admin()
    await files.write_file(f"{HOME}/f", b"x", mtime_ns=1_234_567_891)
    assert (await files.stat(f"{HOME}/f")).mtime_ns == 1_234_567_891
    await files.chmod(f"{HOME}/f", 0o4711)
    assert (await files.stat(f"{HOME}/f")).mode == 0o4711
    with pytest.raises(Forbidden):
        await files.chown(f"{HOME}/f", owner="admin")
    with pytest.raises(NoSuchUser):
        await admin.chown(f"{HOME}/f", owner="nobody-here")
    with pytest.raises(NoSuchGroup):
        await admin.chown(f"{HOME}/f", group="nobody-here")
    with pytest.raises(BadRequest):
        await admin.chown(f"{HOME}/f")
    await admin.chown(f"{HOME}/f", owner="admin", group="ann")
    told = await files.stat(f"{HOME}/f")
    assert (told.owner, told.group, told.mode) == ("admin", "ann", 0o711)
    with pytest.raises(Forbidden):
        await files.chmod(f"{HOME}/f", 0o777)
    await admin.touch(f"{HOME}/f", -1)
    assert (await files.stat(f"{HOME}/f")).mtime_ns == -1
    now = await admin.touch(f"{HOME}/f")
    assert (await files.stat(f"{HOME}/f")).mtime_us == now.at_us


async def test_touch_makes_what_is_missing_unless_told_not_to(files: Filesystem) -> None:
    with pytest.raises(NotFound):
        await files.touch(f"{HOME}/new", create=False)
    await asyncio.gather(*(files.touch(f"{HOME}/new", 7) for _ in range(8)))
    entry = await files.stat(f"{HOME}/new")
    assert (entry.size, entry.mtime_ns) == (0, 7)
    await files.symlink("nowhere", f"{HOME}/l")
    with pytest.raises(NotFound):
        await files.touch(f"{HOME}/l")
    await files.touch(f"{HOME}/l", 5, follow=False)
    assert (await files.lstat(f"{HOME}/l")).mtime_ns == 5


async def test_extended_attributes(here: Cluster, files: Filesystem) -> None:
    admin = await here.admin()
    await files.write_file(f"{HOME}/f", b"x")
    set_first = await files.set_xattr(f"{HOME}/f", "user.é", b"\0", create=True)
    await files.set_xattr(f"{HOME}/f", b"user.\xff", b"")
    await admin.set_xattr(f"{HOME}/f", "trusted.t", b"1")
    await admin.set_xattr(f"{HOME}/f", "security.s", b"2")
    own = {"user.é".encode(): b"\0", b"user.\xff": b"", b"security.s": b"2"}
    assert await files.get_xattrs(f"{HOME}/f") == own
    assert await admin.get_xattrs(f"{HOME}/f") == own | {b"trusted.t": b"1"}
    assert await files.get_xattrs(f"{HOME}/f", at=set_first.commit) == {"user.é".encode(): b"\0"}
    await files.set_xattr(f"{HOME}/f", "user.é", b"large" * 13_000, replace=True)
    await files.remove_xattr(f"{HOME}/f", b"user.\xff")
    assert {name: len(value) for name, value in (await files.get_xattrs(f"{HOME}/f")).items()} == {
        "user.é".encode(): 65_000,
        b"security.s": 1,
    }
    with pytest.raises(Exists):
        await files.set_xattr(f"{HOME}/f", "user.é", b"", create=True)
    with pytest.raises(NoSuchXattr):
        await files.set_xattr(f"{HOME}/f", "user.none", b"", replace=True)
    with pytest.raises(NoSuchXattr):
        await files.remove_xattr(f"{HOME}/f", "user.none")
    with pytest.raises(XattrTooLarge):
        await files.set_xattr(f"{HOME}/f", "user.a", bytes(65_537))
    with pytest.raises(BadXattr):
        await files.set_xattr(f"{HOME}/f", "system.a", b"")
    with pytest.raises(Forbidden):
        await files.set_xattr(f"{HOME}/f", "trusted.a", b"")
    with pytest.raises(NotFound):
        await files.get_xattrs(f"{HOME}/missing")
    await files.symlink("f", f"{HOME}/l")
    assert await files.get_xattrs(f"{HOME}/l") == await files.get_xattrs(f"{HOME}/f")
    assert await files.get_xattrs(f"{HOME}/l", follow=False) == {}


async def test_copies_share_their_chunks_now_and_from_history(files: Filesystem) -> None:
    old = await files.write_file(f"{HOME}/f", b"old", mtime_ns=5)
    await files.set_xattr(f"{HOME}/f", "user.a", b"1")
    await files.write_file(f"{HOME}/f", b"newer", mtime_ns=6)
    await files.copy(f"{HOME}/f", f"{HOME}/g")
    await files.copy(f"{HOME}/f", f"{HOME}/d/then", at=old.commit, parents=True)
    await files.copy(f"{HOME}/f", f"{HOME}/all", preserve=True)
    content = [await files.read_file(f"{HOME}/{name}") for name in ("g", "d/then", "all")]
    assert content == [b"newer", b"old", b"newer"]
    kept = await files.stat(f"{HOME}/all")
    assert (kept.mtime_ns, await files.get_xattrs(f"{HOME}/all")) == (6, {b"user.a": b"1"})
    assert await files.get_xattrs(f"{HOME}/g") == {}
    with pytest.raises(Exists):
        await files.copy(f"{HOME}/f", f"{HOME}/g", replace=False)
    with pytest.raises(IsADirectory):
        await files.copy(f"{HOME}/d", f"{HOME}/e")


async def test_looking_back_and_following(files: Filesystem) -> None:
    first = await files.write_file(f"{HOME}/f", b"1")
    second = await files.write_file(f"{HOME}/f", b"22")
    assert [one.commit async for one in files.log(HOME, limit=2)] == [second.commit, first.commit]
    assert [one.commit async for one in files.history(f"{HOME}/f")] == [second.commit, first.commit]
    assert [one.path async for one in files.diff(first.commit, None, HOME)] == [f"{HOME}/f"]
    async with aclosing(files.changes(HOME, first.commit)) as following:
        told = await anext(following)
    assert told.commit == second.commit
