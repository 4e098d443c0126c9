"""Who does the duties: one at a time, the next after three seconds of silence, never two in one term."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairnfs.control.duties.leadership import Leadership
from cairnfs.core.leases import LeadTimes
from cairnfs.errors import Aborted
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import leader
from cairnfs.metadata.ops.sessions import ExpireSessions
from cairnfs.testing.clock import ManualClock

LEASE_S = LeadTimes().lease_ms / 1000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def driver(clock: ManualClock) -> AsyncIterator[Driver]:
    database: Database = SqliteDatabase(MEMORY, clock)
    made = Driver(database, clock)
    yield made
    await made.close()
    database.close()


async def seconds(clock: ManualClock, count: float, *standing: Leadership) -> None:
    """So many seconds, in each of which all of these stand for election."""
    for _ in range(int(count)):
        clock.advance(1)
        for one in standing:
            await one.stand()


async def test_the_first_to_stand_leads_at_once(driver: Driver, clock: ManualClock) -> None:
    first, second = Leadership(driver, clock), Leadership(driver, clock)
    await first.stand()
    await second.stand()
    assert first.term == 1
    assert second.term is None


async def test_a_leader_that_renews_stays(driver: Driver, clock: ManualClock) -> None:
    first, second = Leadership(driver, clock), Leadership(driver, clock)
    await first.stand()
    await seconds(clock, 20, first, second)
    assert (first.term, second.term) == (1, None)


async def test_a_silent_leader_is_followed_after_three_seconds_and_has_stopped_before(
    driver: Driver, clock: ManualClock
) -> None:
    first, second = Leadership(driver, clock), Leadership(driver, clock)
    await first.stand()
    await second.stand()
    for _ in range(60):
        clock.advance(0.1)
        await second.stand()
        assert first.term is None or second.term is None
        if second.term is not None:
            break
    assert second.term == 2
    assert clock.monotonic() >= LEASE_S


async def test_a_leader_stops_by_its_own_clock_counted_from_sending(
    driver: Driver, clock: ManualClock
) -> None:
    first = Leadership(driver, clock)
    await first.stand()
    clock.advance(LEASE_S - 0.1)
    assert first.term == 1
    clock.advance(0.2)
    assert first.term is None


async def test_the_old_leader_changes_nothing_and_steps_back(driver: Driver, clock: ManualClock) -> None:
    first, second = Leadership(driver, clock), Leadership(driver, clock)
    await first.stand()
    await second.stand()
    await seconds(clock, 4, second)
    assert second.term == 2
    late = ExpireSessions([], deadline=clock.monotonic() + 5, term=1)
    with pytest.raises(Aborted):
        await driver.submit(late)
    await first.stand()
    assert first.term is None
    await driver.submit(ExpireSessions([], deadline=clock.monotonic() + 5, term=2))


async def test_a_watcher_that_slept_gives_a_full_lease(driver: Driver, clock: ManualClock) -> None:
    first, second = Leadership(driver, clock), Leadership(driver, clock)
    await first.stand()
    await second.stand()
    clock.advance(60)
    await second.stand()
    assert second.term is None
    await seconds(clock, 2, second)
    assert second.term == 2


async def test_whoever_resigns_is_followed_at_once(driver: Driver, clock: ManualClock) -> None:
    first, second = Leadership(driver, clock), Leadership(driver, clock)
    await first.stand()
    await second.stand()
    await first.stop()
    await second.stand()
    present = await driver.read(leader.read)
    assert present is not None
    assert second.term == present.term
    assert first.term is None


async def test_resigning_after_being_followed_takes_nothing_away(driver: Driver, clock: ManualClock) -> None:
    first, second = Leadership(driver, clock), Leadership(driver, clock)
    await first.stand()
    await second.stand()
    await seconds(clock, 4, second)
    await first.stop()
    await seconds(clock, 1, second)
    assert second.term == 2


async def test_of_many_that_stand_at_once_exactly_one_leads(driver: Driver, clock: ManualClock) -> None:
    crew = [Leadership(driver, clock) for _ in range(5)]
    for _ in range(8):
        await seconds(clock, 1, *crew)
        assert sum(one.term is not None for one in crew) == 1
