"""Finding and measuring through a client, on a whole cluster in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairnfs import errors as e
from cairnfs.client import search
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.search import Remarks, Usage
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire.search import Linked, UsageSum


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    async with cluster(fileservers=2, copies=2) as made:
        yield made


@pytest.fixture
async def ann(here: Cluster) -> Filesystem:
    return await here.user("ann")


async def found(files: Filesystem, path: str, **asked: object) -> list[bytes]:
    return [one.raw_path() async for one in files.find(path, **asked)]  # type: ignore[arg-type]


async def test_finding(here: Cluster, ann: Filesystem) -> None:
    await ann.mkdir("/home/ann/d")
    for number in range(5):
        written = await ann.write_file(f"/home/ann/d/f{number}", b"x" * number, mtime_ns=number * 1000 + 7)
    await ann.write_file(b"/home/ann/d/\xff*", b"odd")
    assert await found(ann, "/home/ann/d", name="f*", size_min=2, limit=2) == [
        b"/home/ann/d/f2",
        b"/home/ann/d/f3",
    ]
    assert await found(ann, "/home/ann", name=b"\xff\\*") == [b"/home/ann/d/\xff*"]
    assert await found(ann, "/home/ann", name="F4", ignore_case=True, owner="ann") == [b"/home/ann/d/f4"]
    assert await found(ann, "/home/ann/d", newer_ns=3007, name="f*") == [b"/home/ann/d/f4"]
    assert await found(ann, "/home/ann/d", newer_ns=3006, name="f?", kinds=["file"]) == [
        b"/home/ann/d/f3",
        b"/home/ann/d/f4",
    ]
    assert await found(ann, "/home/ann/d", at=written.commit - 1, name="f4") == []
    [one] = [one async for one in ann.find("/home/ann/d/f4")]
    assert set(one.replicas) == {server.origin for server in here.fileservers}
    assert one.entry.etag == written.etag
    with pytest.raises(e.BadPattern):
        await found(ann, "/home/ann", name="[")
    with pytest.raises(e.BadRequest):
        await found(ann, "/home/ann", limit=0)
    with pytest.raises(e.NoSuchUser):
        await found(ann, "/home/ann", owner="nobody")


async def test_many_pages_are_one_answer(ann: Filesystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FIND_ENTRIES_MAX", 2)
    for name in "abcde":
        await ann.write_file(f"/home/ann/{name}", b"")
    everything = [b"/home/ann", *(b"/home/ann/" + name.encode() for name in "abcde")]
    assert await found(ann, "/home/ann") == everything
    assert await found(ann, "/home/ann", limit=3) == everything[:3]
    assert await found(ann, "/home/ann", name="?") == everything[1:]


async def test_directories_that_may_not_be_read_are_remarked(here: Cluster, ann: Filesystem) -> None:
    ben = await here.user("ben")
    await ann.mkdir("/home/ann/shut")
    await ann.chmod("/home/ann", 0o755)
    await ann.chmod("/home/ann/shut", 0o700)
    remarks = Remarks()
    assert [one.path async for one in ben.find("/home/ann", remarks=remarks)] == [
        "/home/ann",
        "/home/ann/shut",
    ]
    assert [one.path async for one in ben.du("/home/ann", remarks=remarks)] == [
        b"/home/ann/shut",
        b"/home/ann",
    ]
    assert remarks.closed == 2
    assert remarks.commit > 0


async def test_sums(ann: Filesystem) -> None:
    await ann.mkdir("/home/ann/d/a/b", parents=True)
    for path, size in (("d/f", 1), ("d/a/f", 20), ("d/a/b/f", 300), ("d/z", 4000)):
        await ann.write_file(f"/home/ann/{path}", b"x" * size)
    await ann.symlink("there", "/home/ann/d/a/way")
    await ann.link("/home/ann/d/z", "/home/ann/d/a/linked")
    deep = Usage(b"/home/ann/d/a/b", 300, 1, 1, 0)
    # Of a file with several names, the first that is met counts.
    middle = Usage(b"/home/ann/d/a", 4325, 3, 2, 1)
    whole = Usage(b"/home/ann/d", 4326, 4, 3, 1)
    assert [one async for one in ann.du("/home/ann/d")] == [deep, middle, whole]
    assert [one async for one in ann.du("/home/ann/d", depth=1)] == [middle, whole]
    assert [one async for one in ann.du("/home/ann/d", depth=0)] == [whole]
    assert [one async for one in ann.du("/home/ann/d/f")] == [Usage(b"/home/ann/d/f", 1, 1, 0, 0)]
    remarks = Remarks()
    both = [
        one.size
        for path in ("d/a", "d/z")
        async for one in ann.du(f"/home/ann/{path}", depth=0, remarks=remarks)
    ]
    assert both == [4325, 0]
    with pytest.raises(e.NotFound):
        await anext(ann.du("/home/ann/none"))


def test_links_beyond_the_limit_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LINKS_MAX", 2)
    remarks = Remarks()
    adding = search._Adding(remarks)
    adding.add(UsageSum(path="/", linked=[Linked(1, 1), Linked(2, 1), Linked(1, 1)]))
    said = [remarks.links_forgotten]
    adding.add(UsageSum(path="/", linked=[Linked(3, 1), Linked(2, 1), Linked(3, 1)]))
    assert [*said, remarks.links_forgotten] == [False, True]
    assert adding.end() == [Usage(b"/", 4, 4, 0, 0)]


async def test_room(here: Cluster, ann: Filesystem) -> None:
    before = await ann.df()
    assert before.copies == 2
    assert len(before.fileservers) == 2
    assert 0 < before.available <= min(one.free_bytes for one in before.fileservers)
    assert before.size == before.used + sum(one.free_bytes for one in before.fileservers)
