"""The verbs, as a caller meets them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import (
    BadName,
    BadRange,
    BadRequest,
    CairnError,
    Exists,
    IsADirectory,
    NotEmpty,
    NotFound,
    PathTooLong,
    VersionChanged,
)
from tests.unit.client.fake_cluster import FakeCluster
from tests.unit.client.fake_tree import Node

MIB = 1024 * 1024


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("size", [0, 1, 70_000, MIB, MIB + 1, 5 * MIB])
async def test_what_is_written_is_read(files: Filesystem, size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    written = await files.write_file("/f", data)
    assert written.size == size
    assert await files.read_file("/f") == data
    entry = await files.stat("/f")
    assert (entry.size, entry.etag, entry.commit) == (size, written.etag, written.commit)


@pytest.mark.parametrize(
    "path", ["/plain", "/grüße", b"/not utf-8 \xff\xfe", PurePosixPath("/pure"), "/a b%2F\n", "/\udcff"]
)
async def test_names_are_bytes(files: Filesystem, path: str | bytes | PurePosixPath) -> None:
    await files.write_file(path, b"here")
    assert await files.read_file(path) == b"here"
    (entry,) = [entry async for entry in files.list("/")]
    raw = path if isinstance(path, bytes) else str(path).encode(errors="surrogateescape")
    assert entry.raw_name() == raw[1:]


@pytest.mark.parametrize(
    "path", ["relative", "", "//a", "/a//b", "/.", "/a/..", "/nul\0", "/" + "n" * 256, "/\ud800"]
)
async def test_bad_names_stop_here(cluster: FakeCluster, files: Filesystem, path: str) -> None:
    with pytest.raises(BadName):
        await files.write_file(path, b"x")
    assert not cluster.calls


async def test_a_path_that_is_too_long_stops_here(cluster: FakeCluster, files: Filesystem) -> None:
    with pytest.raises(PathTooLong):
        await files.read_file("/" + "n/" * 2100)
    assert not cluster.calls


async def test_what_is_no_path_stops_here(files: Filesystem) -> None:
    unlikely: Any = 41
    with pytest.raises(BadName):
        await files.read_file(unlikely)


@pytest.mark.parametrize("at", ["1 hour", "10x", "-1", ""])
async def test_what_is_no_point_in_history_stops_here(
    cluster: FakeCluster, files: Filesystem, at: str
) -> None:
    with pytest.raises(BadRequest):
        await files.read_file("/f", at=at)
    assert not cluster.calls


async def test_content_comes_in_many_forms(files: Filesystem, tmp_path: Any) -> None:
    data = b"stone" * 500_000
    local = tmp_path / "stones"
    local.write_bytes(data)

    def generate() -> Iterator[bytes]:
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]

    with local.open("rb") as opened:
        forms: list[Any] = [
            data,
            bytearray(data),
            memoryview(data),
            io.BytesIO(data),
            opened,
            generate(),
            pieces(data[:10], b"", data[10:]),
        ]
        for form in forms:
            written = await files.write_file("/f", form)
            assert written.size == len(data)
            assert await files.read_file("/f") == data


@pytest.mark.parametrize("content", ["text", 41, ["text"], io.StringIO("text")])
async def test_what_is_not_bytes_is_refused(files: Filesystem, content: Any) -> None:
    with pytest.raises(BadRequest):
        await files.write_file("/f", content)
    with pytest.raises(NotFound):
        await files.stat("/f")


async def test_a_source_that_breaks_publishes_nothing(files: Filesystem) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"x" * 3 * MIB
        raise OSError("the disk it comes from")

    with pytest.raises(OSError, match="comes from"):
        await files.write_file("/f", breaks())
    with pytest.raises(NotFound):
        await files.stat("/f")


async def test_expectations_hold_or_nothing_changes(files: Filesystem) -> None:
    first = await files.write_file("/f", b"1", expected="none")
    with pytest.raises(Exists):
        await files.write_file("/f", b"2", expected="none")
    second = await files.write_file("/f", b"2", expected=first.etag)
    with pytest.raises(VersionChanged):
        await files.write_file("/f", b"3", expected=first.etag)
    with pytest.raises(VersionChanged):
        await files.remove("/f", expected=first.etag)
    assert await files.read_file("/f") == b"2"
    await files.remove("/f", expected=second.etag)


async def test_history_can_be_read(files: Filesystem) -> None:
    first = await files.write_file("/f", b"1")
    await files.write_file("/f", b"2")
    assert await files.read_file("/f", at=first.commit) == b"1"
    assert (await files.stat("/f", at=str(first.commit))).etag == first.etag
    assert [entry.etag async for entry in files.list("/", at=1)] == [first.etag]


async def test_stat_many_keeps_the_order_and_asks_in_pages(cluster: FakeCluster, files: Filesystem) -> None:
    await files.mkdir("/d")
    paths = [f"/missing-{number}" for number in range(1500)] + ["/d"]
    results = await files.stat_many(paths)
    assert cluster.calls["stat"] == 2
    assert all(isinstance(result, NotFound) for result in results[:-1])
    assert not isinstance(results[-1], CairnError)
    assert await files.stat_many([]) == []


async def test_a_long_directory_is_one_listing(cluster: FakeCluster, files: Filesystem) -> None:
    async with files.connection.upload("majority"):
        pass
    for number in range(2500):
        cluster.tree[b"/%05d" % number] = Node(number + 10, 0, "file")
    listing = files.list("/")
    first = await anext(listing)
    await files.write_file("/00000a", b"born while we look")
    names = [first.name] + [entry.name async for entry in listing]
    assert names == [f"{number:05}" for number in range(2500)]
    assert cluster.calls["list"] == 3


async def test_walk_gives_parents_first(files: Filesystem) -> None:
    for path in ("/a/b/c", "/a/d", "/e"):
        await files.write_file(path, b"", parents=True)
    assert [path async for path, _ in files.walk("/")] == [b"/a", b"/a/b", b"/a/b/c", b"/a/d", b"/e"]
    assert [path async for path, _ in files.walk("/a/b")] == [b"/a/b/c"]


async def test_changing_names(files: Filesystem) -> None:
    made = await files.mkdir("/a/b", parents=True)
    assert made.etag is not None
    await files.write_file("/a/b/f", b"x")
    with pytest.raises(NotEmpty):
        await files.remove("/a")
    moved = await files.rename("/a", "/z")
    assert moved.commit == 3
    with pytest.raises(Exists):
        await files.rename("/z/b", "/z/b/f", replace=False)
    assert await files.read_file("/z/b/f") == b"x"
    removed = await files.remove("/z", recursive=True)
    assert removed.etag is None
    assert [path async for path, _ in files.walk("/")] == []


async def test_a_stream_is_a_part_of_one_version(files: Filesystem) -> None:
    data = bytes(range(256)) * 20_000
    await files.write_file("/f", data)
    for start, stop in (
        (0, None),
        (5, 6),
        (MIB, None),
        (MIB - 3, 3 * MIB + 1),
        (len(data), None),
        (9, 9),
        (7, 10**9),
    ):
        parts = [piece async for piece in files.read_stream("/f", start=start, stop=stop)]
        assert b"".join(parts) == data[start:stop]
    with pytest.raises(BadRange):
        await anext(files.read_stream("/f", start=-1))


async def test_a_reader_seeks(files: Filesystem) -> None:
    data = bytes(range(256)) * 20_000
    await files.write_file("/f", data)
    async with await files.open("/f") as reader:
        assert await reader.read(5) == data[:5]
        assert await reader.seek(3 * MIB) == 3 * MIB
        assert await reader.read(10) == data[3 * MIB : 3 * MIB + 10]
        await reader.seek(3 * MIB + 20)
        assert await reader.read(10) == data[3 * MIB + 20 : 3 * MIB + 30]
        await reader.seek(2)
        assert await reader.read() == data[2:]
        assert await reader.read(1) == b""
        await reader.seek(10**9)
        assert await reader.read() == b""
        with pytest.raises(BadRange):
            await reader.seek(-1)
    with pytest.raises(BadRequest):
        await reader.read(1)


async def test_a_reader_keeps_its_version(files: Filesystem) -> None:
    await files.write_file("/f", b"old")
    async with await files.open("/f") as reader:
        await files.write_file("/f", b"newer")
        assert b"".join([part async for part in reader]) == b"old"


async def test_a_writer_publishes_at_close(files: Filesystem) -> None:
    async with await files.open("/f", "wb", expected="none") as writer:
        for number in range(40):
            await writer.write(bytes([number]) * 100_000)
        with pytest.raises(NotFound):
            await files.stat("/f")
    assert writer.written is not None
    assert writer.written.size == writer.tell() == 4_000_000
    assert (await files.stat("/f")).etag == writer.written.etag
    assert await writer.close() == writer.written
    with pytest.raises(BadRequest):
        await writer.write(b"late")


async def test_a_writer_whose_body_raises_publishes_nothing(files: Filesystem) -> None:
    async def write_half() -> None:
        async with await files.open("/f", "wb") as writer:
            await writer.write(b"x" * 3 * MIB)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_half()
    with pytest.raises(NotFound):
        await files.stat("/f")


async def test_a_writer_that_is_refused_says_so_at_close(files: Filesystem) -> None:
    await files.mkdir("/d")
    writer = await files.open("/d", "wb")
    await writer.write(b"x")
    with pytest.raises(IsADirectory):
        await writer.close()
    with pytest.raises(IsADirectory):
        await writer.close()


async def test_open_knows_two_modes(files: Filesystem) -> None:
    mode: Any = "r+b"
    with pytest.raises(BadRequest):
        await files.open("/f", mode)


async def test_unchanged_costs_no_chunks(cluster: FakeCluster, files: Filesystem) -> None:
    written = await files.write_file("/f", b"x")
    version = await files.version("/f", known=written.etag)
    assert version.unchanged
    await files.write_file("/f", b"y")
    version = await files.version("/f", known=written.etag)
    assert not version.unchanged
    assert await version.read() == b"y"


async def test_a_commit_can_be_settled_by_hand(files: Filesystem) -> None:
    assert (await files.settle("ab" * 16)).outcome == "aborted"


async def test_status_and_whoami(files: Filesystem) -> None:
    assert (await files.whoami()).user == "alice"
    assert (await files.status()).ready


async def test_closing_gives_up_open_writers(cluster: FakeCluster, files: Filesystem) -> None:
    writer = await files.open("/f", "wb")
    await writer.write(b"x")
    await files.close()
    assert b"/f" not in cluster.tree
    with pytest.raises(asyncio.CancelledError):
        await writer.close()


async def test_a_closed_client_says_so(cluster: FakeCluster, files: Filesystem) -> None:
    await files.write_file("/f", b"x")
    opened = await files.open("/f")
    await files.close()
    await files.close()
    asked = cluster.calls.total()
    for call in (files.read_file("/f"), files.write_file("/g", b"y"), files.status(), files.mkdir("/d")):
        with pytest.raises(BadRequest, match="closed"):
            await call
    with pytest.raises(BadRequest, match="closed"):
        await opened.read()
    assert cluster.calls.total() == asked, "nobody is asked any more"
    assert not cluster.sessions


@pytest.mark.parametrize("hanging", ["hang_gets", "hang_puts"])
async def test_closing_ends_what_is_under_way(cluster: FakeCluster, files: Filesystem, hanging: str) -> None:
    await files.write_file("/f", b"x")
    for server in cluster.servers:
        setattr(server, hanging, True)
    working = [
        asyncio.create_task(files.read_file("/f") if hanging == "hang_gets" else files.write_file("/g", b"y"))
        for _ in range(5)
    ]
    await cluster.hanging.wait()
    await files.close()
    ended = await asyncio.wait_for(asyncio.gather(*working, return_exceptions=True), 5)
    assert {type(error) for error in ended} == {BadRequest}
    assert b"/g" not in cluster.tree
