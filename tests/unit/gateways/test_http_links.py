"""Symlinks, hard links and what stands beside content, as the HTTP door shows them."""

from __future__ import annotations

import msgspec
import pytest

from cairnfs.client.connection import Connection
from cairnfs.client.results import Durability
from cairnfs.client.singles import SINGLE_BYTES
from cairnfs.wire.directory import Entry, ListReply
from tests.unit.gateways.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_get_and_put_follow_and_delete_does_not(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/d/f", b"one")
    await scene.files.symlink("d", f"{home}/to-d")
    await scene.files.symlink("d/f", f"{home}/to-f")
    assert (await scene.ask("GET", f"{home}/to-d/f")).body == b"one"
    page = msgspec.json.decode((await scene.ask("GET", f"{home}/to-d/")).body, type=ListReply)
    assert [entry.name for entry in page.entries] == ["f"]
    assert (await scene.ask("GET", f"{home}/to-d")).problem == "is_a_directory"
    through = await scene.ask("GET", f"{home}/to-f")
    assert through.body == b"one"
    put = await scene.ask("PUT", f"{home}/to-f", b"two", if_match=through.headers["etag"])
    assert put.status == 204
    assert (await scene.ask("GET", f"{home}/d/f")).body == b"two"
    assert (await scene.ask("PUT", f"{home}/to-d/g", b"three")).status == 201
    assert (await scene.ask("PUT", f"{home}/to-d", b"x")).problem == "is_a_directory"
    assert (await scene.ask("DELETE", f"{home}/to-f")).status == 204
    assert (await scene.ask("DELETE", f"{home}/to-d?recursive=1")).status == 204
    assert [entry.name async for entry in scene.files.list(f"{home}/d")] == ["f", "g"]
    assert [entry.name async for entry in scene.files.list(home)] == ["d"]


async def test_a_symlink_that_leads_nowhere(scene: Scene, home: str) -> None:
    await scene.files.mkdir(home, parents=True)
    await scene.files.symlink("later", f"{home}/dangling")
    assert (await scene.ask("GET", f"{home}/dangling")).status == 404
    assert (await scene.ask("PUT", f"{home}/dangling", b"x", if_none_match="*")).status == 412
    assert (await scene.ask("PUT", f"{home}/dangling", b"now")).status == 201
    assert await scene.files.read_file(f"{home}/later") == b"now"
    assert (await scene.files.lstat(f"{home}/dangling")).kind == "symlink"
    await scene.files.symlink("circle", f"{home}/circle")
    round_and_round = await scene.ask("GET", f"{home}/circle")
    assert (round_and_round.status // 100, round_and_round.problem) == (4, "symlink_loop")
    assert (await scene.ask("PUT", f"{home}/circle", b"x")).problem == "symlink_loop"
    wrong = await scene.ask("DELETE", f"{home}/circle/")
    assert (wrong.status, wrong.problem) == (409, "not_a_directory")
    assert (await scene.ask("DELETE", f"{home}/circle")).status == 204
    assert (await scene.ask("DELETE", f"{home}/dangling")).status == 204


async def test_deleting_one_name_leaves_the_other(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/a", b"shared")
    await scene.files.link(f"{home}/a", f"{home}/b")
    assert (await scene.ask("DELETE", f"{home}/a")).status == 204
    assert (await scene.ask("GET", f"{home}/b")).body == b"shared"


async def test_a_listing_tells_what_stands_beside_content(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/f", b"x")
    await scene.files.link(f"{home}/f", f"{home}/g")
    await scene.files.touch(f"{home}/f", 1_123_456_789)
    await scene.files.set_xattr(f"{home}/f", "user.color", b"blue")
    await scene.files.symlink(b"caf\xe9", f"{home}/s")
    await scene.files.mkdir(f"{home}/d")
    await scene.files.set_policy(f"{home}/d", "all")
    page = msgspec.json.decode((await scene.ask("GET", f"{home}/")).body, type=ListReply)
    directory, file, other, symlink = page.entries
    assert (file.links, file.group, file.mtime_us, file.mtime_sub_ns) == (2, "ann", 1_123_456, 789)
    assert file.inode == other.inode
    assert file.xattrs
    assert (symlink.kind, symlink.raw_target()) == ("symlink", b"caf\xe9")
    assert directory.policy == "all"


async def test_one_path_is_told_of_as_its_directory_would(scene: Scene, home: str) -> None:
    await scene.ask("PUT", f"{home}/d/f", b"x")
    await scene.files.symlink("d", f"{home}/s")
    page = msgspec.json.decode((await scene.ask("GET", f"{home}/")).body, type=ListReply)
    told = await scene.ask("GET", f"{home}/s?stat=1")
    assert told.headers["content-type"] == "application/json"
    assert int(told.headers["cairn-commit"]) >= page.commit
    assert msgspec.json.decode(told.body, type=Entry) == page.entries[1]
    led = await scene.ask("GET", f"{home}/s?stat=1&follow=1")
    assert msgspec.json.decode(led.body, type=Entry).inode == page.entries[0].inode
    head = await scene.ask("HEAD", f"{home}/s?stat=1")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(told.body)))
    assert (await scene.ask("GET", f"{home}/none?stat=1")).status == 404
    assert (await scene.ask("GET", f"{home}/d/f/?stat=1")).problem == "not_a_directory"
    assert (await scene.ask("GET", f"{home}/d?stat=yes")).problem == "bad_request"
    before = await scene.ask("GET", f"{home}/d/f?stat=1&at={page.commit}")
    await scene.ask("PUT", f"{home}/d/f", b"longer")
    assert (await scene.ask("GET", f"{home}/d/f?stat=1&at={page.commit}")).body == before.body


async def test_durability_is_what_the_directory_asks_unless_more_is_asked(
    scene: Scene, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    # Short ones share their requests.
    upload, long = Connection.upload, bytes(SINGLE_BYTES + 1)

    def noted(self, durability):  # type: ignore[no-untyped-def]
        sent.append(durability)
        return upload(self, durability)

    monkeypatch.setattr(Connection, "upload", noted)
    await scene.files.mkdir(home, parents=True)
    cases: tuple[tuple[Durability | None, str, str], ...] = (
        (None, "", "majority"),
        (None, "?durability=async", "majority"),
        (None, "?durability=all", "all"),
        ("async", "", "async"),
        ("async", "?durability=majority", "majority"),
        ("all", "?durability=async", "all"),
    )
    for policy, asked, counted in cases:
        await scene.files.set_policy(home, policy)
        sent.clear()
        assert (await scene.ask("PUT", f"{home}/f{asked}", long)).status in (201, 204)
        assert sent[-1] == counted, (policy, asked, sent)
