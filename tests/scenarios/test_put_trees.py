"""Trees on their way into a whole cluster: in one commit, never in part, without sending what is there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.upload import Upload
from cairnfs.errors import IsADirectory
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire import endpoints
from cairnfs.wire.commits import Receipt
from cairnfs.wire.verification import VerifyGroupsRequest

KIB = 1024
MIB = 1024 * KIB
HOME = "/home/ann"
TREE = f"{HOME}/t"


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    """With one fileserver: of several, one may lag, and then the same is sent once more."""
    async with cluster(fileservers=1) as made:
        yield made
        admin = await made.admin()
        assert (await admin.ask(endpoints.VERIFY_DATABASE)).findings == []
        groups = await admin.ask(endpoints.VERIFY_GROUPS, VerifyGroupsRequest(first=0, last=1023))
        assert groups.findings == []


@pytest.fixture
async def files(here: Cluster) -> Filesystem:
    return await here.user("ann")


def grow(root: Path, dice: random.Random, count: int, size: int) -> None:
    for number in range(count):
        directory = root / f"d{number // 200}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:05}").write_bytes(dice.randbytes(size))


def below(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


async def remote(files: Filesystem, path: str = TREE) -> dict[bytes, str]:
    """What is below a path, and in which version."""
    return {found: entry.etag async for found, entry in files.walk(path)}


async def test_a_new_tree_of_many_pages_is_one_commit(files: Filesystem, tmp_path: Path, seed: int) -> None:
    grow(tmp_path / "from", random.Random(seed), 2500, 40)
    before = (await files.status()).commit
    put = await files.put_tree(tmp_path / "from", f"{HOME}/missing/directories/t")
    assert (put.commits, put.commit, put.files, put.unchanged) == (1, before + 1, 2500, 0)
    assert put.sent_bytes == put.bytes == 2500 * 40
    await files.get_tree(f"{HOME}/missing/directories/t", tmp_path / "to")
    for path in below(tmp_path / "from"):
        assert (tmp_path / "to" / path.relative_to(tmp_path / "from")).read_bytes() == path.read_bytes()


async def test_a_tree_onto_what_is_there_is_one_commit_of_what_changed(
    files: Filesystem, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    grow(tmp_path, dice, 3000, 40)
    first = await files.put_tree(tmp_path, TREE)
    before = await remote(files)
    again = await files.put_tree(tmp_path, TREE)
    assert (again.commits, again.sent_bytes, again.unchanged, again.files) == (0, 0, 3000, 3000)
    assert await remote(files) == before
    changed = dice.sample(below(tmp_path), 2400)
    for path in changed:
        path.write_bytes(dice.randbytes(40))
    (tmp_path / "new").write_bytes(b"new")
    put = await files.put_tree(tmp_path, TREE)
    assert (put.commits, put.commit, put.unchanged) == (1, first.commit + 1, 600)
    assert put.sent_bytes == 2400 * 40 + 3
    after = await remote(files)
    assert sum(before.get(path) != etag for path, etag in after.items()) == 2401
    assert await files.read_file(f"{TREE}/{changed[0].relative_to(tmp_path)}") == changed[0].read_bytes()


async def test_renamed_and_copied_files_send_nothing(files: Filesystem, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    grow(tmp_path, dice, 30, 100 * KIB)
    long = dice.randbytes(6 * MIB)
    (tmp_path / "long").write_bytes(long)
    assert (await files.put_tree(tmp_path, TREE)).sent_bytes == 30 * 100 * KIB + 6 * MIB
    (tmp_path / "d0").rename(tmp_path / "elsewhere")
    (tmp_path / "copy").write_bytes(long)
    put = await files.put_tree(tmp_path, TREE)
    assert (put.sent_bytes, put.unchanged, put.commits) == (0, 1, 1)
    assert await files.read_file(f"{TREE}/copy") == long


@pytest.mark.parametrize("fresh", [True, False])
async def test_the_same_content_in_two_pages_is_sent_once(
    files: Filesystem, tmp_path: Path, seed: int, fresh: bool
) -> None:
    content = random.Random(seed).randbytes(64 * KIB)
    # Pages next to each other are under way at once.
    for number in range(3100):
        (tmp_path / f"{number:05}").write_bytes(content if number in (0, 3000) else b"")
    if not fresh:
        await files.mkdir(TREE)
    put = await files.put_tree(tmp_path, TREE)
    assert (put.sent_bytes, put.bytes, put.commits) == (64 * KIB, 128 * KIB, 1)


async def test_attributes_alone_are_set_without_sending(files: Filesystem, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"content")
    await files.put_tree(tmp_path, TREE, preserve=True)
    (tmp_path / "d" / "f").chmod(0o640)
    put = await files.put_tree(tmp_path, TREE, preserve=True)
    assert (put.sent_bytes, put.commits) == (0, 1)
    assert (await files.stat(f"{TREE}/d/f")).mode == 0o640


async def test_what_is_refused_at_the_end_leaves_all_as_it_was(
    files: Filesystem, tmp_path: Path, seed: int
) -> None:
    grow(tmp_path, random.Random(seed), 1500, 10)
    (tmp_path / "z").write_bytes(b"a file")
    await files.mkdir(f"{TREE}/z", parents=True)
    before = await remote(files, HOME)
    with pytest.raises(IsADirectory):
        await files.put_tree(tmp_path, TREE)
    assert await remote(files, HOME) == before


async def test_groups_that_are_not_certain_cost_sending_and_no_more(
    here: Cluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    grow(tmp_path, random.Random(seed), 40, 64 * KIB)
    await files.put_tree(tmp_path, TREE)
    await here.kill(0)
    await here.start(0)
    (tmp_path / "d0").rename(tmp_path / "renamed")
    put = await files.put_tree(tmp_path, TREE)
    assert (put.commits, put.files) == (1, 40)
    await files.get_tree(f"{TREE}/renamed", tmp_path / "back")
    assert len(list((tmp_path / "back").iterdir())) == 40


async def test_a_place_that_is_made_meanwhile_is_put_into(
    here: Cluster, files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    grow(tmp_path, random.Random(seed), 1100, 10)
    other, finish = await here.user("ann"), Upload.finish

    async def overtaken(upload: Upload) -> list[Receipt]:
        monkeypatch.undo()
        await other.write_file(f"{TREE}/theirs", b"theirs", parents=True)
        return await finish(upload)

    monkeypatch.setattr(Upload, "finish", overtaken)
    put = await files.put_tree(tmp_path, TREE)
    assert (put.files, put.commits) == (1100, 1)
    assert await files.read_file(f"{TREE}/theirs") == b"theirs"
    assert len(await remote(files)) == 1100 + 6 + 1


@pytest.mark.parametrize("onto", ["nothing", "a directory"])
async def test_an_interrupted_tree_is_continued(
    here: Cluster,
    files: Filesystem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    onto: str,
) -> None:
    grow(tmp_path / "from", random.Random(seed), 4000, 256)
    files.connection.notes = tmp_path / "notes"
    if onto == "a directory":
        await files.mkdir(TREE)
    before = await remote(files, HOME)
    finish, hanging, finished = Upload.finish, asyncio.Event(), count(1)

    async def hang(upload: Upload) -> list[Receipt]:
        receipts = await finish(upload)
        if next(finished) == 4:
            hanging.set()
            await asyncio.Event().wait()
        return receipts

    with monkeypatch.context() as patched:
        patched.setattr(Upload, "finish", hang)
        putting = asyncio.create_task(files.put_tree(tmp_path / "from", TREE))
        await hanging.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
    assert await remote(files, HOME) == before
    assert len(list((tmp_path / "notes").glob("*.json"))) == 1
    other = await here.user("ann")
    other.connection.notes = tmp_path / "notes"
    put = await other.put_tree(tmp_path / "from", TREE)
    assert (put.files, put.commits) == (4000, 1)
    # Two pages were in place; two more were on their way.
    assert put.sent_bytes <= 2100 * 256
    assert list((tmp_path / "notes").iterdir()) == []


async def test_an_interrupted_file_is_continued(
    here: Cluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    content = b"".join(dice.randbytes(16 * MIB) for _ in range(10))
    (tmp_path / "long").write_bytes(content)
    files.connection.notes = tmp_path / "notes"
    enough = asyncio.Event()

    def tell(now: object) -> None:
        if getattr(now, "bytes_done", 0) > 128 * MIB:
            enough.set()

    putting = asyncio.create_task(files.put_file(tmp_path / "long", f"{HOME}/f", progress=tell))
    await asyncio.wait({putting, asyncio.create_task(enough.wait())}, return_when=asyncio.FIRST_COMPLETED)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await remote(files, HOME) == {}
    put = await files.put_file(tmp_path / "long", f"{HOME}/f")
    # 32 MiB are sent before they are kept, and 16 MiB are on their way.
    assert put.sent_bytes <= len(content) - 128 * MIB + (32 + 32 + 16) * MIB
    assert await files.read_file(f"{HOME}/f") == content
    assert list((tmp_path / "notes").iterdir()) == []
