"""What is tried again, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from cairnfs.client.retry import STRANGER_S, Patience, Pauses, persist, worth_repeating
from cairnfs.errors import Busy, CairnError, NotFound, OutcomeUnknown, TooManyLogins, Unreachable
from cairnfs.testing.clock import ManualClock


class Attempts:
    """Fails in turn with what it was given, then succeeds."""

    def __init__(self, clock: ManualClock, failures: Iterable[CairnError]) -> None:
        self.clock = clock
        self.failures = list(failures)
        self.began: list[float] = []
        self.given: list[float] = []

    async def __call__(self, timeout_s: float) -> str:
        self.began.append(self.clock.monotonic())
        self.given.append(timeout_s)
        if self.failures:
            raise self.failures.pop(0)
        return "done"


async def finish(clock: ManualClock, work: asyncio.Task[str]) -> str:
    await clock.until(work.done, step_s=0.05)
    return work.result()


async def test_what_may_pass_is_tried_again_with_growing_pauses() -> None:
    clock = ManualClock()
    attempts = Attempts(clock, [Busy() for _ in range(6)])
    assert await finish(clock, asyncio.create_task(persist(clock, Patience(), attempts))) == "done"
    pauses = [after - before for before, after in zip(attempts.began, attempts.began[1:], strict=False)]
    for number, pause in enumerate(pauses):
        longest = min(0.05 * 2**number, 2.0)
        assert longest / 2 <= pause <= longest + 0.001


async def test_what_will_not_pass_is_raised_at_once() -> None:
    attempts = Attempts(ManualClock(), [NotFound()])
    with pytest.raises(NotFound):
        await persist(attempts.clock, Patience(), attempts)
    assert not worth_repeating(TooManyLogins())
    assert worth_repeating(OutcomeUnknown())


async def test_time_ends_it_with_the_last_reason() -> None:
    clock = ManualClock()
    attempts = Attempts(clock, [Busy(str(number)) for number in range(1000)])
    work = asyncio.create_task(persist(clock, Patience(total_s=10, attempt_s=4), attempts))
    with pytest.raises(Busy):
        await finish(clock, work)
    assert clock.monotonic() <= 10.1
    assert max(attempts.given) <= 4
    assert attempts.given[-1] <= 10 - attempts.began[-1] + 0.001


async def test_a_server_says_when_to_come_again() -> None:
    clock = ManualClock()
    busy = Busy()
    busy.retry_after_ms = 1500
    attempts = Attempts(clock, [busy])
    assert await finish(clock, asyncio.create_task(persist(clock, Patience(), attempts))) == "done"
    assert attempts.began[1] - attempts.began[0] >= 1.5


async def test_a_stranger_is_given_up_soon_an_acquaintance_is_not() -> None:
    clock = ManualClock()
    work = asyncio.create_task(
        persist(clock, Patience(), Attempts(clock, [Unreachable()] * 1000), stranger=True)
    )
    with pytest.raises(Unreachable):
        await finish(clock, work)
    assert clock.monotonic() <= STRANGER_S + 0.1
    attempts = Attempts(clock, [Busy(), *[Unreachable()] * 8])
    work = asyncio.create_task(persist(clock, Patience(), attempts, stranger=True))
    assert await finish(clock, work) == "done"


async def test_a_pause_that_would_end_too_late_is_not_begun() -> None:
    clock = ManualClock()
    pauses = Pauses(clock, 0.01)
    with pytest.raises(Busy):
        await pauses.after(Busy())
