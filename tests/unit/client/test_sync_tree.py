"""Syncing, with a real cluster in this process: exactly the remote tree, few requests, nothing lost."""

from __future__ import annotations

import errno
import os
import random
import stat
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from cairnfs.client.control import Control
from cairnfs.client.draft import Draft
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.local_naming import Capabilities
from cairnfs.client.recording import Recording
from cairnfs.errors import CairnError, NotADirectory, RemovesMost
from cairnfs.testing import planted_client
from cairnfs.testing.cluster import Cluster, cluster
from tests.unit.client.foreign import mounted

MIB = 1024 * 1024
T = "/home/ann/t"


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with cluster(fileservers=2, copies=2) as made:
        yield made


@pytest.fixture
async def ann(here: Cluster) -> Filesystem:
    return await here.user("ann")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often which endpoint of the control plane was asked."""
    counted: Counter[str] = Counter()
    honest = Control.ask

    async def ask(control: Control, endpoint: Any, *rest: Any, **options: Any) -> Any:
        counted[endpoint.name] += 1
        return await honest(control, endpoint, *rest, **options)

    monkeypatch.setattr(Control, "ask", ask)
    return counted


@pytest.fixture
async def source(ann: Filesystem, tmp_path: Path, seed: int) -> Path:
    """A local tree that is at T too."""
    dice = random.Random(seed)
    root = tmp_path / "source"
    for number in range(40):
        place = root / f"d{number % 4}" / f"f{number:02}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(dice.randbytes(dice.choice([0, 1, 500, 5000])) + b"%d" % number)
    (root / "d1" / "run").write_bytes(b"#!")
    (root / "d1" / "run").chmod(0o755)
    (root / "link").symlink_to("d1/run")
    (root / "empty").mkdir()
    await ann.put_tree(root, T)
    return root


def held(root: Path) -> dict[str, object]:
    """What is below a directory: kinds, content, where symlinks lead."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = os.fsencode(path.relative_to(root)).decode(errors="backslashreplace")
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


async def test_it_becomes_exactly_the_remote_one(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    first = await ann.sync_tree(T, local)
    assert held(local) == held(source)
    assert (first.added, first.changed, first.removed, first.here) == (len(held(source)), 0, 0, 0)
    (local / "d0" / "f00").write_bytes(b"edited")
    (local / "d1" / "f01").unlink()
    (local / "too" / "much").mkdir(parents=True)
    (local / "too" / "much" / "here").write_bytes(b"x")
    os.mkfifo(local / "pipe")
    (local / "link").unlink()
    (local / "link").symlink_to("elsewhere")
    again = await ann.sync_tree(T, local)
    assert held(local) == held(source)
    assert (again.added, again.changed, again.removed) == (1, 2, 4)
    assert again.received_bytes == sum((source / name).stat().st_size for name in ("d0/f00", "d1/f01"))


async def test_what_is_unchanged_costs_one_question_and_no_chunk(
    ann: Filesystem, source: Path, tmp_path: Path, asked: Counter[str]
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    before = {path: path.lstat().st_mtime_ns for path in (local, *local.rglob("*"))}
    asked.clear()
    done = await ann.sync_tree(T, local)
    assert (done.added, done.changed, done.removed, done.received_bytes) == (0, 0, 0, 0)
    assert asked == Counter(stat=1)
    # Other things happen in Cairn meanwhile: the log tells that nothing happened here.
    await ann.write_file("/home/ann/other", b"x")
    asked.clear()
    tree = await ann.get_tree(T, local)
    assert (tree.files, tree.unchanged, tree.received_bytes) == (41, 41, 0)
    assert asked == Counter(stat=1, diff=1)
    assert {path: path.lstat().st_mtime_ns for path in (local, *local.rglob("*"))} == before


async def test_only_what_changed_there_is_fetched(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    await ann.get_tree(T, local)
    await ann.write_file(f"{T}/d2/new", b"n" * 700)
    await ann.write_file(f"{T}/d1/run", b"c" * 300)
    await ann.remove(f"{T}/d3", recursive=True)
    done = await ann.sync_tree(T, local)
    assert (done.added, done.changed, done.removed, done.received_bytes) == (1, 1, 11, 1000)
    assert (local / "d1" / "run").read_bytes() == b"c" * 300
    assert not (local / "d3").exists()
    assert stat.S_IMODE((local / "d1" / "run").stat().st_mode) & 0o111


async def test_as_of_another_moment(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local, then = tmp_path / "local", (await ann.stat(T)).commit
    await ann.write_file(f"{T}/d0/f00", b"later")
    await ann.sync_tree(T, local)
    assert (local / "d0" / "f00").read_bytes() == b"later"
    done = await ann.sync_tree(T, local, at=then)
    assert (done.changed, done.commit) == (1, then)
    assert held(local) == held(source)


async def test_most_of_what_is_there_is_not_removed_unless_that_is_meant(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    (local / "d0" / "f00").write_bytes(b"mine")
    for number in range(60):
        (local / f"mine {number}").write_bytes(b"precious")
    before = held(local)
    with pytest.raises(RemovesMost, match="60 of the 107 names"):
        await ann.sync_tree(T, local)
    assert held(local) == before
    done = await ann.sync_tree(T, local, yes=True)
    assert done.removed == 60
    assert held(local) == held(source)


async def test_a_dry_run_tells_and_does_nothing(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    nothing_yet = await ann.sync_tree(T, local, dry_run=True)
    assert (nothing_yet.added, nothing_yet.dry, local.exists()) == (len(held(source)), True, False)
    await ann.sync_tree(T, local)
    assert (await ann.sync_tree(T, local, dry_run=True)).actions == ()
    (local / "d0" / "f00").write_bytes(b"edited")
    (local / "d1" / "f05").unlink()
    (local / "odd").mkdir()
    (local / "odd" / "one").write_bytes(b"")
    before = held(local)
    done = await ann.sync_tree(T, local, dry_run=True)
    assert [(action.what, action.path) for action in done.actions] == [
        ("changed", b"d0/f00"),
        ("added", b"d1/f05"),
        ("removed", b"odd"),
    ]
    assert (done.added, done.changed, done.removed, done.received_bytes) == (1, 1, 2, 0)
    assert held(local) == before


async def test_files_and_directories_give_way_to_each_other(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    (local / "d0" / "f00").unlink()
    (local / "d0" / "f00" / "in").mkdir(parents=True)
    (local / "d0" / "f00" / "in" / "it").write_bytes(b"x")
    (local / "link").unlink()
    (local / "link").mkdir()
    (local / "empty").rmdir()
    (local / "empty").write_bytes(b"a file")
    done = await ann.sync_tree(T, local)
    assert (done.changed, done.removed) == (3, 2)
    assert held(local) == held(source)


async def test_a_local_edit_is_noticed_whatever_its_size_and_time(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    victim = local / "d1" / "f13"
    await ann.sync_tree(T, local)
    status = victim.stat()
    victim.write_bytes(victim.read_bytes()[::-1] + b"")
    victim.write_bytes(bytes(status.st_size))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    await ann.sync_tree(T, local)
    assert held(local) == held(source)


@pytest.mark.parametrize("planted", [False, True])
async def test_checksum_trusts_nothing(ann: Filesystem, source: Path, tmp_path: Path, planted: bool) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    victim = local / "d1" / "f13"
    right = victim.read_bytes()
    victim.write_bytes(bytes(len(right)))
    with planted_client.trusting_sizes():
        if not planted:
            # What lstat cannot tell, since the disk rotted: reading tells.
            done = await ann.sync_tree(T, local, dry_run=True, checksum=True)
            assert [action.path for action in done.actions] == [b"d1/f13"]
            done = await ann.sync_tree(T, local, checksum=True)
            assert done.changed == 1
            assert victim.read_bytes() == right
        else:
            await ann.sync_tree(T, local)
            assert victim.read_bytes() != right, "the bug that is planted here was not found"


async def test_of_a_long_file_only_what_it_has_not_comes(ann: Filesystem, tmp_path: Path, seed: int) -> None:
    local = tmp_path / "local"
    content = random.Random(seed).randbytes(12 * MIB)
    await ann.write_file(f"{T}/long", content, parents=True)
    await ann.sync_tree(T, local)
    edited = content[: 5 * MIB] + b"in between" + content[5 * MIB :]
    await ann.write_file(f"{T}/long", edited)
    done = await ann.sync_tree(T, local)
    assert (local / "long").read_bytes() == edited
    assert 0 < done.received_bytes <= 4 * MIB
    # Without a record it is read, and found to be equal.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
        assert (await ann.sync_tree(T, local)).received_bytes == 0


async def test_a_long_file_goes_on_where_it_was_interrupted(
    ann: Filesystem, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "local"
    content = random.Random(seed).randbytes(12 * MIB)
    await ann.write_file(f"{T}/long", content, parents=True)
    honest, came = Draft.append, list[int]()

    def append(draft: Draft, part: bytes | int) -> None:
        assert isinstance(part, bytes)
        if sum(came) > 6 * MIB:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        came.append(len(part))
        honest(draft, part)

    monkeypatch.setattr(Draft, "append", append)
    with pytest.raises(OSError, match="Input/output"):
        await ann.sync_tree(T, local)
    monkeypatch.setattr(Draft, "append", honest)
    [left] = local.iterdir()
    assert left.name.startswith(".cairn-")
    with left.open("r+b") as damaged:
        damaged.truncate(sum(came) - 1)
    done = await ann.sync_tree(T, local)
    assert (local / "long").read_bytes() == content
    assert done.received_bytes == len(content) - sum(came[:-1])
    assert list(held(local)) == ["long"]


async def test_attributes_come_without_content(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    os.utime(source / "d0" / "f00", (1_000_000_000, 1_000_000_000))
    os.utime(source / "d0", (1_100_000_000, 1_100_000_000))
    await ann.put_tree(source, T, preserve=True)
    await ann.sync_tree(T, local)
    assert (local / "d0" / "f00").stat().st_mtime != 1_000_000_000
    for _ in range(2):
        (local / "d0" / "extra").write_bytes(b"x")
        done = await ann.sync_tree(T, local, preserve=True)
        assert (done.received_bytes, done.removed) == (0, 1)
        assert (local / "d0" / "f00").stat().st_mtime == 1_000_000_000
        assert (local / "d0").stat().st_mtime == 1_100_000_000
    (local / "d0" / "f00").touch()
    (local / "d0").touch()
    await ann.sync_tree(T, local, preserve=True)
    assert (local / "d0" / "f00").stat().st_mtime == 1_000_000_000
    assert (local / "d0").stat().st_mtime == 1_100_000_000
    await ann.chmod(f"{T}/d0/f00", 0o600)
    done = await ann.sync_tree(T, local, preserve=True)
    assert done.received_bytes == 0
    assert stat.S_IMODE((local / "d0" / "f00").stat().st_mode) == 0o600


async def test_names_of_one_file_stay_or_become_names_of_one_file(
    ann: Filesystem, tmp_path: Path, asked: Counter[str]
) -> None:
    source, local = tmp_path / "source", tmp_path / "local"
    (source / "d").mkdir(parents=True)
    (source / "a").write_bytes(b"shared")
    os.link(source / "a", source / "d" / "b")
    await ann.put_tree(source, T)
    await ann.sync_tree(T, local)
    assert (local / "a").samefile(local / "d" / "b")
    await ann.sync_tree(T, local)
    asked.clear()
    await ann.sync_tree(T, local)
    assert asked == Counter(stat=1)
    (local / "d" / "b").unlink()
    (local / "d" / "b").write_bytes(b"shared")
    await ann.sync_tree(T, local)
    assert (local / "a").samefile(local / "d" / "b")


async def test_what_an_interrupted_one_left_goes_and_does_not_count(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    local.mkdir()
    for number in range(3):
        (local / f".cairn-{number:016x}").write_bytes(b"half a fi")
    done = await ann.sync_tree(T, local)
    assert (done.removed, done.here) == (0, 0)
    assert held(local) == held(source)


BUGS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "none": nullcontext,
    "renamed before it is written": planted_client.taking_their_places_before_they_are_whole,
    "removed before all is there": planted_client.removing_before_all_else_is_there,
}


@pytest.mark.parametrize("bug", BUGS)
async def test_what_fails_on_the_way_leaves_each_file_old_or_new_and_removes_nothing(
    ann: Filesystem, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    old, new = held(local), held(source)
    for name in ("d0/f00", "d1/f01", "d2/f02", "d3/f03"):
        (local / name).write_bytes(b"old")
        old[name] = b"old"
    (local / "extra").write_bytes(b"mine")
    old["extra"] = b"mine"
    written = Counter[str]()
    honest = os.write

    def write(descriptor: int, content: bytes) -> int:
        written["all"] += len(content)
        if written["all"] > 1 and written["calls"] == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written["calls"] += 1
        return honest(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    with BUGS[bug](), pytest.raises(CairnError):
        await ann.sync_tree(T, local)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    now = held(local)
    right = set(now) == set(old) and all(now[name] in (old[name], new.get(name)) for name in now)
    assert right == (bug == "none"), "a bug that is planted has to be found, and nothing else"
    if right:
        await ann.sync_tree(T, local)
        assert held(local) == new


@pytest.mark.parametrize("folds", [False, True])
async def test_what_may_be_in_the_tree_under_another_name_stays(
    ann: Filesystem, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folds: bool
) -> None:
    local = tmp_path / "local"
    await ann.sync_tree(T, local)
    # As a system shows it that stores names in another form than they were given.
    os.link(local / "d0" / "f00", local / "d0" / "another form")
    here = Capabilities(folds_unicode=folds, renormalises=folds)
    monkeypatch.setattr(Capabilities, "probe", lambda _: here)
    (local / "d0" / "too much").write_bytes(b"x")
    await ann.sync_tree(T, local)
    assert (local / "d0" / "another form").exists() == folds
    assert not (local / "d0" / "too much").exists()


async def test_a_disk_of_coarse_times_hides_no_edit(
    ann: Filesystem, tmp_path: Path, asked: Counter[str]
) -> None:
    with mounted("vfat", tmp_path) as disk:
        await ann.write_file(f"{T}/d/f", b"right", parents=True)
        await ann.sync_tree(T, disk / "local")
        (disk / "local" / "d" / "f").write_bytes(b"wrong")
        done = await ann.sync_tree(T, disk / "local")
        assert (done.changed, (disk / "local" / "d" / "f").read_bytes()) == (1, b"right")
        asked.clear()
        await ann.sync_tree(T, disk / "local")
        assert asked == Counter(stat=1)


async def test_a_file_that_changes_as_it_comes_is_no_known_one(
    ann: Filesystem, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "local"
    victim = local / "d1" / "f05"
    honest = Recording.finish

    async def finish(recording: Recording) -> None:
        victim.write_bytes(b"edited at once")
        await honest(recording)

    with monkeypatch.context() as patch:
        patch.setattr(Recording, "finish", finish)
        await ann.sync_tree(T, local)
    assert victim.read_bytes() == b"edited at once"
    # Publishing goes by the same record: what is there is known to be there, whatever is here.
    done = await ann.publish(local, T)
    assert (done.added, done.changed, done.removed) == (0, 1, 0)
    victim.unlink()
    assert (await ann.publish(local, T)).removed == 1


async def test_a_file_is_no_place_for_a_tree(ann: Filesystem, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectory):
        await ann.sync_tree(T, tmp_path / "file")
    with pytest.raises(NotADirectory):
        await ann.sync_tree(f"{T}/d0/f00", tmp_path / "local")
