"""Looking back and following through a client, on a whole cluster in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from cairnfs import errors as e
from cairnfs.client import history
from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import CairnError
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire.history import Changes


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    async with cluster(fileservers=1) as made:
        yield made


@pytest.fixture
async def ann(here: Cluster) -> Filesystem:
    return await here.user("ann")


async def test_the_log_a_history_and_a_diff(ann: Filesystem) -> None:
    first = await ann.mkdir("/home/ann/d")
    for number in range(5):
        await ann.write_file("/home/ann/d/f", b"x" * number)
    await ann.rename("/home/ann/d/f", "/home/ann/d/g")
    last = await ann.remove("/home/ann/d/g")
    log = [one async for one in history.log(ann.connection, "/home/ann/d", limit=3)]
    assert [one.counts for one in log] == [{"removed": 1}, {"moved": 1}, {"written": 1}]
    assert len([one async for one in history.log(ann.connection, "/home/ann/d", last.commit - 1)]) == 9
    past = [one async for one in history.history(ann.connection, "/home/ann/d/f")]
    assert [one.what for one in past] == ["moved", "written", "written", "written", "written", "created"]
    assert past[0].raw_to_path() == b"/home/ann/d/g"
    short = [one async for one in history.history(ann.connection, "/home/ann/d/f", limit=2)]
    assert short == past[:2]
    differences = [one async for one in history.diff(ann.connection, first.commit, last.commit - 1)]
    assert [(one.what, one.path) for one in differences] == [("added", "/home/ann/d/g")]
    assert [one async for one in history.diff(ann.connection, first.commit, None)] == []
    for refused in (
        history.history(ann.connection, "/home/ann/never"),
        history.diff(ann.connection, 1, 2, "/home/ann/never"),
    ):
        with pytest.raises(e.NotFound):
            await anext(refused)


async def test_a_watcher_that_was_away_misses_nothing(here: Cluster, ann: Filesystem) -> None:
    """The control plane is stopped and started under it, while the world goes on in between."""
    told: asyncio.Queue[Changes] = asyncio.Queue()
    heard: list[str] = []

    def lost(error: CairnError) -> None:
        heard.append("lost")

    async def watch(watcher: Filesystem) -> None:
        following = history.changes(
            watcher.connection, "/home/ann", start, lost=lost, found=lambda: heard.append("found")
        )
        async with aclosing(following) as events:
            async for event in events:
                told.put_nowait(event)

    start = (await ann.mkdir("/home/ann/d")).commit
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        watching = group.create_task(watch(await here.user("ann")))
        for round_ in range(3):
            paths = [f"/home/ann/d/{round_}-{n}" for n in range(3)]
            made = [(await ann.write_file(path, b"x")).commit for path in paths]
            events = [await told.get() for _ in made]
            assert [event.commit for event in events] == made
            assert [one.path for event in events for one in event.changes] == paths
            if round_ < 2:
                await here.stop_control()
                await here.start_control()
        watching.cancel()
    assert told.empty()
    assert heard.count("lost") == heard.count("found") == 2


async def test_positions_say_how_far_all_is_told(here: Cluster, ann: Filesystem) -> None:
    start = (await ann.mkdir("/home/ann/d")).commit
    async with aclosing(history.changes(ann.connection, "/home/ann/d", positions=True)) as events:
        first = await anext(events)
        assert (first.commit, first.changes, first.at_us) == (start, [], None)
        beside = await (await here.admin()).mkdir("/beside")
        async with asyncio.timeout(30):
            assert (await anext(events)).commit == beside.commit


async def test_wrong_beginnings(ann: Filesystem) -> None:
    newest = (await ann.mkdir("/home/ann/d")).commit
    for since, error in ((newest + 1000, e.NoSuchCommit), (-1, e.BadRequest)):
        async with aclosing(history.changes(ann.connection, "/", since)) as events:
            with pytest.raises(error):
                await anext(events)
