"""Room for puts: bounded, first come, first served, and given back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import cast

import pytest

from cairnfs.errors import Busy, NoSpace, TooLarge
from cairnfs.fileserver import room as module
from cairnfs.fileserver.intake import Intake
from cairnfs.fileserver.room import HELD_MAX_BYTES
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.trouble import StoreFull
from cairnfs.fileserver.writer import Writer
from cairnfs.ids import Hash
from cairnfs.wire.chunks import PUT_BODY_MAX_BYTES


@pytest.fixture
def intake() -> Iterator[Intake]:
    with ThreadPoolExecutor(1) as readers:
        yield Intake(readers)


@pytest.fixture
async def holders(intake: Intake) -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        for _ in range(HELD_MAX_BYTES // PUT_BODY_MAX_BYTES):
            await stack.enter_async_context(intake.room({}))
        yield stack


async def test_puts_over_the_limit_wait_their_turn(intake: Intake, holders: AsyncExitStack) -> None:
    order: list[int] = []

    async def put(number: int, size: int) -> None:
        async with intake.room({"content-length": str(size)}):
            order.append(number)

    # The second is small and would fit, but does not overtake the first.
    waiting = [asyncio.create_task(put(1, PUT_BODY_MAX_BYTES)), asyncio.create_task(put(2, 1))]
    await asyncio.sleep(0)
    assert order == []
    await holders.aclose()
    await asyncio.gather(*waiting)
    assert order == [1, 2]


async def test_who_gives_up_waiting_gives_the_room_back(intake: Intake, holders: AsyncExitStack) -> None:
    async def put() -> None:
        async with intake.room({}):
            pass

    gives_up, stays = asyncio.create_task(put()), asyncio.create_task(put())
    await asyncio.sleep(0)
    gives_up.cancel()
    await asyncio.gather(gives_up, return_exceptions=True)
    await holders.aclose()
    await stays
    # All room is there again: as many as at first fit at once.
    async with AsyncExitStack() as again:
        for _ in range(HELD_MAX_BYTES // PUT_BODY_MAX_BYTES):
            await again.enter_async_context(intake.room({}))


async def test_one_admitted_and_cancelled_at_once_gives_the_room_back(
    intake: Intake, holders: AsyncExitStack
) -> None:
    async def put() -> None:
        async with intake.room({}):
            pytest.fail("cancelled before it could begin")

    task = asyncio.create_task(put())
    await asyncio.sleep(0)
    await holders.aclose()  # admits the waiting put, which has not run yet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with AsyncExitStack() as again:
        for _ in range(HELD_MAX_BYTES // PUT_BODY_MAX_BYTES):
            await again.enter_async_context(intake.room({}))


async def test_the_queue_has_an_end(
    intake: Intake, holders: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 0)
    with pytest.raises(Busy):
        async with intake.room({}):
            pass


async def test_a_put_that_could_never_fit_is_refused(intake: Intake) -> None:
    with pytest.raises(TooLarge):
        async with intake.room({"content-length": str(PUT_BODY_MAX_BYTES + 1)}):
            pass


class FullStore:
    """A store whose disk is full."""

    def submit(self, puts: object) -> Future[object]:
        done: Future[object] = Future()
        done.set_exception(StoreFull("planned"))
        return done


async def test_a_full_store_stays_full_until_room_was_made(intake: Intake) -> None:
    mib = 1024 * 1024
    intake.attach(cast(Store, None), cast(Writer, FullStore()))
    assert not intake.full(3 * mib, 24 * mib)
    with pytest.raises(NoSpace):
        await intake.store([(Hash(bytes(32)), b"data")], 0)
    # A tenth of this disk is free and was free when it refused: that is not room.
    for free_mib, full in ((3, True), (2, True), (4, True), (5, False), (5, False)):
        assert intake.full(free_mib * mib, 24 * mib) == full
