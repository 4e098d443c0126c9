"""What a put keeps for its repetition is a help, and never in the way."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairnfs.client.caller import caller_of
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.put import stash
from cairnfs.client.put.detached import DetachedTree
from cairnfs.client.put.notes import Noted, PutNote
from cairnfs.client.put.stash import Stash
from cairnfs.errors import NoSuchTree
from cairnfs.ids import Path as CairnPath
from cairnfs.testing.cluster import Cluster, cluster

MIB = 1024 * 1024
HOME = "/home/ann"
TARGET = CairnPath(b"/home/ann/f")


@pytest.fixture
async def here(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr(stash, "KEPT_BYTES", 4 * MIB)
    async with cluster(fileservers=1) as made:
        yield made


@pytest.fixture
async def files(here: Cluster, tmp_path: Path) -> Filesystem:
    files = await here.user("ann")
    files.connection.notes = tmp_path / "notes"
    return files


async def note_of(files: Filesystem, tmp_path: Path) -> PutNote:
    caller = await caller_of(files.connection.control.tokens)
    assert caller is not None
    note = PutNote.open(tmp_path / "notes", caller, TARGET)
    assert note is not None
    return note


async def test_what_was_kept_is_not_sent_by_another_process(
    here: Cluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    content = random.Random(seed).randbytes(40 * MIB)

    async def broken_off() -> AsyncIterator[bytes]:
        yield content[: 36 * MIB]
        raise OSError("the pipe broke")

    with pytest.raises(OSError, match="the pipe broke"):
        await files.write_file(TARGET, broken_off())
    other = await here.user("ann")
    other.connection.notes = files.connection.notes
    written = await other.write_file(TARGET, content)
    # Of 36 MiB 8 were in the splitter at most, 16 on their way, and some not kept yet.
    assert written.sent_bytes <= len(content) - 4 * MIB
    assert await files.read_file(TARGET) == content
    assert list((tmp_path / "notes").iterdir()) == []


async def test_a_stash_that_cannot_be_kept_is_given_up(
    files: Filesystem, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    async def gone(*_: object, **__: object) -> None:
        raise NoSuchTree("it was given up")

    monkeypatch.setattr(DetachedTree, "extend", gone)
    content = random.Random(seed).randbytes(16 * MIB)
    assert (await files.write_file(TARGET, content)).sent_bytes == len(content)
    assert await files.read_file(TARGET) == content


async def test_a_note_of_trees_that_are_gone_costs_a_question(
    files: Filesystem, tmp_path: Path, seed: int
) -> None:
    note = await note_of(files, tmp_path)
    tree = await DetachedTree.begin(files.connection.control, TARGET)
    await tree.drop()
    for handle in (tree.handle, "bm90IGEgaGFuZGxl"):
        note.add(Noted(handle, pieces=True))
        note.add(Noted(handle, pieces=False))
    note.close()
    content = random.Random(seed).randbytes(8 * MIB)
    assert (await files.write_file(TARGET, content)).sent_bytes == len(content)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(content)
    assert (await files.put_tree(tmp_path / "d", f"{HOME}/d")).files == 1
    assert list((tmp_path / "notes").iterdir()) == []


async def test_a_second_put_to_the_same_place_goes_without(
    here: Cluster, files: Filesystem, tmp_path: Path, seed: int
) -> None:
    note = await note_of(files, tmp_path)
    content = random.Random(seed).randbytes(8 * MIB)
    assert (await files.write_file(TARGET, content)).sent_bytes == len(content)
    note.close()
    # What is not for this user is no help to them.
    bob = await here.user("bob")
    bob.connection.notes = files.connection.notes
    own = await Stash.begin(bob.connection, TARGET)
    assert len(own.known) == 0
    await own.close()
