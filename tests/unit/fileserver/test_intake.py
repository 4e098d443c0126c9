"""Room for puts: bounded, first come, first served, and given back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import cast

import pytest

from cairnfs.errors import Busy, NoSpace, TooLarge
from cairnfs.fileserver import room as module
from cairnfs.fileserver.intake import COLD_MIN_BYTES, HERE_MAX_BYTES, HERE_MAX_PUTS, Intake
from cairnfs.fileserver.puts import Outcome, Put
from cairnfs.fileserver.room import HELD_MAX_BYTES
from cairnfs.fileserver.store import Store
from cairnfs.fileserver.trouble import StoreFull
from cairnfs.fileserver.writer import Done, Submission, Writer
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

    may_write_here = False

    def submit_with(self, puts: object, done: Callable[[object], None]) -> None:
        done(StoreFull("planned"))


async def test_a_full_store_stays_full_until_room_was_made(intake: Intake) -> None:
    mib = 1024 * 1024
    intake.attach(cast(Store, None), cast(Writer, FullStore()))
    assert not intake.full(3 * mib, 24 * mib)
    with pytest.raises(NoSpace):
        await intake.store([(Hash(bytes(32)), b"data")], 0)
    # A tenth of this disk is free and was free when it refused: that is not room.
    for free_mib, full in ((3, True), (2, True), (4, True), (5, False), (5, False)):
        assert intake.full(free_mib * mib, 24 * mib) == full


class HereStore:
    """A store whose disk is quick, if it is; counts who wrote how much."""

    def __init__(self) -> None:
        self.quick = True
        self.here: list[int] = []
        self.beside: list[int] = []
        self.puts: list[Put] = []

    @property
    def may_write_here(self) -> bool:
        return self.quick

    def write_here(self, batch: Sequence[Submission]) -> bool:
        if self.quick:
            self.here.append(len(batch))
            for submission in batch:
                submission.done([Outcome.STORED for _ in submission.puts])
        return self.quick

    def submit_with(self, puts: Sequence[Put], done: Done) -> None:
        self.beside.append(len(puts))
        self.puts += puts
        done([Outcome.STORED for _ in puts])


@pytest.fixture
def writer(intake: Intake) -> HereStore:
    writer = HereStore()
    intake.attach(cast(Store, None), cast(Writer, writer))
    return writer


def store_some(intake: Intake, count: int, size: int = 10) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(intake.store([(Hash(number.to_bytes(32, "big")), bytes(size))], 0))
        for number in range(count)
    ]


async def test_small_puts_of_one_turn_share_an_fsync_after_what_is_sent_meanwhile(
    intake: Intake, writer: HereStore
) -> None:
    puts = store_some(intake, 5)
    for _ in range(2):
        await asyncio.sleep(0)
        assert writer.here == [], "forwards leave in this turn and the next"
    await asyncio.gather(*puts)
    assert (writer.here, writer.beside) == ([5], [])


async def test_what_is_large_or_much_is_the_threads(intake: Intake, writer: HereStore) -> None:
    await asyncio.gather(*store_some(intake, 1, HERE_MAX_BYTES + 1))
    assert (writer.here, writer.beside) == ([], [1])
    await asyncio.gather(*store_some(intake, HERE_MAX_PUTS + 3))
    assert (writer.here, writer.beside) == ([HERE_MAX_PUTS], [1] * 4)


async def test_a_disk_that_became_slow_in_between_gets_them_by_the_thread(
    intake: Intake, writer: HereStore
) -> None:
    puts = store_some(intake, 3)
    await asyncio.sleep(0)
    writer.quick = False
    await asyncio.gather(*puts)
    assert (writer.here, writer.beside) == ([], [1] * 3)


async def test_of_large_chunks_those_that_others_are_asked_for_first_do_not_stay_in_memory(
    intake: Intake, writer: HereStore
) -> None:
    writer.quick = False
    sizes = [COLD_MIN_BYTES, COLD_MIN_BYTES, COLD_MIN_BYTES - 1]
    chunks = [(Hash(bytes([number]) * 32), bytes(size)) for number, size in enumerate(sizes)]
    await intake.store(chunks, 0, cold=lambda chunk: chunk[0] != 1)
    assert [put.cold for put in writer.puts] == [True, False, False], "small ones share their pages"
