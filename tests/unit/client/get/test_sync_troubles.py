"""Syncing in trouble: interrupted, refused by the disk, on disks of other kinds; planted bugs are found."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.get.recording import Recording
from cairnfs.client.local.draft import Draft
from cairnfs.client.local.naming import Capabilities
from cairnfs.errors import CairnError
from cairnfs.testing import planted_client
from tests.unit.client.conftest import TREE, held
from tests.unit.client.foreign import mounted

MIB = 1024 * 1024
T = TREE


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
    went_on: list[int] = []
    go_on = Draft.go_on

    def told(draft: Draft, at: int) -> None:
        went_on.append(at)
        go_on(draft, at)

    monkeypatch.setattr(Draft, "go_on", told)
    await ann.sync_tree(T, local)
    assert (local / "long").read_bytes() == content
    assert went_on == [sum(came[:-1])]
    assert list(held(local)) == ["long"]


async def test_what_an_interrupted_one_left_goes_and_does_not_count(
    ann: Filesystem, source: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    local.mkdir()
    for number in range(3):
        (local / f".cairn-{number:016x}").write_bytes(b"half a fi")
    (local / f".cairn-{7:016x}").mkdir()
    (local / f".cairn-{7:016x}" / "trial").write_bytes(b"")
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
