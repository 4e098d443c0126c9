"""Publishing trees that change at random: after each success the directory is exactly the local one.

What is there is photographed at the very commit that the publish tells of.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.testing.cluster import cluster
from tests.trees import Garden, of_here, of_there

PLACE = "/home/ann/site"
#: Stories and their rounds; CAIRN_PUBLISH_STORIES asks for more.
STORIES, ROUNDS = int(os.environ.get("CAIRN_PUBLISH_STORIES", "4")), 8


@pytest.fixture
async def ann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Filesystem]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with cluster(fileservers=1, copies=1) as here:
        yield await here.user("ann")


async def meddle(files: Filesystem, dice: random.Random) -> None:
    """Somebody changes something there."""
    there = [path async for path, _ in files.walk(PLACE)]
    match dice.randrange(5):
        case 0:
            await files.write_file(f"{PLACE}/intruder", dice.randbytes(10))
        case 1 if there:
            await files.remove(dice.choice(there), recursive=True)
        case 2 if there:
            await files.rename(dice.choice(there), f"{PLACE}/moved")
        case 3 if there:
            await files.touch(dice.choice(there), follow=False)
        case _:
            await files.mkdir(f"{PLACE}/made", parents=True)


async def times_there(files: Filesystem, at: int) -> dict[bytes, int]:
    return {path[len(PLACE) + 1 :]: entry.mtime_ns async for path, entry in files.walk(PLACE, at)}


def times_here(root: Path) -> dict[bytes, int]:
    top = os.fsencode(root)
    return {path: os.lstat(os.path.join(top, path)).st_mtime_ns for path in of_here(root)}


@pytest.mark.parametrize("story", range(STORIES))
async def test_what_is_published_is_exactly_what_is_here(
    ann: Filesystem, tmp_path: Path, seed: int, story: int
) -> None:
    dice = random.Random(seed + story)
    garden = Garden(tmp_path / "garden", seed + story, closed=story % 2 == 1)
    for _ in range(ROUNDS):
        garden.change(dice.choice([0, 1, 3, 20]))
        if dice.random() < 0.4:
            await ann.mkdir(PLACE, parents=True)
            await meddle(ann, dice)
        checksum, preserve = dice.random() < 0.2, dice.random() < 0.3
        done = await ann.publish(tmp_path / "garden", PLACE, yes=True, checksum=checksum, preserve=preserve)
        assert done.skipped_count == 0
        assert await of_there(ann, PLACE, done.commit) == of_here(tmp_path / "garden")
        if preserve:
            assert await times_there(ann, done.commit) == times_here(tmp_path / "garden")
        again = await ann.publish(tmp_path / "garden", PLACE, preserve=preserve)
        assert not again.made, "what is equal is left alone"
