"""The driver's everyday life: batches, first answers, refusals, deadlines, limits, closing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import (
    Busy,
    CairnError,
    DeadlineExceeded,
    Internal,
    NotFound,
    RequestReused,
    SessionEnded,
    VersionChanged,
)
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.driver import CommitEvent, Driver
from cairnfs.metadata.state import State
from cairnfs.testing.flaky_database import FlakyDatabase
from tests.unit.metadata.operations import (
    ANN,
    BOB,
    Note,
    Noted,
    breaking,
    key,
    notes,
    refusing,
    replies,
    soon,
)


@pytest.fixture
def flaky(database: Database) -> FlakyDatabase:
    return FlakyDatabase(database)


@pytest.fixture
async def driver(flaky: FlakyDatabase) -> AsyncIterator[Driver]:
    driver = Driver(flaky, SystemClock())
    yield driver
    flaky.gate.set()
    await driver.close()


async def at_gate(flaky: FlakyDatabase) -> None:
    """Wait until a write has run its function and stands before COMMIT."""
    assert await asyncio.to_thread(flaky.at_gate.wait, 20)


async def together(driver: Driver, flaky: FlakyDatabase, *operations: Note) -> list[Noted | BaseException]:
    """Submit these so that they wait together and form one batch, behind one that is held."""
    flaky.at_gate.clear()
    flaky.gate.clear()
    first = asyncio.create_task(driver.submit(Note("the one before")))
    await at_gate(flaky)
    others = [asyncio.create_task(driver.submit(operation)) for operation in operations]
    await asyncio.sleep(0)  # they are queued now
    flaky.gate.set()
    await first
    return await asyncio.gather(*others, return_exceptions=True)


async def test_an_answer_comes_back(driver: Driver, database: Database) -> None:
    assert await driver.submit(Note("one")) == Noted(1)
    assert await driver.submit(Note("two")) == Noted(2)
    assert notes(database) == {"one": 1, "two": 1}


async def test_what_waits_is_committed_together_in_order(driver: Driver, flaky: FlakyDatabase) -> None:
    answers = await together(driver, flaky, *[Note(f"note {number}") for number in range(100)])
    assert answers == [Noted(number) for number in range(2, 102)]
    assert flaky.writes == 2
    assert notes(flaky).total() == 101


async def test_a_batch_has_a_limit(flaky: FlakyDatabase) -> None:
    driver = Driver(flaky, SystemClock(), batch_max=10)
    await together(driver, flaky, *[Note("n") for _ in range(25)])
    await driver.close()
    assert flaky.writes == 1 + 3


async def test_a_small_change_waits_for_one_large_one_at_most(driver: Driver, flaky: FlakyDatabase) -> None:
    large = [Note(f"large {number}", paths=1_000) for number in range(4)]
    small = [Note(f"small {number}") for number in range(3)]
    answers = await together(driver, flaky, *large, *small)
    numbers = [answer.commit for answer in answers if isinstance(answer, Noted)]
    order = sorted(zip(numbers, [*large, *small], strict=True))
    assert [note.message for _, note in order] == [
        "large 0", "small 0", "small 1", "small 2", "large 1", "large 2", "large 3",
    ]  # fmt: skip
    assert flaky.writes == 1 + 5


async def test_a_repeat_gets_the_first_answer(driver: Driver, database: Database) -> None:
    again = key()
    assert await driver.submit(Note("once", again)) == Noted(1)
    assert await driver.submit(Note("other")) == Noted(2)
    assert await driver.submit(Note("once", again)) == Noted(1)
    assert notes(database) == {"once": 1, "other": 1}


async def test_repeats_at_the_same_time_take_effect_once(driver: Driver, flaky: FlakyDatabase) -> None:
    again = key()
    assert await together(driver, flaky, *[Note("once", again) for _ in range(9)]) == [Noted(2)] * 9
    assert notes(flaky)["once"] == 1


async def test_an_id_with_another_body_is_refused(driver: Driver, flaky: FlakyDatabase) -> None:
    mine, changed = key("r", b"body"), key("r", b"other")
    first, second = await together(driver, flaky, Note("mine", mine), Note("changed", changed))
    assert first == Noted(2)
    assert isinstance(second, RequestReused)
    with pytest.raises(RequestReused):
        await driver.submit(Note("changed", changed))
    assert await driver.submit(Note("mine", mine)) == Noted(2)
    assert notes(flaky) == {"the one before": 1, "mine": 1}


async def test_an_id_belongs_to_its_user(driver: Driver, database: Database) -> None:
    assert await driver.submit(Note("ann", key("r", user=ANN))) == Noted(1)
    assert await driver.submit(Note("bob", key("r", user=BOB))) == Noted(2)
    assert notes(database) == {"ann": 1, "bob": 1}


async def test_a_refusal_is_a_first_answer_too(driver: Driver, database: Database) -> None:
    again = key()
    refusal = VersionChanged("it is at 7 now", hint="read it again", path="/a")
    with pytest.raises(VersionChanged):
        await driver.submit(Note("no", again, hook=refusing(refusal)))
    with pytest.raises(VersionChanged) as caught:
        await driver.submit(Note("no", again))  # it would succeed now
    told = caught.value
    assert (told.detail, told.hint, told.path) == (refusal.detail, refusal.hint, refusal.path)
    assert notes(database) == {}


@pytest.mark.parametrize("error", [Busy("later"), DeadlineExceeded("late")])
async def test_what_may_be_retried_is_never_recorded(
    driver: Driver, database: Database, error: CairnError
) -> None:
    again = key()
    with pytest.raises(type(error)):
        await driver.submit(Note("yes", again, hook=refusing(error)))
    assert replies(database) == 0
    assert await driver.submit(Note("yes", again)) == Noted(1)


async def test_a_refusal_leaves_no_trace_and_hurts_nobody(driver: Driver, flaky: FlakyDatabase) -> None:
    answers = await together(
        driver, flaky, Note("a"), Note("b", hook=refusing()), Note("c"), Note("d", None, hook=refusing())
    )
    assert [answers[0], answers[2]] == [Noted(2), Noted(3)]
    assert isinstance(answers[1], NotFound)
    assert isinstance(answers[3], NotFound)
    assert flaky.writes == 2, "an ordinary refusal needs no rollback"
    assert notes(flaky) == {"the one before": 1, "a": 1, "c": 1}


@pytest.mark.loud
async def test_a_defect_hurts_nobody_else(driver: Driver, flaky: FlakyDatabase) -> None:
    again = key()
    answers = await together(driver, flaky, Note("a"), Note("b", again, hook=breaking), Note("c"))
    assert isinstance(answers[1], Internal)
    assert [answers[0], answers[2]] == [Noted(2), Noted(3)]
    assert flaky.writes == 1 + 1 + 3, "the batch, and each of it alone"
    assert notes(flaky) == {"the one before": 1, "a": 1, "c": 1}
    assert await driver.submit(Note("b", again)) == Noted(4), "a defect is no first answer"


@pytest.mark.loud
async def test_a_refusal_after_a_change_is_taken_back(driver: Driver, flaky: FlakyDatabase) -> None:
    def change_then_refuse(state: State) -> None:
        state.tx.run("INSERT INTO orphan (inode, died) VALUES (5, 5)")
        raise NotFound("too late")

    answers = await together(driver, flaky, Note("a"), Note("b", hook=change_then_refuse), Note("c"))
    assert [type(answer) for answer in answers] == [Noted, NotFound, Noted]
    assert flaky.read(lambda tx: tx.rows("SELECT inode FROM orphan")) == []
    assert notes(flaky) == {"the one before": 1, "a": 1, "c": 1}


@pytest.mark.loud
async def test_a_failed_statement_hurts_nobody_else(driver: Driver, flaky: FlakyDatabase) -> None:
    def clash(state: State) -> None:
        state.tx.run("INSERT INTO leader (id, term, holder, counter) VALUES (1, 0, '', 0)")

    answers = await together(driver, flaky, Note("a"), Note("b", hook=clash), Note("c"))
    assert [type(answer) for answer in answers] == [Noted, Internal, Noted]
    assert notes(flaky) == {"the one before": 1, "a": 1, "c": 1}


async def test_past_its_deadline_nothing_takes_effect(driver: Driver, flaky: FlakyDatabase) -> None:
    again, late = key(), SystemClock().monotonic() - 0.001
    answers = await together(driver, flaky, Note("late", again, deadline=late), Note("in time"))
    assert isinstance(answers[0], DeadlineExceeded)
    assert answers[1] == Noted(2)
    assert await driver.submit(Note("late", again)) == Noted(3), "and it was not recorded"


async def test_a_first_answer_has_no_deadline(driver: Driver) -> None:
    again, late = key(), SystemClock().monotonic() - 0.001
    assert await driver.submit(Note("once", again)) == Noted(1)
    assert await driver.submit(Note("once", again, deadline=late)) == Noted(1)


async def test_a_full_queue_says_busy(flaky: FlakyDatabase) -> None:
    driver = Driver(flaky, SystemClock(), queue_max=5)
    flaky.gate.clear()
    waiting = [asyncio.create_task(driver.submit(Note(f"{number}"))) for number in range(5)]
    await at_gate(flaky)
    with pytest.raises(Busy) as caught:
        await driver.submit(Note("one too many"))
    assert caught.value.retry_after_ms == 1_000
    flaky.gate.set()
    assert await asyncio.gather(*waiting) == [Noted(number) for number in range(1, 6)]
    assert await driver.submit(Note("room again")) == Noted(6)
    await driver.close()


async def test_closing_answers_everything_that_waits(flaky: FlakyDatabase) -> None:
    driver = Driver(flaky, SystemClock(), batch_max=3)
    flaky.gate.clear()
    waiting = [asyncio.create_task(driver.submit(Note(f"{number}"))) for number in range(10)]
    await at_gate(flaky)
    closing = asyncio.create_task(driver.close())
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="closing"):
        await driver.submit(Note("too late"))
    flaky.gate.set()
    await closing
    assert await asyncio.gather(*waiting) == [Noted(number) for number in range(1, 11)]
    await driver.close()


async def test_who_hung_up_before_the_start_changed_nothing(driver: Driver, flaky: FlakyDatabase) -> None:
    flaky.gate.clear()
    first = asyncio.create_task(driver.submit(Note("first")))
    await at_gate(flaky)
    gone, stays = (asyncio.create_task(driver.submit(Note(name))) for name in ("gone", "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    flaky.gate.set()
    assert [await first, await stays] == [Noted(1), Noted(2)]
    assert gone.cancelled()
    assert notes(flaky) == {"first": 1, "stays": 1}


async def test_who_hung_up_later_may_ask_again(driver: Driver, flaky: FlakyDatabase) -> None:
    again = key()
    flaky.gate.clear()
    gone = asyncio.create_task(driver.submit(Note("once", again)))
    await at_gate(flaky)
    gone.cancel()
    flaky.gate.set()
    assert await driver.submit(Note("once", again)) == Noted(1)
    assert notes(flaky) == {"once": 1}


def set_counter(value: int) -> Callable[[Tx], int]:
    return lambda tx: tx.run("UPDATE leader SET counter = ? WHERE id = 1", value)


async def test_light_writes_go_beside_the_clock(driver: Driver, flaky: FlakyDatabase) -> None:
    flaky.gate.clear()
    held = asyncio.create_task(driver.submit(Note("held")))
    await at_gate(flaky)
    lights = [asyncio.create_task(driver.light(set_counter(number))) for number in range(20)]
    await asyncio.sleep(0)
    flaky.gate.set()
    assert await asyncio.gather(*lights) == [1] * 20
    assert await held == Noted(1)
    assert flaky.writes == 2, "all of them in one tx"
    assert await driver.read(lambda tx: tx.row("SELECT counter FROM leader")) == (19,)


@pytest.mark.loud
async def test_a_light_write_that_fails_hurts_nobody_else(driver: Driver, flaky: FlakyDatabase) -> None:
    def refuse(tx: Tx) -> None:
        raise SessionEnded("over")

    def change_then_refuse(tx: Tx) -> None:
        tx.run("UPDATE leader SET holder = 'half' WHERE id = 1")
        raise SessionEnded("over, but late")

    def break_down(tx: Tx) -> None:
        tx.run("UPDATE no_such_table SET x = 1")

    functions = [set_counter(1), refuse, change_then_refuse, break_down, set_counter(2)]
    results = await asyncio.gather(*map(driver.light, functions), return_exceptions=True)
    assert [type(result) for result in results] == [int, SessionEnded, SessionEnded, Internal, int]
    assert await driver.read(lambda tx: tx.row("SELECT counter, holder FROM leader")) == (2, "")


async def test_a_read_sees_what_was_answered(driver: Driver) -> None:
    for number in range(1, 20):
        await driver.submit(Note("n"))
        seen = await asyncio.gather(
            *[driver.read(lambda tx: tx.row("SELECT commit_number FROM clock")) for _ in range(10)],
            driver.survey(lambda tx: tx.row("SELECT commit_number FROM clock")),
        )
        assert seen == [(number,)] * 11


@pytest.mark.loud
async def test_a_read_that_fails_hurts_nobody_else(driver: Driver) -> None:
    def missing(tx: Tx) -> int:
        raise NotFound("no such path")

    def broken(tx: Tx) -> int:
        return len(tx.rows("SELECT x FROM no_such_table"))

    def one(tx: Tx) -> int:
        return len(tx.rows("SELECT id FROM clock"))

    results = await asyncio.gather(
        *map(driver.read, [one, missing, broken, one, broken, missing, one]), return_exceptions=True
    )
    assert [type(result) for result in results] == [int, NotFound, Internal, int, Internal, NotFound, int]


async def test_commits_are_announced_before_they_are_answered(driver: Driver, flaky: FlakyDatabase) -> None:
    heard: list[CommitEvent] = []
    driver.on_commit(heard.append)
    for number in range(1, 4):
        answer = await driver.submit(Note("n"))
        assert heard[-1].after.commit_number == answer.commit == number
    await together(driver, flaky, Note("a"), Note("b"))
    edges = [(event.before.commit_number, event.after.commit_number) for event in heard]
    assert edges == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6)]


@pytest.mark.loud
async def test_a_listener_that_fails_hurts_nobody(driver: Driver) -> None:
    def fail(event: CommitEvent) -> None:
        raise ZeroDivisionError

    driver.on_commit(fail)
    assert await driver.submit(Note("n")) == Noted(1)
    assert soon() > 0
