"""Room for bodies: who dawdles while others wait has to go; alone one may take one's time."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.errors import Busy
from cairnfs.fileserver.room import GRACE_S, HELD_MAX_BYTES, PACE_BYTES_S, Guest, Room
from cairnfs.testing.clock import ManualClock


class Upload:
    """A put whose body arrives when the test says so."""

    def __init__(self, room: Room, size: int = HELD_MAX_BYTES) -> None:
        self.guest: Guest | None = None
        self.arrived = asyncio.Event()
        self.task = asyncio.create_task(self._run(room, size))

    async def _run(self, room: Room, size: int) -> str:
        async with room.hold(size) as guest:
            self.guest = guest
            await self.arrived.wait()
            guest.arrived = True
            return "stored"


async def steps(clock: ManualClock, seconds: float) -> None:
    """Let so much time pass, and whoever has something to do then do it."""
    for _ in range(round(seconds * 2)):
        await clock.run(0.5)
        await asyncio.sleep(0)


async def test_whoever_falls_silent_gives_way_to_whoever_waits() -> None:
    clock = ManualClock()
    room = Room(clock)
    silent, patient = Upload(room), Upload(room)
    await steps(clock, GRACE_S - 1)
    assert not silent.task.done()
    await steps(clock, 3)
    with pytest.raises(Busy):
        await silent.task
    patient.arrived.set()
    assert await patient.task == "stored"


async def test_alone_one_may_be_as_slow_as_one_likes() -> None:
    clock = ManualClock()
    room = Room(clock)
    slow = Upload(room)
    await steps(clock, 60)
    slow.arrived.set()
    assert await slow.task == "stored"


async def test_who_keeps_the_pace_stays() -> None:
    clock = ManualClock()
    room = Room(clock)
    steady, waiting = Upload(room), Upload(room)
    for _ in range(20):
        await steps(clock, 1)
        assert steady.guest is not None
        steady.guest.seen_bytes += PACE_BYTES_S
    assert waiting.guest is None
    steady.arrived.set()
    assert await steady.task == "stored"
    waiting.arrived.set()
    assert await waiting.task == "stored"


async def test_what_has_arrived_is_not_hurried() -> None:
    """From then on it is our own disks that take the time."""
    clock = ManualClock()
    room = Room(clock)
    storing, waiting = Upload(room), Upload(room)
    await asyncio.sleep(0)
    assert storing.guest is not None
    storing.guest.arrived = True
    await steps(clock, 20)
    storing.arrived.set()
    assert await storing.task == "stored"
    waiting.arrived.set()
    assert await waiting.task == "stored"


async def test_who_is_cancelled_otherwise_is_cancelled() -> None:
    clock = ManualClock()
    room = Room(clock)
    upload, waiting = Upload(room), Upload(room)
    await steps(clock, 1)
    upload.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload.task
    waiting.arrived.set()
    assert await waiting.task == "stored"
