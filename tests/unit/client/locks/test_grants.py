"""Waiting for grants: one stream for all, long polls without it, looks now and then."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.locks import grants
from cairnfs.errors import CairnError, Forbidden, LockLost, Unreachable
from tests.unit.client.locks.conftest import until
from tests.unit.client.locks.fake_locks import FakeLocks


async def enter(files: Filesystem, path: str = "/f") -> int:
    """Take a lock and give it back. Its number."""
    async with files.lock(path) as lock:
        return lock.id


async def test_a_grant_that_overtakes_the_answer_is_heard(cluster: FakeLocks, files: Filesystem) -> None:
    """The stream is open already, for somebody else who waits."""
    cluster.hold("/g")
    other = asyncio.create_task(enter(files, "/g"))
    await until(lambda: cluster.streams == 1)
    first = cluster.hold("/f")
    gate = cluster.gates["acquire_lock"] = asyncio.Event()
    asker = asyncio.create_task(enter(files))
    await until(lambda: len(cluster.waiting()) == 2)
    # The answer that it waits is made by now, or will be that it is held; both are right.
    cluster.drop(first)
    await asyncio.sleep(0.02)
    gate.set()
    await asker
    assert cluster.calls["wait_lock"] == 0
    other.cancel()


async def test_a_grant_before_the_stream_is_open_is_heard(cluster: FakeLocks, files: Filesystem) -> None:
    await enter(files)
    number = cluster.hold("/f")
    begin = cluster.lock_events

    async def late(*rest: object) -> object:
        cluster.drop(number)
        return await begin(*rest)  # type: ignore[arg-type]

    cluster.lock_events = late  # type: ignore[assignment, method-assign]
    await enter(files)
    assert cluster.since[0] > 0
    assert cluster.calls["wait_lock"] == 0


async def test_a_grant_is_heard_though_a_later_one_is_known(cluster: FakeLocks, files: Filesystem) -> None:
    """The stream begins where the asking began, not with what is known by then."""
    await enter(files)
    first = cluster.hold("/f")
    gate = cluster.gates["acquire_lock"] = asyncio.Event()
    asker = asyncio.create_task(enter(files))
    await until(lambda: len(cluster.waiting()) == 1)
    del cluster.gates["acquire_lock"]
    cluster.drop(first)
    await enter(files, "/g")
    gate.set()
    await asker
    assert cluster.calls["wait_lock"] == 0


@pytest.mark.parametrize("error", [Unreachable("no streams here"), Forbidden("no streams here")])
async def test_without_a_stream_waiters_ask_by_themselves(
    cluster: FakeLocks, files: Filesystem, error: CairnError
) -> None:
    cluster.no_streams = error
    first = cluster.hold("/f")
    waiter = asyncio.create_task(enter(files))
    await until(lambda: cluster.calls["wait_lock"] == 1)
    cluster.drop(first)
    await waiter
    assert cluster.calls["wait_lock"] == 1


async def test_once_there_is_a_stream_again_nobody_asks_by_themselves(
    cluster: FakeLocks, files: Filesystem
) -> None:
    cluster.no_streams = Unreachable("no streams here")
    first, second = cluster.hold("/f"), cluster.hold("/g")
    waiter = asyncio.create_task(enter(files))
    await until(lambda: cluster.calls["wait_lock"] == 1)
    cluster.no_streams = None
    await until(lambda: cluster.streams == 1)
    cluster.drop(first)
    await waiter
    waiter = asyncio.create_task(enter(files, "/g"))
    await until(lambda: len(cluster.waiting()) == 1)
    cluster.drop(second)
    await waiter
    assert cluster.calls["wait_lock"] == 1


async def test_an_event_that_never_came_does_not_make_one_wait_for_ever(
    cluster: FakeLocks, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "TURN_S", 0.01)
    monkeypatch.setattr(grants, "LOOK_FIRST_S", 0.05)
    cluster.silent = True
    first = cluster.hold("/f")
    waiter = asyncio.create_task(enter(files))
    await until(lambda: cluster.calls["wait_lock"] > 0)
    cluster.drop(first)
    await waiter


async def test_a_request_that_is_broken_is_waited_for_no_longer(
    cluster: FakeLocks, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "TURN_S", 0.01)
    monkeypatch.setattr(grants, "LOOK_FIRST_S", 0.05)
    cluster.hold("/f")
    waiter = asyncio.create_task(enter(files))
    await until(lambda: len(cluster.waiting()) == 1)
    cluster.drop(cluster.waiting()[0])
    with pytest.raises(LockLost, match="taken back"):
        await waiter


async def test_the_stream_ends_when_nobody_has_waited_for_a_while(
    cluster: FakeLocks, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "TURN_S", 0.01)
    monkeypatch.setattr(grants, "LINGER_S", 0.05)
    for again in range(2):
        first = cluster.hold("/f")
        waiter = asyncio.create_task(enter(files))
        await until(lambda: cluster.streams == 1)
        cluster.drop(first)
        await waiter
        await until(lambda: cluster.streams == 0)
        assert cluster.calls["lock_events"] == again + 1


async def test_many_wait_at_once(cluster: FakeLocks, files: Filesystem) -> None:
    """Each for its own path, all over one stream."""
    numbers = [cluster.hold(f"/f{number}") for number in range(50)]
    waiters = [asyncio.create_task(enter(files, f"/f{number}")) for number in range(50)]
    await until(lambda: len(cluster.waiting()) == 50)
    for number in numbers:
        cluster.drop(number)
    await asyncio.gather(*waiters)
    assert cluster.calls["lock_events"] == 1
    assert cluster.rows == {}


async def test_whoever_begins_to_wait_while_the_stream_is_being_closed_is_looked_after(
    cluster: FakeLocks, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "TURN_S", 0.01)
    monkeypatch.setattr(grants, "LINGER_S", 0.05)
    monkeypatch.setattr(grants, "LOOK_FIRST_S", 0.05)
    closing, closed = asyncio.Event(), asyncio.Event()
    follow = grants.Grants._follow

    async def slow_to_end(self: grants.Grants) -> None:
        try:
            await follow(self)
        except asyncio.CancelledError:
            closing.set()
            await closed.wait()
            raise

    monkeypatch.setattr(grants.Grants, "_follow", slow_to_end)
    first = cluster.hold("/f")
    waiter = asyncio.create_task(enter(files))
    await until(lambda: cluster.streams == 1)
    cluster.drop(first)
    await waiter
    await closing.wait()
    cluster.silent = True
    second = cluster.hold("/g")
    waiter = asyncio.create_task(enter(files, "/g"))
    await until(lambda: len(cluster.waiting()) == 1)
    closed.set()
    await until(lambda: cluster.calls["wait_lock"] > 0)
    cluster.drop(second)
    await waiter
