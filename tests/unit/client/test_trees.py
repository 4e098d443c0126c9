"""Trees: every byte there and back, in few requests, whole commits, honest counts."""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.local import files as local_files
from cairnfs.client.local.files import Found
from cairnfs.client.put import tree as put_tree
from cairnfs.client.results import Progress, Skipped
from cairnfs.errors import Exists, Forbidden, IsADirectory, NoSpace, NotADirectory, NotFound
from cairnfs.testing.transport import Fault, FlakyTransport, seeded
from cairnfs.wire.commits import OPERATIONS_MAX
from tests.unit.client.conftest import MakeFilesystem
from tests.unit.client.fake_cluster import FakeCluster

MIB = 1024 * 1024


def grow(root: Path, seed: int, files: int = 60) -> dict[str, bytes]:
    """A tree of many sizes and odd names; what it holds."""
    dice = random.Random(seed)
    held: dict[str, bytes] = {}
    for number in range(files):
        directory = "/".join(f"d{dice.randrange(4)}" for _ in range(dice.randrange(4)))
        size = dice.choice([0, 1, 300, 5_000, 200_000])
        name = f"{directory}/{number} ü\n{os.fsdecode(bytes([0xFF]))}".lstrip("/")
        held[name] = dice.randbytes(size)
    held["long"] = dice.randbytes(3 * MIB + 17)
    for name, content in held.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "empty" / "deep").mkdir(parents=True)
    return held


def counted(told: Progress) -> tuple[object, ...]:
    """What is told but for rates, which depend on the machine."""
    return (told.files_done, told.files_total, told.bytes_done, told.bytes_total, told.phase)


def held_below(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_there_and_back(cluster: FakeCluster, files: Filesystem, tmp_path: Path, seed: int) -> None:
    held = grow(tmp_path / "from", seed)
    total = sum(map(len, held.values()))
    put = await files.put_tree(tmp_path / "from", "/tree")
    assert (put.files, put.bytes, put.commits, put.skipped_count) == (len(held), total, 1, 0)
    assert put.commit == 1
    assert put.sent_bytes <= total
    got = await files.get_tree("/tree", tmp_path / "to")
    assert (got.files, got.bytes, got.directories, got.commit) == (put.files, total, put.directories, 1)
    assert held_below(tmp_path / "to") == held
    assert (tmp_path / "to" / "empty" / "deep").is_dir()


async def test_many_small_files_are_few_requests_and_one_commit(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path
) -> None:
    for number in range(2300):
        (tmp_path / f"{number:04}").write_bytes(b"%d" % number)
    tree = await files.put_tree(tmp_path, "/many")
    # The tree's root is no operation: its detached tree is begun with it.
    assert (cluster.pages, cluster.commit_sizes) == ([999, 1000, 301], [1])
    assert (tree.commits, tree.commit, tree.files) == (1, 1, 2300)
    assert sum(len(server.puts) for server in cluster.servers) < 150
    for server in cluster.servers:
        # What is answered at once leaves nothing waiting that could go together.
        server.get_takes_s = 0.01
    await files.get_tree("/many", tmp_path / "back")
    assert len(list((tmp_path / "back").iterdir())) == 2300
    assert sum(len(server.gets) for server in cluster.servers) < 1500


async def test_the_target_is_exact_and_what_is_there_gets_new_versions(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"new")
    await files.write_file("/t/f", b"old", parents=True)
    await files.write_file("/t/stays", b"stays")
    await files.put_tree(tmp_path, "/t")
    assert await files.read_file("/t/f") == b"new"
    assert await files.read_file("/t/f", at=1) == b"old"
    assert await files.read_file("/t/stays") == b"stays"


async def test_modes_are_kept_and_times_on_request(files: Filesystem, tmp_path: Path) -> None:
    source = tmp_path / "from"
    source.mkdir()
    (source / "run").write_bytes(b"#!")
    (source / "run").chmod(0o750)
    os.utime(source / "run", (1_000_000_000, 1_000_000_000))
    await files.put_tree(source, "/t", preserve=True)
    assert (await files.stat("/t/run")).mtime_us == 1_000_000_000 * 1_000_000
    await files.get_tree("/t", tmp_path / "plain")
    await files.get_tree("/t", tmp_path / "kept", preserve=True)
    assert stat.S_IMODE((tmp_path / "plain" / "run").stat().st_mode) == 0o750
    assert (tmp_path / "plain" / "run").stat().st_mtime > 1_000_000_000
    assert (tmp_path / "kept" / "run").stat().st_mtime == 1_000_000_000


async def test_symlinks_are_put_as_such_and_what_is_no_file_is_told(
    files: Filesystem, tmp_path: Path
) -> None:
    (tmp_path / "real").write_bytes(b"bytes")
    for name, target in (("link", "real"), ("circle", "."), ("nowhere", "missing"), ("away", "/etc")):
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    tree = await files.put_tree(tmp_path, "/t")
    assert (tree.files, tree.symlinks, tree.skipped_count) == (1, 4, 1)
    assert [os.path.basename(skipped.path) for skipped in tree.skipped] == [b"pipe"]
    assert [await files.readlink(f"/t/{name}") for name in ("link", "away")] == [b"real", b"/etc"]
    got = await files.get_tree("/t", tmp_path / "back")
    assert (got.files, got.symlinks) == (1, 4)
    assert os.readlink(tmp_path / "back" / "nowhere") == "missing"


async def test_names_of_one_file_stay_names_of_one_file(files: Filesystem, tmp_path: Path) -> None:
    source = tmp_path / "from"
    (source / "d").mkdir(parents=True)
    (source / "a").write_bytes(b"shared")
    os.link(source / "a", source / "d" / "b")
    os.link(source / "a", tmp_path / "outside")
    put = await files.put_tree(source, "/t")
    assert (put.files, put.links, put.bytes) == (1, 1, 6)
    got = await files.get_tree("/t", tmp_path / "to")
    assert (got.files, got.links, got.bytes) == (1, 1, 6)
    assert (tmp_path / "to" / "a").samefile(tmp_path / "to" / "d" / "b")
    # Got once more over itself, it is the same.
    await files.get_tree("/t", tmp_path / "to")
    assert (tmp_path / "to" / "a").stat().st_nlink == 2
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["a", "d"]


async def test_what_goes_away_meanwhile_is_told(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("short", 5), ("long", 3 * MIB), ("stays", 7)):
        (tmp_path / name).write_bytes(b"x" * size)
    for name in ("emptied", "parent"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").write_bytes(b"x")
    found_by = local_files.scan

    def scan(root: bytes) -> Iterator[Found | Skipped]:
        for found in found_by(root):
            yield found
            if os.path.basename(found.path) in (b"short", b"long", b"inside"):
                os.unlink(found.path)
            elif isinstance(found, Found) and found.path.endswith(b"emptied"):
                shutil.rmtree(found.path)

    monkeypatch.setattr(put_tree, "scan", scan)
    tree = await files.put_tree(tmp_path, "/t")
    names = [skipped.path.removeprefix(os.fsencode(tmp_path)) for skipped in tree.skipped]
    assert sorted(names) == [b"/emptied", b"/long", b"/parent/inside", b"/short"]
    assert {skipped.reason for skipped in tree.skipped} == {"it went away meanwhile"}
    assert (tree.files, tree.directories, tree.skipped_count) == (1, 3, 4)
    assert [path async for path, _ in files.walk("/t")] == [b"/t/emptied", b"/t/parent", b"/t/stays"]


async def test_what_becomes_a_symlink_meanwhile_is_not_followed(
    files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(b"not to be read")
    source = tmp_path / "from"
    source.mkdir()
    for name, size in (("short", 5), ("long", 3 * MIB)):
        (source / name).write_bytes(b"x" * size)
    found_by = local_files.scan

    def scan(root: bytes) -> Iterator[Found | Skipped]:
        for found in found_by(root):
            yield found
            os.unlink(found.path)
            os.symlink(b"../secret", found.path)

    monkeypatch.setattr(put_tree, "scan", scan)
    tree = await files.put_tree(source, "/t")
    assert (tree.files, tree.skipped_count) == (0, 2)
    assert [path async for path, _ in files.walk("/t")] == []


async def test_a_whole_page_may_go_away(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(OPERATIONS_MAX + 5):
        (tmp_path / f"{number:05}").write_bytes(b"x")
    found_by = local_files.scan

    def scan(root: bytes) -> Iterator[Found | Skipped]:
        for number, found in enumerate(found_by(root), start=1):
            yield found
            if number >= OPERATIONS_MAX:
                os.unlink(found.path)

    monkeypatch.setattr(put_tree, "scan", scan)
    tree = await files.put_tree(tmp_path, "/t")
    assert (tree.files, tree.commits, tree.skipped_count) == (OPERATIONS_MAX - 1, 1, 6)
    assert cluster.pages == [OPERATIONS_MAX - 1]


async def test_a_tree_is_read_as_of_one_commit(files: Filesystem, tmp_path: Path) -> None:
    await files.write_file("/t/a", b"1", parents=True)
    first = await files.write_file("/t/b", b"1")
    await files.write_file("/t/a", b"2")
    await files.remove("/t/b")
    got = await files.get_tree("/t", tmp_path / "then", at=first.commit)
    assert got.commit == first.commit
    assert held_below(tmp_path / "then") == {"a": b"1", "b": b"1"}


async def test_progress_is_told_and_ends_with_all(files: Filesystem, tmp_path: Path, seed: int) -> None:
    held = grow(tmp_path / "from", seed)
    told: list[Progress] = []
    await files.put_tree(tmp_path / "from", "/t", progress=told.append)
    total = sum(map(len, held.values()))
    assert counted(told[-1]) == (len(held), len(held), total, total, "committing")
    told.clear()
    await files.get_tree("/t", tmp_path / "to", progress=told.append)
    assert counted(told[-1]) == (len(held), len(held), total, total, "receiving")


async def test_holders_that_restart_cost_an_upload_not_the_tree(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    held = grow(tmp_path / "from", seed)
    seen = 0

    async def restart() -> None:
        nonlocal seen
        seen += 1
        if seen == 4:
            for server in cluster.servers:
                server.boot = f"restarted {server.number}"

    cluster.on_put = restart
    tree = await files.put_tree(tmp_path / "from", "/t")
    assert tree.files == len(held)
    assert tree.bytes == sum(map(len, held.values()))
    await files.get_tree("/t", tmp_path / "to")
    assert held_below(tmp_path / "to") == held


async def test_a_faulty_network_changes_nothing(
    cluster: FakeCluster, connect: MakeFilesystem, tmp_path: Path, seed: int
) -> None:
    held = grow(tmp_path / "from", seed, files=30)
    faults = (Fault.UNREACHABLE, Fault.REPLY_LOST, Fault.CUT_REPLY, Fault.DUPLICATE)
    flaky = FlakyTransport(cluster.transport, seeded(seed, dict.fromkeys(faults, 0.05)))
    files = connect(transport=flaky)
    for turn in range(20):
        await files.put_tree(tmp_path / "from", f"/t{turn}")
        await files.get_tree(f"/t{turn}", tmp_path / f"to{turn}")
        assert held_below(tmp_path / f"to{turn}") == held
        if sum(flaky.counts.values()) >= 8:
            return
    pytest.fail(f"too few faults: {flaky.counts}")


async def test_one_file(files: Filesystem, tmp_path: Path, seed: int) -> None:
    local = tmp_path / "local"
    for size in (0, 5, 3 * MIB):
        data = random.Random(seed).randbytes(size)
        local.write_bytes(data)
        told: list[Progress] = []
        put = await files.put_file(local, "/d/f", parents=True, progress=told.append)
        assert (put.files, put.bytes, put.sent_bytes, put.commits) == (1, size, size, 1)
        assert counted(told[-1]) == (1, 1, size, size, "sending")
        got = await files.get_file("/d/f", tmp_path / "back", progress=told.append)
        assert (got.files, got.bytes, got.received_bytes, got.commit) == (1, size, size, put.commit)
        assert counted(told[-1]) == (1, 1, size, size, "receiving")
        assert (tmp_path / "back").read_bytes() == data


async def test_a_local_file_is_replaced_whole_or_not_at_all(
    cluster: FakeCluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    await files.write_file("/f", random.Random(seed).randbytes(4 * MIB))
    victim = cluster.tree[b"/f"].chunks[-1].hash
    for server in cluster.servers:
        server.chunks.pop(victim)
    (tmp_path / "f").write_bytes(b"mine")
    with pytest.raises(Exception, match="none has a good copy"):
        await files.get_file("/f", tmp_path / "f")
    assert held_below(tmp_path) == {"f": b"mine"}


async def test_what_is_no_regular_file_is_written_to(files: Filesystem, tmp_path: Path) -> None:
    await files.write_file("/f", b"down the drain")
    await files.get_file("/f", "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    await files.get_file("/f", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"down the drain"


async def test_an_open_file_is_written_on_and_not_replaced(files: Filesystem, tmp_path: Path) -> None:
    await files.write_file("/f", b"through the pipe")
    source, sink = os.pipe()
    await files.get_file("/f", f"/dev/fd/{sink}")
    os.close(sink)
    assert os.read(source, 100) == b"through the pipe"
    os.close(source)
    with (tmp_path / "log").open("ab", buffering=0) as log:
        log.write(b"before, ")
        await files.get_file("/f", f"/dev/fd/{log.fileno()}")
        log.write(b", after")
    assert held_below(tmp_path) == {"log": b"before, through the pipe, after"}


async def test_local_trouble_has_cairns_errors(files: Filesystem, tmp_path: Path) -> None:
    await files.write_file("/f", b"x")
    await files.mkdir("/d")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotFound):
        await files.put_tree(tmp_path / "missing", "/t")
    with pytest.raises(NotADirectory):
        await files.put_tree(tmp_path / "file", "/t")
    with pytest.raises(IsADirectory):
        await files.put_file(tmp_path, "/t")
    with pytest.raises(NotADirectory):
        await files.get_tree("/f", tmp_path / "x")
    with pytest.raises(IsADirectory):
        await files.get_file("/f", tmp_path)
    with pytest.raises((NotADirectory, Exists)):
        await files.get_tree("/d", tmp_path / "file" / "below")
    with pytest.raises(NotFound) as caught:
        await files.get_file("/f", tmp_path / "missing" / "f")
    assert caught.value.path == str(tmp_path / "missing" / "f")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0)
        with pytest.raises(Forbidden):
            await files.get_file("/f", tmp_path / "closed" / "f")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
async def test_a_full_local_disk_is_no_space(files: Filesystem) -> None:
    await files.write_file("/f", b"x")
    with pytest.raises(NoSpace):
        await files.get_file("/f", "/dev/full")
