"""How the body of a lock ends when the lock is lost, or broken; asynchronous."""

# ruff: noqa: PT012 -- it is bodies that are tested

from __future__ import annotations

import asyncio

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.errors import LockLost
from tests.unit.client.locks.conftest import until
from tests.unit.client.locks.fake_locks import FakeLocks


async def test_a_lock_whose_session_ends_ends_its_body(cluster: FakeLocks, files: Filesystem) -> None:
    cluster.times = (50, 100, 150)
    with pytest.raises(LockLost, match="session is over"):
        async with files.lock("/f") as lock:
            cluster.end(cluster.acquired[0].session)
            await asyncio.sleep(10)
    assert lock.lost
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_lease_that_cannot_be_renewed_ends_the_body_in_time(
    cluster: FakeLocks, files: Filesystem
) -> None:
    cluster.times = (50, 100, 150)
    loop = asyncio.get_running_loop()
    with pytest.raises(LockLost):
        async with files.lock("/f"):
            cluster.gates["renew_session"] = asyncio.Event()
            began = loop.time()
            await asyncio.sleep(10)
    assert loop.time() - began < 1
    cluster.gates["renew_session"].set()


async def test_of_nested_bodies_the_outermost_says_that_they_are_lost(
    cluster: FakeLocks, files: Filesystem
) -> None:
    cluster.times = (50, 100, 150)
    seen: list[str] = []
    try:
        async with files.lock("/f"):
            try:
                async with files.lock("/g"):
                    try:
                        cluster.end(cluster.acquired[0].session)
                        await asyncio.sleep(10)
                    except asyncio.CancelledError:
                        seen.append("cancelled")
                        raise
            except asyncio.CancelledError:
                seen.append("still")
                raise
    except LockLost:
        seen.append("lost")
    assert seen == ["cancelled", "still", "lost"]


async def test_a_cancellation_from_outside_stays_one(cluster: FakeLocks, files: Filesystem) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with files.lock("/f"):
            inside.set()
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not cluster.rows)


async def test_both_at_once_is_a_cancellation(cluster: FakeLocks, files: Filesystem) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with files.lock("/f"):
            inside.set()
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await inside.wait()
    [holding] = files.connection.locks._held
    holding.lose("as a test")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_inside_and_one_outside_are_still_timeouts(
    cluster: FakeLocks, files: Filesystem
) -> None:
    async with files.lock("/f"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), files.lock("/f"):
            await asyncio.sleep(10)
    assert cluster.rows == {}


async def test_nothing_more_is_committed_under_a_lost_lock(cluster: FakeLocks, files: Filesystem) -> None:
    refused: list[str] = []
    with pytest.raises(LockLost):
        async with files.lock("/f"):
            [holding] = files.connection.locks._held
            child = asyncio.create_task(_later(files, refused))
            asyncio.get_running_loop().call_soon(holding.lose, "as a test")
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                with pytest.raises(LockLost):
                    await files.mkdir("/d")
                raise
    await child
    assert refused == ["as a test"]
    assert cluster.shown == []


async def _later(files: Filesystem, refused: list[str]) -> None:
    await asyncio.sleep(0.05)
    try:
        await files.mkdir("/e")
    except LockLost as error:
        refused.append(error.detail)


async def test_what_outlives_the_body_cannot_commit_in_its_name(
    cluster: FakeLocks, files: Filesystem
) -> None:
    refused: list[str] = []
    async with files.lock("/f"):
        child = asyncio.create_task(_later(files, refused))
    await child
    assert "was released" in refused[0]
    assert cluster.shown == []


async def test_no_new_session_takes_the_place_of_the_lost_one_in_the_body(
    cluster: FakeLocks, files: Filesystem
) -> None:
    async def other() -> None:
        await files.write_file("/g", b"x")

    with pytest.raises(LockLost):
        async with files.lock("/f"):
            [holding] = files.connection.locks._held
            holding.hold.end("as a test")
            with pytest.raises(LockLost):
                await files.connection.sessions.hold()
            with pytest.raises(LockLost):
                await files.lock("/g").__aenter__()
    assert cluster.calls["begin_session"] == 1
    await other()
    assert cluster.calls["begin_session"] == 2


async def test_a_lock_that_the_cluster_knows_no_more_ends_the_body_at_the_next_commit(
    cluster: FakeLocks, files: Filesystem
) -> None:
    with pytest.raises(LockLost):
        async with files.lock("/f"):
            await files.break_lock(cluster.held()[0], "as a test")
            await files.mkdir("/f")


async def test_of_several_the_one_that_was_broken_is_found(cluster: FakeLocks, files: Filesystem) -> None:
    with pytest.raises(LockLost, match="/g"):
        async with files.lock("/f") as outer, files.lock("/g") as inner:
            cluster.drop(inner.id)
            child = asyncio.create_task(_later(files, []))
            await asyncio.wait([child])
            await asyncio.sleep(10)
    assert outer.lost


async def test_breaking_is_noticed_without_a_commit(
    cluster: FakeLocks, files: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairnfs.client.locks.desk.LOOK_EVERY_S", 0.02)
    with pytest.raises(LockLost, match="broken"):
        async with files.lock("/f") as lock:
            cluster.drop(lock.id)
            await asyncio.sleep(10)


async def test_breaking_is_noticed_at_the_end_at_the_latest(cluster: FakeLocks, files: Filesystem) -> None:
    with pytest.raises(LockLost, match="before its body ended"):
        async with files.lock("/f") as lock:
            cluster.drop(lock.id)
    with pytest.raises(ZeroDivisionError):
        async with files.lock("/f") as lock:
            cluster.drop(lock.id)
            raise ZeroDivisionError
