"""What is read in several requests stays readable, however slowly, while retention gives up what is older."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest

from cairnfs.client import search
from cairnfs.client.filesystem import Filesystem
from cairnfs.client.pin import Pin
from cairnfs.errors import BeforeHorizon
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.cluster import Cluster, cluster
from cairnfs.wire import endpoints

Way = Callable[[Filesystem, int | None], AsyncGenerator[bytes, None]]


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    async with cluster(fileservers=2, copies=2, clock=ManualClock()) as made:
        yield made


@pytest.fixture
async def ann(here: Cluster) -> Filesystem:
    ann = await here.user("ann")
    for name in "abc":
        await ann.mkdir(f"/home/ann/{name}/in", parents=True)
    return ann


async def change(files: Filesystem) -> int:
    """One commit more; its number."""
    return (await files.write_file("/home/ann/a/f", b"x")).commit


async def forget_what_may_be(here: Cluster, ann: Filesystem) -> None:
    """Commits come and go until nothing is kept that nobody needs."""
    await (await here.admin()).set_retention(1_000_000)
    for _ in range(2):
        await here.run(12)
        await change(ann)
    await here.run(12)


async def by_walking(ann: Filesystem, at: int | None) -> AsyncGenerator[bytes, None]:
    async for path, _ in ann.walk("/home/ann", at):
        yield path


async def by_finding(ann: Filesystem, at: int | None) -> AsyncGenerator[bytes, None]:
    async for one in ann.find("/home/ann/a", at=at):
        yield one.raw_path()


@pytest.mark.parametrize("way", [by_walking, by_finding])
@pytest.mark.parametrize("past", [False, True])
async def test_the_pages_of_one_answer(
    here: Cluster, ann: Filesystem, monkeypatch: pytest.MonkeyPatch, way: Way, past: bool
) -> None:
    """Of the present, and of a commit that is older than what the session, which was there, needs."""
    monkeypatch.setattr(search, "FIND_ENTRIES_MAX", 2)
    first = await change(ann)
    await change(ann)
    reading = way(ann, first if past else None)
    found = [await anext(reading)]
    await forget_what_may_be(here, ann)
    found += [path async for path in reading]
    assert {b"/home/ann/a/in", b"/home/ann/a/f"} < set(found)
    await forget_what_may_be(here, ann)
    with pytest.raises(BeforeHorizon):
        await ann.stat("/home/ann", at=first)


async def test_one_page_needs_nothing(here: Cluster, ann: Filesystem) -> None:
    ben = await here.user("ben")
    assert [one.path async for one in ben.find("/", limit=1)] == ["/"]
    with Pin(ben.connection.sessions):
        pass
    assert (await ben.connection.control.ask(endpoints.STATUS)).sessions == 0
