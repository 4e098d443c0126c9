"""The HTTP door, through the whole of a cluster: what curl and browsers may rely on."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from cairnfs.client.transfer import ChunkPlane
from cairnfs.errors import ChunkLost, LengthMismatch, OutcomeUnknown
from cairnfs.wire.directory import ListReply
from tests.sparse import make, need_holes
from tests.unit.gateways.scene import MIB, Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_file_comes_and_goes(scene: Scene, home: str) -> None:
    put = await scene.ask("PUT", f"{home}/new/f.txt", b"hello")
    assert put.status == 201
    got = await scene.ask("GET", f"{home}/new/f.txt")
    assert (got.status, got.body) == (200, b"hello")
    assert got.headers["etag"] == put.headers["etag"]
    assert got.headers["etag"].startswith('"')
    assert got.headers["content-length"] == "5"
    assert int(put.headers["cairn-commit"]) <= int(got.headers["cairn-commit"])
    again = await scene.ask("PUT", f"{home}/new/f.txt", b"hello again")
    assert (again.status, again.body) == (204, b"")
    assert "content-length" not in again.headers
    assert again.headers["etag"] != put.headers["etag"]
    old = await scene.ask("GET", f"{home}/new/f.txt?at={put.headers['cairn-commit']}")
    assert old.body == b"hello"
    gone = await scene.ask("DELETE", f"{home}/new/f.txt")
    assert gone.status == 204
    missing = await scene.ask("GET", f"{home}/new/f.txt")
    assert (missing.status, missing.problem) == (404, "not_found")


async def test_head_is_get_without_a_body(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/f", b"12345")
    head = await scene.ask("HEAD", f"{home}/f")
    got = await scene.ask("GET", f"{home}/f")
    assert head.body == b""
    assert head.status == 200
    names = ("etag", "content-length", "last-modified", "accept-ranges", "content-type")
    assert [head.headers[name] for name in names] == [got.headers[name] for name in names]


@pytest.mark.parametrize(
    ("header", "status", "body", "content_range"),
    [
        ("bytes=2-3", 206, b"23", "bytes 2-3/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
        ("chars=1-2", 200, b"0123456789", None),
    ],
)
async def test_ranges(
    scene: Scene, home: str, header: str, status: int, body: bytes, content_range: str | None
) -> None:
    await scene.ask("PUT", f"{home}/f", b"0123456789")
    got = await scene.ask("GET", f"{home}/f", range=header)
    assert (got.status, got.body, got.headers.get("content-range")) == (status, body, content_range)


async def test_holes_are_zeros_in_pieces(scene: Scene, home: str, tmp_path: Path) -> None:
    need_holes(tmp_path)
    local = make(tmp_path / "f", [2**36, b"data" * 1024, 2**36])
    size = local.stat().st_size
    await scene.files.put_file(local, f"{home}/f", parents=True)
    head = await scene.ask("HEAD", f"{home}/f")
    assert head.headers["content-length"] == str(size)
    tracemalloc.start()
    try:
        got = await scene.ask("GET", f"{home}/f", range=f"bytes={2**35}-{2**35 + 20 * MIB}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (got.status, got.body) == (206, bytes(20 * MIB + 1))
    assert got.headers["content-range"] == f"bytes {2**35}-{2**35 + 20 * MIB}/{size}"
    # What the test itself gathers is in it, pieces and whole.
    assert peak < 20 * MIB * 2 + 8 * MIB, peak
    got = await scene.ask("GET", f"{home}/f", range=f"bytes={2**36 - 2}-{2**36 + 3}")
    assert got.body == b"\0\0data"
    got = await scene.ask("GET", f"{home}/f", range="bytes=-3")
    assert got.body == bytes(3)


async def test_a_range_outside_tells_the_size(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/f", b"0123456789")
    got = await scene.ask("GET", f"{home}/f", range="bytes=10-")
    assert (got.status, got.problem, got.headers["content-range"]) == (416, "bad_range", "bytes */10")


async def test_a_range_of_a_version_that_has_gone_by_is_the_whole(scene: Scene, home: str) -> None:
    first = await scene.ask("PUT", f"{home}/f", b"0123456789")
    ranged = await scene.ask("GET", f"{home}/f", range="bytes=2-3", if_range=first.headers["etag"])
    assert ranged.status == 206
    await scene.ask("PUT", f"{home}/f", b"abcdefghij")
    whole = await scene.ask("GET", f"{home}/f", range="bytes=2-3", if_range=first.headers["etag"])
    assert (whole.status, whole.body) == (200, b"abcdefghij")


async def test_conditions(scene: Scene, home: str) -> None:
    target = f"{home}/f"
    none_yet = await scene.ask("PUT", target, b"0", if_match="*")
    assert (none_yet.status, none_yet.problem) == (412, "version_changed")
    first = (await scene.ask("PUT", target, b"1", if_none_match="*")).headers["etag"]
    assert (await scene.ask("PUT", target, b"2", if_none_match="*")).status == 412
    assert (await scene.ask("GET", target, if_none_match=first)).status == 304
    assert (await scene.ask("GET", target, if_none_match=f"W/{first}")).status == 304
    unchanged = await scene.ask("GET", target, if_none_match="*")
    assert (unchanged.body, unchanged.headers["etag"]) == (b"", first)
    assert (await scene.ask("GET", target, if_match=first)).body == b"1"
    second = (await scene.ask("PUT", target, b"2", if_match=f'"0.0.0", {first}')).headers["etag"]
    assert (await scene.ask("PUT", target, b"3", if_match=first)).status == 412
    assert (await scene.ask("GET", target, if_match=first)).status == 412
    assert (await scene.ask("GET", target, if_none_match=first)).body == b"2"
    assert (await scene.ask("DELETE", target, if_match=first)).status == 412
    assert (await scene.ask("DELETE", target, if_match=second)).status == 204
    assert (await scene.ask("DELETE", target, if_match="*")).status == 412


async def test_of_two_who_create_one_wins(scene: Scene, home: str) -> None:
    answers = await asyncio.gather(
        *(scene.ask("PUT", f"{home}/f", b"%d" % number, if_none_match="*") for number in range(6))
    )
    assert sorted(answer.status for answer in answers) == [201, 412, 412, 412, 412, 412]


async def test_directories_are_listed_page_by_page(scene: Scene, home: str) -> None:
    for name in ("a", "b", "c"):
        await scene.ask("PUT", f"{home}/{name}", b"x")
    names: list[str] = []
    cursor = ""
    while True:
        got = await scene.ask("GET", f"{home}/?limit=2{cursor}")
        assert got.headers["content-type"] == "application/json"
        page = msgspec.json.decode(got.body, type=ListReply)
        names += [entry.name for entry in page.entries]
        if page.cursor is None:
            break
        cursor = f"&cursor={page.cursor}"
    assert names == ["a", "b", "c"]
    assert (await scene.ask("GET", home, accept="application/json")).status == 200
    plain = await scene.ask("GET", home)
    assert (plain.status, plain.problem) == (409, "is_a_directory")
    assert b"with a /" in plain.body
    assert (await scene.ask("GET", f"{home}/a/")).status == 409
    assert (await scene.ask("HEAD", f"{home}/")).status == 200


async def test_directories_go_when_empty_or_when_told(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/d/f", b"x")
    full = await scene.ask("DELETE", f"{home}/d")
    assert (full.status, full.problem) == (409, "not_empty")
    assert (await scene.ask("DELETE", f"{home}/d?recursive=2")).status == 400
    assert (await scene.ask("DELETE", f"{home}/d/?recursive=1")).status == 204


@pytest.mark.parametrize("raw", ["%FF%FE", "gr%C3%BC%C3%9Fe", "a%20b%25", "%2e%2e%2e", "x%0Ay", "+"])
async def test_names_are_bytes(scene: Scene, home: str, raw: str) -> None:
    assert (await scene.ask("PUT", f"{home}/{raw}", raw.encode())).status == 201
    assert (await scene.ask("GET", f"{home}/{raw}")).body == raw.encode()
    plain = home.encode() + b"/" + bytes.fromhex("".join(f"{byte:02x}" for byte in _decoded(raw)))
    assert await scene.files.read_file(plain) == raw.encode()


def _decoded(raw: str) -> bytes:
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(raw)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/a%2Fb", "bad_name"),
        ("/a%2fb", "bad_name"),
        ("//a", "bad_name"),
        ("/a//b", "bad_name"),
        ("/%2e%2e/a", "bad_name"),
        ("/../a", "bad_name"),
        ("/./a", "bad_name"),
        ("/a%00", "bad_name"),
        ("/a%", "bad_name"),
        ("/a%zz", "bad_name"),
        ("/" + "n" * 256, "bad_name"),
        ("/" + "nnn/" * 1100 + "n", "path_too_long"),
        ("/f/", "bad_name"),
    ],
)
async def test_bad_names_are_refused(scene: Scene, target: str, code: str) -> None:
    answer = await scene.ask("PUT", target, b"x")
    assert answer.problem == code
    assert answer.status in (400, 414)


async def test_what_the_door_does_not_do(scene: Scene, home: str) -> None:
    for method in ("POST", "PATCH", "OPTIONS", "PROPFIND"):
        answer = await scene.ask(method, f"{home}/f")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PUT, DELETE")
    assert (await scene.ask("PUT", f"{home}/f", b"x", content_range="bytes 0-0/5")).status == 400
    assert (await scene.ask("PUT", f"{home}/f", b"x", content_encoding="gzip")).status == 415
    assert (await scene.ask("GET", f"{home}/f?version=1")).problem == "unknown_field"
    assert (await scene.ask("GET", f"{home}/f?at=1&at=2")).problem == "bad_request"
    assert (await scene.ask("GET", f"{home}/f?at=-5")).problem == "bad_request"
    for limit in ("0", "1001", "-1", "x", "000000001" + "0" * 4400):
        assert (await scene.ask("GET", f"{home}/?limit={limit}")).problem == "bad_request"
    assert (await scene.ask("PUT", f"{home}/f?durability=none", b"x")).problem == "bad_request"
    assert (await scene.ask("PUT", home, b"x", if_none_match='"1.1.1"')).status in (201, 204, 409)


async def test_long_files_stream_both_ways(scene: Scene, home: str, seed: int) -> None:
    data = random.Random(seed).randbytes(9 * MIB + 5)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 65_536):
            yield data[at : at + 65_536]

    put = await scene.ask("PUT", f"{home}/long", pieces(), content_length=str(len(data)))
    assert put.status == 201
    assert (await scene.ask("GET", f"{home}/long")).body == data
    part = await scene.ask("GET", f"{home}/long", range=f"bytes={4 * MIB}-{4 * MIB + 99}")
    assert part.body == data[4 * MIB : 4 * MIB + 100]


@pytest.mark.parametrize("announced", [50, 5 * MIB])
async def test_a_body_of_another_length_publishes_nothing(scene: Scene, home: str, announced: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(MIB)

    answer = await scene.ask("PUT", f"{home}/f", pieces(), content_length=str(announced))
    assert (answer.status, answer.problem) == (400, "length_mismatch")
    assert (await scene.ask("GET", f"{home}/f")).status == 404


async def test_a_client_that_leaves_publishes_nothing(scene: Scene, home: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(3 * MIB)
        raise ZeroDivisionError("the client stumbles")

    with pytest.raises((ZeroDivisionError, LengthMismatch, OutcomeUnknown)):
        await scene.ask("PUT", f"{home}/f", pieces())
    assert (await scene.ask("GET", f"{home}/f")).status == 404


async def test_a_failed_condition_spares_the_body(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/f", b"x")
    asked = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(100):
            asked += 1
            yield bytes(MIB)

    assert (await scene.ask("PUT", f"{home}/f", pieces(), if_none_match="*")).status == 412
    assert asked == 0


@pytest.mark.parametrize(
    ("name", "media", "handling"),
    [
        ("a.txt", "text/plain", "inline"),
        ("a.png", "image/png", "inline"),
        ("a.html", "text/html", "attachment"),
        ("a.svg", "image/svg+xml", "attachment"),
        ("a.tar.gz", "application/octet-stream", "attachment"),
        ("noname", "application/octet-stream", "attachment"),
    ],
)
async def test_what_could_run_is_a_download(
    scene: Scene, home: str, name: str, media: str, handling: str
) -> None:
    await scene.ask("PUT", f"{home}/{name}", b"<script>")
    got = await scene.ask("GET", f"{home}/{name}")
    assert got.headers["content-type"] == media
    assert got.headers["content-disposition"].startswith(f"{handling}; filename*=UTF-8''")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]


@pytest.mark.loud
async def test_an_answer_that_breaks_off_cannot_be_taken_for_whole(
    scene: Scene, home: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.ask("PUT", f"{home}/f", random.Random(seed).randbytes(40 * MIB))
    served = 0
    get = ChunkPlane.get

    async def run_out(self, address, hashes, beat):  # type: ignore[no-untyped-def]
        nonlocal served
        served += len(hashes)
        if served > 28:
            raise ChunkLost("none has it")
        async for frame in get(self, address, hashes, beat):
            yield frame

    monkeypatch.setattr(ChunkPlane, "get", run_out)
    with pytest.raises(OutcomeUnknown):
        await scene.ask("GET", f"{home}/f")
    early = await scene.ask("GET", f"{home}/f")
    assert (early.status, early.problem) == (500, "chunk_lost")
