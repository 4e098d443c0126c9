"""Publishing while others write and read: after each success the directory is exactly the local one, and
nobody ever sees a part of it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cairnfs.client.local.content import holds_still
from cairnfs.client.publish import publish as publishing
from cairnfs.client.publish import reading as publish_read
from cairnfs.client.publish import send as publish_send
from cairnfs.client.publish.send import Sending
from cairnfs.client.record.record import Known
from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError, RemovesMost, SymlinkLoop, VersionChanged
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.testing.planted_publish import (
    publishing_without_expectation,
    trusting_files_that_changed_just_now,
)
from cairnfs.wire.commits import CommitReply
from tests.trees import Garden, of_here, of_there

PLACE = "/home/ann/site"
ROUNDS = int(os.environ.get("CAIRN_PUBLISH_ROUNDS", "12"))
#: 100,000 in the long form.
LOOKS = int(os.environ.get("CAIRN_PUBLISH_LOOKS", "400"))


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with cluster(fileservers=1, copies=1) as running:
        yield running


def meddling(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[int], object], times: int) -> None:
    """Between the look and the commit of the first so many attempts, something happens."""
    honest, made = Sending.run, 0

    async def run(sending: Sending) -> CommitReply:
        nonlocal made
        made += 1
        if made <= times:
            await meddle(made)  # type: ignore[misc]
        return await honest(sending)

    monkeypatch.setattr(Sending, "run", run)


async def published_in_spite_of_others(here: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, other = await here.user("ann"), await here.user("ann")
    Garden(root, 1).change(30)
    await ann.publish(root, PLACE)
    (root / "new").write_bytes(b"of here")
    with monkeypatch.context() as patched:
        meddling(patched, lambda number: other.write_file(f"{PLACE}/other-{number}", b"x"), times=2)
        done = await ann.publish(root, PLACE)
    assert await of_there(ann, PLACE, done.commit) == of_here(root)
    assert (done.rounds, done.walked, done.removed) == (3, True, 2)


async def test_what_others_do_meanwhile_is_noticed(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published_in_spite_of_others(here, tmp_path / "root", monkeypatch)


async def test_a_publish_without_expectation_is_found(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publishing_without_expectation(), pytest.raises(AssertionError):
        await published_in_spite_of_others(here, tmp_path / "root", monkeypatch)


@pytest.mark.parametrize(
    "what", ["through a name outside", "directory replaced", "mode", "attribute", "moved in it", "top moved"]
)
async def test_whatever_others_do_is_noticed(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    ann, other = await here.user("ann"), await here.user("ann")
    root = tmp_path / "root"
    Garden(root, 3).change(10)
    (root / "sub").mkdir()
    for name in ("file", "sub/one", "sub/two", "sub/three"):
        (root / name).write_bytes(b"x")
    await ann.publish(root, PLACE)
    await ann.link(f"{PLACE}/file", "/home/ann/outside")
    await ann.publish(root, PLACE)
    (root / "new").write_bytes(b"of here")

    async def meddle(number: int) -> None:
        match what:
            case "through a name outside":
                await other.write_file("/home/ann/outside", b"other")
            case "directory replaced":
                await other.rename(f"{PLACE}/sub", "/home/ann/sub")
                await other.copy_tree("/home/ann/sub", f"{PLACE}/sub")
                await other.write_file(f"{PLACE}/sub/one", b"y")
            case "mode":
                await other.chmod(f"{PLACE}/sub/one", 0o600)
            case "attribute":
                await other.set_xattr(f"{PLACE}/sub/one", b"user.a", b"b")
            case "moved in it":
                await other.rename(f"{PLACE}/sub/one", f"{PLACE}/sub/else")
            case _:
                await other.rename(PLACE, "/home/ann/former")
                await other.mkdir(PLACE)

    with monkeypatch.context() as patched:
        meddling(patched, meddle, times=1)
        done = await ann.publish(root, PLACE, yes=True)
    assert done.rounds == 2
    assert await of_there(ann, PLACE, done.commit) == of_here(root)


async def test_a_place_that_is_taken_meanwhile_is_noticed(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, other = await here.user("ann"), await here.user("ann")
    for number, files in enumerate((3, 1200)):
        root, place = tmp_path / f"root{number}", f"{PLACE}-{number}"
        root.mkdir()
        for name in range(files):
            (root / f"{name}").write_bytes(b"%d" % name)

        async def meddle(_: int, place: str = place) -> None:
            await other.write_file(f"{place}/0", b"theirs", parents=True)

        with monkeypatch.context() as patched:
            meddling(patched, meddle, times=1)
            done = await ann.publish(root, place)
        assert (done.rounds, done.walked) == (2, True)
        assert await of_there(ann, place, done.commit) == of_here(root)


async def test_whoever_never_stops_is_told_of(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, other = await here.user("ann"), await here.user("ann")
    root = tmp_path / "root"
    root.mkdir()
    for number in range(5):
        (root / f"{number}").write_bytes(b"x")
    await ann.publish(root, PLACE)
    (root / "new").write_bytes(b"of here")
    before = await of_there(ann, PLACE)
    meddling(monkeypatch, lambda _: other.touch(f"{PLACE}/busy"), times=100)
    with pytest.raises(VersionChanged, match=f"looked at {publishing.ROUNDS_MAX} times"):
        await ann.publish(root, PLACE)
    after = await of_there(ann, PLACE)
    assert after.pop(b"busy")
    assert after == before


async def test_many_rounds_beside_a_writer(here: Cluster, tmp_path: Path, seed: int) -> None:
    """Another client changes the directory at any moment; after each success all is as it is here."""
    dice = random.Random(seed)
    ann, other = await here.user("ann"), await here.user("ann")
    garden = Garden(tmp_path / "root", seed)
    garden.change(30)
    await ann.publish(tmp_path / "root", PLACE)

    async def write() -> None:
        number = 0
        while True:
            number += 1
            await SystemClock().sleep(dice.random() * 0.05)
            try:
                if dice.random() < 0.5:
                    await other.write_file(f"{PLACE}/other-{number}", b"x")
                else:
                    there = [path async for path, _ in other.walk(PLACE)]
                    await other.remove(dice.choice(there), recursive=True)
            except (CairnError, IndexError):
                continue

    writing = asyncio.create_task(write())
    looks = successes = 0
    try:
        while successes < ROUNDS:
            garden.change(dice.choice([0, 1, 5]))
            try:
                done = await ann.publish(tmp_path / "root", PLACE, yes=True)
            except VersionChanged:
                continue
            successes += 1
            looks += done.rounds
            assert await of_there(ann, PLACE, done.commit) == of_here(tmp_path / "root")
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert looks > ROUNDS, "nobody came between"


async def test_nobody_ever_sees_a_part(here: Cluster, tmp_path: Path, seed: int) -> None:
    """Readers look without pause while one state after the other is published: each look is one of them."""
    dice = random.Random(seed)
    ann, reader = await here.user("ann"), await here.user("ann")
    root = tmp_path / "root"
    states: dict[frozenset[tuple[bytes, str, int]], int] = {}

    def next_state() -> None:
        """Files of this number, in directories of it, and some of all numbers, as long as it is high."""
        number = len(states)
        for old in list(root.rglob("n*")):
            old.unlink()
        for place in range(dice.randrange(5, 40)):
            (root / f"d{place % 5}").mkdir(parents=True, exist_ok=True)
            (root / f"d{place % 5}" / f"n{number}-{place}").write_bytes(b"x" * number)
            (root / f"d{place % 5}" / "same").write_bytes(b"y" * number)
        now = (
            (name, kind, 0 if kind == "directory" else len(content))
            for name, (kind, _, content, _) in of_here(root).items()
        )
        states[frozenset(now)] = number

    next_state()
    await ann.publish(root, PLACE)

    async def look() -> frozenset[tuple[bytes, str, int]]:
        seen = reader.walk(PLACE)
        return frozenset([(path[len(PLACE) + 1 :], entry.kind, entry.size) async for path, entry in seen])

    looks, seen, over = 0, set(), asyncio.Event()

    async def look_on() -> None:
        nonlocal looks
        while not over.is_set():
            found = await look()
            assert found in states, "a look that is none of the states"
            looks += 1
            seen.add(states[found])

    looking = [asyncio.create_task(look_on()) for _ in range(2)]
    try:
        while looks < LOOKS and not any(task.done() for task in looking):
            next_state()
            await ann.publish(root, PLACE, yes=True)
    finally:
        over.set()
        await asyncio.gather(*looking)
    assert len(seen) > 2, f"{looks} looks saw too little"


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize("restless", [2, 99])
async def test_a_file_that_changes_while_it_is_read_is_read_again(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, restless: int
) -> None:
    ann = await here.user("ann")
    root = tmp_path / "root"
    os.mkdir(root)
    file = root / "file"
    file.write_bytes(b"0" * size)
    looks = 0

    def looked(before: os.stat_result, place: bytes) -> bool:
        nonlocal looks
        looks += 1
        if looks <= restless:
            Path(os.fsdecode(place)).write_bytes(b"%d" % (looks % 10) * size)
        return holds_still(before, os.lstat(place))

    for module in (publish_read, publish_send):
        monkeypatch.setattr(module, "is_still", looked)
    done = await ann.publish(root, PLACE)
    there = await ann.read_file(f"{PLACE}/file")
    if restless == 2:
        assert (done.skipped_count, there) == (0, file.read_bytes())
    else:
        assert [one.reason for one in done.skipped] == [
            "it changed while it was read: it is there as it was read"
        ]
        assert there in (b"%d" % number * size for number in range(10))
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    again = await ann.publish(root, PLACE)
    assert again.made is (restless != 2), "what never held still is not trusted"
    assert await of_there(ann, PLACE) == of_here(root)


def coarse(row: Known, status: os.stat_result) -> bool:
    """As where the file system's times are those of long moments: nearly all look the same."""
    moment_ns = 1_000 * 1_000_000_000
    return (row.inode, row.size, row.mtime_ns // moment_ns, row.ctime_ns // moment_ns) == (
        status.st_ino, status.st_size, status.st_mtime_ns // moment_ns, status.st_ctime_ns // moment_ns,
    )  # fmt: skip


async def published_twice_in_a_moment(here: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second content has the size and the times of the first."""
    monkeypatch.setattr(Known, "is_still", coarse)
    ann = await here.user("ann")
    os.mkdir(root)
    for content in (b"one", b"two"):
        (root / "file").write_bytes(content)
        await ann.publish(root, PLACE)
        assert await ann.read_file(f"{PLACE}/file") == content


async def test_a_file_that_changes_twice_in_a_moment_is_published_twice(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published_twice_in_a_moment(here, tmp_path / "root", monkeypatch)


async def test_trust_in_files_that_changed_just_now_is_found(
    here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trusting_files_that_changed_just_now(), pytest.raises(AssertionError):
        await published_twice_in_a_moment(here, tmp_path / "root", monkeypatch)


async def test_a_symlink_leads_to_what_is_published(here: Cluster, tmp_path: Path) -> None:
    """Where it leads elsewhere later, the record of before does not count."""
    ann = await here.user("ann")
    root = tmp_path / "root"
    os.mkdir(root)
    (root / "file").write_bytes(b"x")
    for name in ("one", "two"):
        await ann.mkdir(f"/home/ann/{name}")
    await ann.symlink("one", PLACE)
    await ann.publish(root, PLACE)
    await ann.remove(PLACE)
    await ann.symlink("/home/ann/two", PLACE)
    done = await ann.publish(root, PLACE)
    assert (done.made, done.walked) == (True, True)
    for name in ("one", "two"):
        assert await of_there(ann, f"/home/ann/{name}") == of_here(root)
    assert (await ann.lstat(PLACE)).kind == "symlink"
    await ann.symlink("loop", "/home/ann/loop")
    with pytest.raises(SymlinkLoop):
        await ann.publish(root, "/home/ann/loop")


async def test_an_empty_directory_is_published(here: Cluster, tmp_path: Path) -> None:
    ann = await here.user("ann")
    os.mkdir(tmp_path / "root", 0o750)
    for made in (True, False):
        done = await ann.publish(tmp_path / "root", "/home/ann/new/below")
        assert (done.made, done.added) == (made, 0)
    assert (await ann.stat("/home/ann/new/below")).mode == 0o750


async def test_most_of_what_is_there_is_not_removed_unasked(here: Cluster, tmp_path: Path) -> None:
    ann = await here.user("ann")
    root = tmp_path / "root"
    root.mkdir()
    for number in range(10):
        (root / f"{number}").write_bytes(b"x")
    first = await ann.publish(root, PLACE)
    for number in range(6):
        (root / f"{number}").unlink()
    (root / "new").write_bytes(os.urandom(100_000))
    for checksum in (False, True):
        with pytest.raises(RemovesMost, match="6 of the 10"):
            await ann.publish(root, PLACE, checksum=checksum)
    assert len(await of_there(ann, PLACE)) == 10
    told = await ann.publish(root, PLACE, dry_run=True)
    assert (told.removed, told.added, told.made, told.commit) == (6, 1, False, first.commit)
    assert len(await of_there(ann, PLACE)) == 10
    done = await ann.publish(root, PLACE, yes=True)
    assert (done.commit, done.removed) == (first.commit + 1, 6), "nothing was committed before"
