"""The stream of changes over the wire: where it begins, what it tells whom, how it is taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.seam import Database
from cairnfs.net.event_stream import EventStream
from cairnfs.wire import codec, endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.commits import MakeSymlink, Remove, Rename
from cairnfs.wire.events import LAST_ID_HEADER, Event
from cairnfs.wire.history import Changes, ChangesRequest, LogReply, LogRequest
from tests.unit.control.plane import Plane, directory, empty_file, plane


@pytest.fixture
async def cluster(database: Database) -> AsyncIterator[Plane]:
    async with plane(database=database) as made:
        yield made


@pytest.fixture
async def ann(cluster: Plane) -> TokenReply:
    return await cluster.signup("ann")


@pytest.fixture
async def ben(cluster: Plane, ann: TokenReply) -> TokenReply:
    return await cluster.signup("ben")


def follow(
    cluster: Plane, who: TokenReply, path: str = "/home/ann", since: int | None = None, last_id: str = ""
) -> AbstractAsyncContextManager[EventStream]:
    headers = {LAST_ID_HEADER: last_id} if last_id else None
    calls = cluster.calls(who.token)
    return calls.events(endpoints.CHANGES, ChangesRequest(path=path, since=since), headers=headers)


def told(event: Event) -> list[str]:
    message = codec.decode(Changes, event.data)
    if event.event == "position":
        assert not message.changes
        return [f"position {message.commit}"]
    return [f"{message.commit} by {message.user}", *(f"{one.what} {one.path}" for one in message.changes)]


async def test_a_stream_says_where_it_begins_then_what_happens(cluster: Plane, ann: TokenReply) -> None:
    made = await cluster.commit(ann.token, directory("/home/ann/d"))
    async with follow(cluster, ann) as stream:
        assert told(await anext(stream)) == [f"position {made.commit}"]
        first = await cluster.commit(ann.token, empty_file("/home/ann/d/f"), message="a file")
        event = await anext(stream)
        assert (event.event, event.id) == ("commit", f"1.{first.commit}.0")
        message = codec.decode(Changes, event.data)
        assert (message.message, message.at_us, message.more) == ("a file", first.at_us, False)
        assert told(event) == [f"{first.commit} by ann", "created /home/ann/d/f"]
        second = await cluster.commit(ann.token, Rename(path="/home/ann/d", target="/home/ann/e"))
        assert told(await anext(stream)) == [f"{second.commit} by ann", "moved /home/ann/e"]


async def test_since_a_commit_and_after_an_event(cluster: Plane, ann: TokenReply) -> None:
    commits = [(await cluster.commit(ann.token, empty_file(f"/home/ann/{n}"))).commit for n in range(5)]
    async with follow(cluster, ann, since=commits[0]) as stream:
        assert told(await anext(stream)) == [f"position {commits[0]}"]
        events = [await anext(stream) for _ in commits[1:]]
    assert [event.id for event in events] == [f"1.{number}.0" for number in commits[1:]]
    for at, event in enumerate(events):
        async with follow(cluster, ann, since=commits[0], last_id=event.id) as stream:
            await anext(stream)
            assert [await anext(stream) for _ in events[at + 1 :]] == events[at + 1 :]


async def test_a_heartbeat_says_how_far_all_is_told_though_nothing_was(
    cluster: Plane, ann: TokenReply, ben: TokenReply
) -> None:
    async with follow(cluster, ben, "/home/ben") as stream:
        await anext(stream)
        hidden = [await cluster.commit(ann.token, empty_file(f"/home/ann/{n}")) for n in range(3)]
        following = asyncio.create_task(anext(stream))
        while not following.done():
            await cluster.clock.run(0.1)
            await SystemClock().sleep(0.005)  # for the database's thread
        assert told(following.result()) == [f"position {hidden[-1].commit}"]
        following = asyncio.create_task(anext(stream))
        while stream.told_at == float("-inf"):
            await cluster.clock.run(0.1)
            await SystemClock().sleep(0.005)
        assert not following.done()
        shown = await cluster.commit(ben.token, empty_file("/home/ben/f"))
        assert told(await following) == [f"{shown.commit} by ben", "created /home/ben/f"]


async def test_wrong_beginnings(cluster: Plane, ann: TokenReply, ben: TokenReply) -> None:
    newest = (await cluster.commit(ann.token, directory("/home/ann/d"))).commit
    cluster.database.write(lambda tx: tx.run("UPDATE clock SET horizon = ?", newest))
    for wrong, error in (
        ({"since": newest + 1}, e.NoSuchCommit),
        ({"since": newest - 1}, e.BeforeHorizon),
        ({"last_id": f"1.{newest}.1"}, e.BeforeHorizon),
        ({"last_id": f"2.{newest}.0"}, e.IncarnationChanged),
        ({"last_id": "x"}, e.BadRequest),
        ({"path": "/home/ann/.."}, e.BadName),
    ):
        with pytest.raises(error):
            async with follow(cluster, ann, **wrong) as stream:
                await anext(stream)
    with pytest.raises(e.Forbidden):
        async with follow(cluster, ben, "/home/ann/d") as stream:
            await anext(stream)


async def test_what_is_not_there_yet_and_what_a_symlink_leads_to(cluster: Plane, ann: TokenReply) -> None:
    await cluster.commit(ann.token, directory("/home/ann/d"), MakeSymlink(path="/home/ann/l", target="d"))
    async with follow(cluster, ann, "/home/ann/n/f") as early, follow(cluster, ann, "/home/ann/l") as linked:
        await anext(early)
        await anext(linked)
        await cluster.commit(ann.token, empty_file("/home/ann/d/x"), directory("/home/ann/n"))
        await cluster.commit(ann.token, empty_file("/home/ann/n/f"), empty_file("/home/ann/n/g"))
        assert told(await anext(linked))[1:] == ["created /home/ann/d/x"]
        assert told(await anext(early))[1:] == ["created /home/ann/n"]
        assert told(await anext(early))[1:] == ["created /home/ann/n/f"]


@pytest.mark.loud
async def test_a_stream_ends_with_the_server(cluster: Plane, ann: TokenReply) -> None:
    async with follow(cluster, ann) as stream:
        await anext(stream)
        await cluster.app.stop()
        with pytest.raises(e.Unavailable):
            await anext(stream)


async def log(cluster: Plane, who: TokenReply, path: str = "/", **options: object) -> LogReply:
    return await cluster.ask(endpoints.LOG, LogRequest(path=path, **options), who.token)  # type: ignore[arg-type]


async def test_the_log_newest_first_for_each_what_they_may_see(
    cluster: Plane, ann: TokenReply, ben: TokenReply
) -> None:
    await cluster.commit(ann.token, *[empty_file(f"/home/ann/{n}") for n in range(20)], message="many")
    await cluster.commit(ben.token, directory("/home/ben/d"))
    await cluster.commit(ann.token, Remove(path="/home/ann/3"), empty_file("/home/ann/n"))
    found = (await log(cluster, ann, "/home/ann")).commits
    assert [(one.user, one.message, one.counts) for one in found[:2]] == [
        ("ann", "", {"removed": 1, "created": 1}),
        ("ann", "many", {"created": 20}),
    ]
    assert [change.path for change in found[1].changes] == [f"/home/ann/{n}" for n in range(10)]
    assert (await log(cluster, ben)).commits[0].counts == {"created": 1}
    assert not any("/home/ann/" in one.path for c in (await log(cluster, ben)).commits for one in c.changes)
    with pytest.raises(e.Forbidden):
        await log(cluster, ben, "/home/ann/d")


async def test_what_another_process_on_the_same_database_commits(database: Database) -> None:
    async with plane(database=database) as cluster, plane(database=database) as other:
        ann = await cluster.signup("ann")
        async with follow(cluster, ann) as stream:
            await anext(stream)
            for number in range(3):
                made = await other.commit(ann.token, empty_file(f"/home/ann/{number}"))
                following = asyncio.create_task(anext(stream))
                async with asyncio.timeout(30):
                    while not following.done():
                        await cluster.clock.run(0.05)
                        await SystemClock().sleep(0.005)  # for the database's thread
                assert told(following.result()) == [f"{made.commit} by ann", f"created /home/ann/{number}"]
