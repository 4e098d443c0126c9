"""Leases of locks on a whole cluster in this process, under a clock that is moved by hand.

Who holds a lock stops before another may begin: cut off from the cluster, asleep, or frozen with its own
checks switched off, when it is the cluster that refuses.
"""

# ruff: noqa: PT012 -- it is bodies that are tested

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from cairnfs.client.filesystem import Filesystem
from cairnfs.client.locks.held import Holding
from cairnfs.errors import LockLost
from cairnfs.net.transport import Request, Transport
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.cluster import Cluster
from cairnfs.testing.cluster import cluster as real_cluster
from cairnfs.testing.transport import Fault, FlakyTransport

F = "/home/ann/f"


class Scene:
    """A cluster, Ann who can be cut off from it, and another client of hers who cannot."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.cut = False
        self.here: Cluster
        self.ann: Filesystem
        self.other: Filesystem
        self._wrapped = False

    def wrap(self, transport: Transport, party: str) -> Transport:
        """Only the first client that is made can be cut off."""
        if party != "client" or self._wrapped or not hasattr(self, "here"):
            return transport
        self._wrapped = True
        return FlakyTransport(transport, self._plan, clock=self.clock)

    def _plan(self, _: Request) -> Fault | None:
        return Fault.UNREACHABLE if self.cut else None

    async def run(self, seconds: float) -> None:
        await self.here.run(seconds)

    async def ended(self, task: asyncio.Task[object], limit_s: float = 60.0) -> float:
        """Let time pass until a task has ended. When that was."""

        async def done() -> bool:
            return task.done()

        await self.here.until(done, limit_s=limit_s)
        return self.clock.monotonic()


@pytest.fixture
async def scene(clock: ManualClock) -> AsyncIterator[Scene]:
    made = Scene(clock)
    async with real_cluster(fileservers=1, clock=clock, wrap=made.wrap) as here:
        made.here = here
        made.ann, made.other = await here.user("ann"), await here.user("ann")
        await made.other.write_file(F, b"old")
        yield made
        made.cut = False


async def hold(files: Filesystem, taken: list[float]) -> None:
    """Take the lock and keep it until it is lost."""
    async with files.lock(F):
        taken.append(files.connection.clock.monotonic())
        await asyncio.Event().wait()


async def take(files: Filesystem) -> float:
    """Wait for the lock. When it was granted."""
    async with files.lock(F):
        granted = files.connection.clock.monotonic()
        await files.write_file(F, b"new")
    return granted


async def test_a_lock_is_kept_as_long_as_its_session_is_renewed(scene: Scene) -> None:
    async with scene.ann.lock(F) as lock:
        await scene.run(120)
        lock.check()
        await scene.ann.write_file(F, b"mine")
    assert await scene.other.read_file(F) == b"mine"


async def test_who_is_cut_off_stops_before_another_begins(scene: Scene) -> None:
    taken: list[float] = []
    holder = asyncio.create_task(hold(scene.ann, taken))
    await scene.run(7)
    waiter = asyncio.create_task(take(scene.other))
    await scene.run(1)
    assert len(taken) == 1
    scene.cut = True
    lost_at = await scene.ended(holder)
    with pytest.raises(LockLost, match="not be renewed in time"):
        await holder
    assert not waiter.done()
    await scene.ended(waiter)
    granted_at = await waiter
    assert lost_at < granted_at <= scene.clock.monotonic()
    assert granted_at - 8 <= 20, "a lock is free 20 s after its holder was last heard of"


async def test_while_nothing_is_known_writes_wait_and_then_go_on(scene: Scene) -> None:
    async with scene.ann.lock(F):
        await scene.run(5.5)
        scene.cut = True
        await scene.run(11)
        writing = asyncio.create_task(scene.ann.mkdir("/home/ann/d"))
        await asyncio.sleep(0.02)
        assert not writing.done()
        scene.cut = False
        await scene.ended(writing)
        await writing


async def test_a_machine_that_slept_has_lost_its_locks(scene: Scene) -> None:
    """Before anybody has told it, and before it does anything more."""
    with pytest.raises(LockLost):
        async with scene.ann.lock(F) as lock:
            scene.clock.suspend(16)
            assert lock.lost
            await scene.ann.write_file(F, b"mine")
    assert await scene.other.read_file(F) == b"old"


@contextmanager
def trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A client that looks at no clock and believes no word: it goes on whatever has become of its lock."""

    async def ready(_: Holding) -> None:
        return

    with monkeypatch.context() as planted:
        planted.setattr(Holding, "lost", False)
        planted.setattr(Holding, "lose", lambda *_: None)
        planted.setattr(Holding, "ready", ready)
        yield


async def test_without_its_own_checks_it_is_the_cluster_that_refuses(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trusting(monkeypatch):
        body = scene.ann.lock(F)
        await body.__aenter__()
        scene.cut = True
        waiter = asyncio.create_task(take(scene.other))
        await scene.ended(waiter)
        scene.cut = False
        for attempt in (
            lambda: scene.ann.write_file(F, b"stale"),
            lambda: scene.ann.write_file(F, bytes(2_000_000)),
            lambda: scene.ann.mkdir("/home/ann/elsewhere"),
            lambda: scene.ann.remove(F),
            lambda: scene.ann.copy_tree("/home/ann", "/home/ann/copy"),
        ):
            with pytest.raises(LockLost):
                await attempt()
        with pytest.raises(LockLost):
            await body.__aexit__(None, None, None)
    assert await scene.other.read_file(F) == b"new"


async def test_the_control_plane_may_be_away_for_less_than_a_lease(scene: Scene) -> None:
    async with scene.ann.lock(F) as lock:
        await scene.run(6)
        await scene.here.stop_control()
        await scene.run(8)
        await scene.here.start_control()
        await scene.run(30)
        lock.check()
        await scene.ann.write_file(F, b"mine")
    assert await scene.other.read_file(F) == b"mine"


async def test_a_waiter_outlives_the_control_plane(scene: Scene) -> None:
    taken = asyncio.Event()
    end = asyncio.Event()

    async def holding() -> None:
        async with scene.other.lock(F):
            taken.set()
            await end.wait()

    holder = asyncio.create_task(holding())
    await taken.wait()
    waiter = asyncio.create_task(take(scene.ann))
    await scene.run(2)
    await scene.here.stop_control()
    await scene.run(6)
    await scene.here.start_control()
    end.set()
    await scene.ended(waiter, limit_s=20)
    await waiter
    await holder
