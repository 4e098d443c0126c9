"""Doing duties: while one leads, again after failures, never for longer than the limit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cairnfs.control.duties.leadership import Leadership, Term
from cairnfs.control.duties.turns import TURN_MAX_S, Turns
from cairnfs.errors import Busy
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.driver import Driver
from cairnfs.testing.clock import ManualClock


@dataclass
class Chore:
    """A duty that does what the test says."""

    clock: ManualClock
    name: str = "chore"
    every_s: float = 2.0
    more: int = 0
    raises: Exception | None = None
    takes_s: float = 0.0
    terms: list[Term] = field(default_factory=list)
    rests: int = 0
    cancelled: bool = False

    async def turn(self, term: Term) -> bool:
        self.terms.append(term)
        if self.takes_s:
            try:
                await self.clock.sleep(self.takes_s)
            except BaseException:
                self.cancelled = True
                raise
        if self.raises is not None:
            raise self.raises
        self.more -= 1
        return self.more >= 0

    def rest(self) -> None:
        self.rests += 1


@dataclass
class Crown(Leadership):
    """A leadership that is given and taken."""

    given: Term | None = None

    @property
    def term(self) -> Term | None:
        return self.given


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def crown() -> Crown:
    return Crown(Term(7))


async def test_a_duty_has_its_turn_each_so_many_seconds_with_the_term(
    clock: ManualClock, crown: Crown
) -> None:
    chore = Chore(clock)
    turns = Turns(crown, [chore], clock)
    turns.start()
    await clock.run(7)
    await turns.stop()
    assert chore.terms == [7, 7, 7]
    await clock.run(7)
    assert len(chore.terms) == 3


async def test_more_to_do_is_done_at_once(clock: ManualClock, crown: Crown) -> None:
    chore = Chore(clock, more=5)
    turns = Turns(crown, [chore], clock)
    turns.start()
    await clock.run(3)
    await turns.stop()
    assert len(chore.terms) == 6


async def test_without_the_lead_it_rests(clock: ManualClock, crown: Crown) -> None:
    chore, crown.given = Chore(clock), None
    turns = Turns(crown, [chore], clock)
    turns.start()
    await clock.run(5)
    crown.given = Term(9)
    await clock.run(2)
    await turns.stop()
    assert (chore.rests, chore.terms) == (2, [9])


@pytest.mark.loud
@pytest.mark.parametrize("error", [Busy("later"), RuntimeError("a defect"), KeyError("x")])
async def test_a_failure_ends_the_turn_and_not_the_duty(
    clock: ManualClock, crown: Crown, error: Exception
) -> None:
    chore, other = Chore(clock, raises=error), Chore(clock)
    turns = Turns(crown, [chore, other], clock)
    turns.start()
    await clock.run(5)
    await turns.stop()
    assert (len(chore.terms), len(other.terms)) == (2, 2)


@pytest.mark.loud
async def test_a_turn_that_takes_too_long_is_cancelled(clock: ManualClock, crown: Crown) -> None:
    chore = Chore(clock, takes_s=10 * TURN_MAX_S)
    turns = Turns(crown, [chore], clock)
    turns.start()
    await clock.run(TURN_MAX_S + 5)
    assert chore.cancelled
    assert len(chore.terms) == 2
    await turns.stop()


async def test_stopping_cancels_what_goes_on(clock: ManualClock, crown: Crown) -> None:
    chore = Chore(clock, takes_s=100)
    turns = Turns(crown, [chore], clock)
    turns.start()
    await clock.run(3)
    await turns.stop()
    assert chore.cancelled


async def test_a_real_lead(clock: ManualClock) -> None:
    database = SqliteDatabase(MEMORY, clock)
    driver = Driver(database, clock)
    lead, chore = Leadership(driver, clock), Chore(clock, every_s=0.5)
    turns = Turns(lead, [chore], clock)
    lead.start()
    turns.start()
    await clock.until(lambda: len(chore.terms) > 3)
    await turns.stop()
    await lead.stop()
    await driver.close()
    database.close()
    assert set(chore.terms) == {1}
