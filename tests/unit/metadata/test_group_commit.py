"""Group commit when COMMIT fails, or when nobody knows whether it did: exactly once, or a clear no."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import Aborted, Busy, DeadlineExceeded, NoSpace, NotFound, OutcomeUnknown
from cairnfs.metadata import patience
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.driver import CommitEvent, Driver
from cairnfs.metadata.ops.settle import Settle
from cairnfs.testing import planted
from cairnfs.testing.flaky_database import Fault, FlakyDatabase
from cairnfs.wire.commits import SettleReply
from tests.unit.metadata.operations import ANN, Note, Noted, key, notes, refusing, replies, soon


@pytest.fixture
def flaky(database: Database) -> FlakyDatabase:
    return FlakyDatabase(database)


@pytest.fixture
async def driver(flaky: FlakyDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Driver]:
    monkeypatch.setattr(patience, "LONGEST_S", 0.01)
    driver = Driver(flaky, SystemClock())
    yield driver
    flaky.gate.set()
    await driver.close()


async def test_a_commit_that_fails_is_tried_again(driver: Driver, flaky: FlakyDatabase) -> None:
    flaky.plan.extend([Fault.AGAIN] * 3)
    assert await driver.submit(Note("once")) == Noted(1)
    assert flaky.met == {Fault.AGAIN: 3, Fault.NONE: 1}
    assert notes(flaky) == {"once": 1}


async def test_a_database_that_stays_away_is_busy(driver: Driver, flaky: FlakyDatabase) -> None:
    again = key()
    flaky.otherwise = Fault.AGAIN
    with pytest.raises(Busy) as caught:
        await driver.submit(Note("once", again))
    assert caught.value.retry_after_ms == 1_000
    assert flaky.met == {Fault.AGAIN: patience.TRIES}
    assert notes(flaky) == {}
    flaky.otherwise = Fault.NONE
    assert await driver.submit(Note("once", again)) == Noted(1)


async def test_trying_again_ends_at_the_deadline(driver: Driver, flaky: FlakyDatabase) -> None:
    flaky.otherwise = Fault.AGAIN
    with pytest.raises(DeadlineExceeded):
        await driver.submit(Note("late", deadline=SystemClock().monotonic() + 0.02))
    assert 0 < flaky.met[Fault.AGAIN] < patience.TRIES
    assert notes(flaky) == {}


async def test_a_full_disk_is_told_and_changes_nothing(driver: Driver, flaky: FlakyDatabase) -> None:
    again = key()
    flaky.otherwise = Fault.FULL
    with pytest.raises(NoSpace):
        await driver.submit(Note("once", again))
    assert flaky.met == {Fault.FULL: 1}
    assert (notes(flaky), replies(flaky)) == ({}, 0)
    flaky.otherwise = Fault.NONE
    assert await driver.submit(Note("once", again)) == Noted(1)


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
async def test_an_unknown_commit_is_found_out_by_its_reply(
    driver: Driver, flaky: FlakyDatabase, fault: Fault
) -> None:
    heard: list[CommitEvent] = []
    driver.on_commit(heard.append)
    flaky.plan.append(fault)
    assert await driver.submit(Note("once")) == Noted(1)
    assert flaky.met == {fault: 1, Fault.NONE: 1}
    assert notes(flaky) == {"once": 1}
    assert heard


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
async def test_each_of_a_batch_is_found_out(driver: Driver, flaky: FlakyDatabase, fault: Fault) -> None:
    flaky.gate.clear()
    first = asyncio.create_task(driver.submit(Note("first")))
    assert await asyncio.to_thread(flaky.at_gate.wait, 20)
    twice = key()
    batch = [Note("a"), Note("b", twice), Note("c", hook=refusing()), Note("b", twice), Note("mute", None)]
    waiting = [asyncio.create_task(driver.submit(note)) for note in batch]
    await asyncio.sleep(0)
    flaky.plan.append(fault)
    flaky.gate.set()
    await first
    a, b, c, b_again, mute = await asyncio.gather(*waiting, return_exceptions=True)
    assert flaky.met[fault] == 1
    assert (a, b, b_again) == (Noted(2), Noted(3), Noted(3))
    assert isinstance(c, NotFound)
    assert isinstance(mute, OutcomeUnknown), "without a reply nobody can tell"
    happened = 1 if fault is Fault.LOST_AFTER else 0
    assert notes(flaky) == {"first": 1, "a": 1, "b": 1} | ({"mute": 1} if happened else {})


async def test_what_stays_unknown_is_called_unknown(driver: Driver, flaky: FlakyDatabase) -> None:
    again = key()
    flaky.plan.append(Fault.LOST_AFTER)
    flaky.otherwise = Fault.AGAIN
    with pytest.raises(OutcomeUnknown):  # never Busy, which would promise that nothing happened
        await driver.submit(Note("once", again, deadline=SystemClock().monotonic() + 0.05))
    assert flaky.met == {Fault.LOST_AFTER: 1, Fault.AGAIN: patience.TRIES - 1}
    flaky.otherwise = Fault.NONE
    assert await driver.submit(Note("once", again)) == Noted(1)
    assert notes(flaky) == {"once": 1}


async def test_a_light_write_with_an_unknown_commit(driver: Driver, flaky: FlakyDatabase) -> None:
    flaky.plan.extend([Fault.AGAIN, Fault.LOST_AFTER])
    with pytest.raises(OutcomeUnknown):
        await driver.light(lambda tx: tx.run("UPDATE leader SET counter = counter + 1 WHERE id = 1"))
    assert flaky.met == {Fault.AGAIN: 1, Fault.LOST_AFTER: 1}
    assert await driver.read(lambda tx: tx.row("SELECT counter FROM leader")) == (1,)


async def story_exactly_once(driver: Driver, flaky: FlakyDatabase, seed: int) -> None:
    """Eight clients, each asking until it has a definite answer, some twice at a time, under faults."""
    chance = random.Random(seed)
    faults = [Fault.AGAIN, Fault.FULL, Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.NONE, Fault.NONE]
    # Each at least once: how many batches there will be is not known.
    flaky.plan.extend(chance.sample(faults, k=len(faults)) + chance.choices(faults, k=120))
    done: dict[str, Noted] = {}

    async def ask(note: Note) -> Noted:
        for _ in range(200):
            try:
                return await driver.submit(replace(note, deadline=soon()))
            except (Busy, NoSpace, OutcomeUnknown):
                continue
        raise AssertionError("no definite answer")

    async def client(number: int) -> None:
        for turn in range(12):
            note = Note(f"{number}.{turn}", key())
            first, *more = await asyncio.gather(
                *[ask(note) for _ in range(chance.choice([1, 1, 2]))], return_exceptions=True
            )
            assert isinstance(first, Noted), first
            assert [first] * len(more) == more, "one request, one answer"
            done[note.message] = first

    ends = await asyncio.gather(*[client(number) for number in range(8)], return_exceptions=True)
    assert ends == [None] * 8
    rows = flaky.read(lambda tx: tx.rows("SELECT message, number FROM commits"))
    assert sorted(rows) == sorted((message, answer.commit) for message, answer in done.items())
    assert all(flaky.met[fault] for fault in faults)


async def test_every_request_takes_effect_exactly_once(
    driver: Driver, flaky: FlakyDatabase, seed: int
) -> None:
    await story_exactly_once(driver, flaky, seed)


async def held(flaky: FlakyDatabase, *waiting: asyncio.Task[Any]) -> list[Any]:
    """Let these come to COMMIT, see that none has ended there, let it commit, and give how they end."""
    assert await asyncio.to_thread(flaky.at_gate.wait, 20)
    for _ in range(20):
        await asyncio.sleep(0)  # whatever was already on its way to the loop arrives
    told = [task.done() for task in waiting]
    flaky.gate.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert told == [False] * len(waiting)
    flaky.gate.clear()
    flaky.at_gate.clear()
    return ends


async def story_nothing_is_told_before_commit(driver: Driver, flaky: FlakyDatabase) -> None:
    """While COMMIT is held, neither answers nor refusals nor announcements leave the driver."""
    heard: list[bool] = []
    driver.on_commit(lambda event: heard.append(flaky.gate.is_set()))
    flaky.gate.clear()
    asked = [Note("yes"), Note("no", hook=refusing()), Note("mute", None)]
    yes, no, mute = await held(flaky, *[asyncio.create_task(driver.submit(note)) for note in asked])
    assert (yes, type(no), type(mute)) == (Noted(1), NotFound, Noted)
    assert heard
    assert all(heard)
    raise_counter = "UPDATE leader SET counter = 7 WHERE id = 1"
    assert await held(flaky, asyncio.create_task(driver.light(lambda tx: tx.run(raise_counter)))) == [1]


async def test_nothing_is_told_before_commit(driver: Driver, flaky: FlakyDatabase) -> None:
    await story_nothing_is_told_before_commit(driver, flaky)


async def story_aborted_means_never(driver: Driver, flaky: FlakyDatabase) -> None:
    """Who was told "aborted" may rely on it, though the request arrives later after all."""
    late = key()
    settled = await driver.submit(Settle(ANN, late.request_id, deadline=soon()))
    assert settled.outcome == "aborted"
    with pytest.raises(Aborted):
        await driver.submit(Note("a straggler", late))
    assert notes(flaky) == {}
    settled = await driver.submit(Settle(ANN, late.request_id, deadline=soon()))
    assert settled.outcome == "aborted"


async def test_aborted_means_never(driver: Driver, flaky: FlakyDatabase) -> None:
    await story_aborted_means_never(driver, flaky)


@pytest.mark.parametrize("order", ["settle first", "request first"])
async def test_settling_in_the_same_batch(driver: Driver, flaky: FlakyDatabase, order: str) -> None:
    flaky.gate.clear()
    first = asyncio.create_task(driver.submit(Note("first")))
    assert await asyncio.to_thread(flaky.at_gate.wait, 20)
    late = key()
    settle, note = Settle(ANN, late.request_id, deadline=soon()), Note("it", late)
    if order == "settle first":
        settling, noting = (asyncio.create_task(driver.submit(one)) for one in (settle, note))
    else:
        noting, settling = (asyncio.create_task(driver.submit(one)) for one in (note, settle))
    await asyncio.sleep(0)
    flaky.gate.set()
    settled = await settling
    assert isinstance(settled, SettleReply)
    if order == "settle first":
        assert settled.outcome == "aborted"
        with pytest.raises(Aborted):
            await noting
        assert notes(flaky) == {"first": 1}
    else:
        assert (settled.outcome, settled.reply and settled.reply.commit) == ("committed", 2)
        assert await noting == Noted(2)
        assert notes(flaky) == {"first": 1, "it": 1}
    await first
    assert flaky.writes == 2


@contextmanager
def must_fail() -> Iterator[None]:
    with pytest.raises(BaseException, match=r".*") as caught:
        yield
    assert isinstance(caught.value, AssertionError | pytest.fail.Exception), caught.value


@pytest.mark.parametrize("bug", [None, planted.answering_before_commit])
async def test_answering_before_commit_would_be_found(
    database: Database, bug: Callable[[], AbstractContextManager[None]] | None
) -> None:
    flaky = FlakyDatabase(database)
    with bug() if bug else nullcontext():
        driver = Driver(flaky, SystemClock())
        with must_fail() if bug else nullcontext():
            await story_nothing_is_told_before_commit(driver, flaky)
        flaky.gate.set()
        await driver.close()


async def test_an_abort_that_is_not_recorded_would_be_found(database: Database) -> None:
    flaky = FlakyDatabase(database)
    with planted.abort_answered_but_not_recorded():
        driver = Driver(flaky, SystemClock())
        with must_fail():
            await story_aborted_means_never(driver, flaky)
        await driver.close()


@pytest.mark.loud  # the reply's key is a second line of defence, and complains
async def test_running_again_blindly_would_be_found(database: Database, seed: int) -> None:
    flaky = FlakyDatabase(database)
    with planted.running_again_after_an_unknown_commit():
        driver = Driver(flaky, SystemClock())
        with must_fail():
            await story_exactly_once(driver, flaky, seed)
        await driver.close()
