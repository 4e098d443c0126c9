"""Whom an answer to a put waits for, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError, NoSpace, Unreachable
from cairnfs.fileserver.ballot import Ballot
from cairnfs.fileserver.receipts import Votes
from cairnfs.ids import FileserverId, Hash
from cairnfs.wire.receipts import Holder

LONG_S = 3600.0


class Poll:
    """A put to three members whose answers the test gives by hand."""

    def __init__(self, *, goal: str = "majority", grace_s: float = LONG_S) -> None:
        self.votes = Votes(3, "majority")
        self.votes.expect([FileserverId(member) for member in (1, 2, 3)], Hash(bytes(32)), 10)
        self.ballot = Ballot(self.votes, goal, grace_s)
        self.answers = [asyncio.get_running_loop().create_future() for _ in range(3)]
        for member, answer in enumerate(self.answers, 1):
            self.ballot.expect(answer, local=member == 1)

    def hold(self, member: int) -> None:
        self.answers[member - 1].set_result(Holder(member, "b" * 32))

    def fail(self, member: int, error: BaseException) -> None:
        self.answers[member - 1].set_exception(error)

    async def holders(self, within_s: float = LONG_S) -> list[int]:
        async with asyncio.timeout(20):
            await self.ballot.close(within_s)
        return [holder.fileserver for holding in self.votes.holdings() for holder in holding.holders]


async def test_all_that_answer_count() -> None:
    poll = Poll()
    for member in (2, 1, 3):
        poll.hold(member)
    assert await poll.holders() == [1, 2, 3]
    assert not poll.ballot.missing


async def test_once_enough_hold_it_the_others_have_a_moment() -> None:
    poll = Poll(grace_s=0.01)
    poll.hold(1)
    poll.hold(2)
    assert await poll.holders() == [1, 2]
    assert poll.ballot.missing == {poll.answers[2]}
    poll.hold(3)
    await asyncio.sleep(0)
    assert not poll.votes.short()
    assert len(poll.votes.holdings()[0].holders) == 2, "what comes later does not change what was said"


async def test_with_no_moment_nobody_is_waited_for_who_is_not_needed() -> None:
    poll = Poll(goal="async", grace_s=0.0)
    poll.hold(2)
    assert await poll.holders() == [2]


async def test_without_enough_the_deadline_decides() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    poll = Poll(grace_s=0.0)
    poll.hold(1)
    assert await poll.holders(0.05) == [1]
    assert clock.monotonic() - began >= 0.05


@pytest.mark.parametrize(
    ("own", "other", "told"),
    [
        (NoSpace("here"), Unreachable("there"), "here"),
        (Unreachable("here"), NoSpace("there"), "here"),
        (None, NoSpace("there"), "there"),
        (None, Unreachable("there"), None),
    ],
)
async def test_its_own_failure_is_told_and_else_that_a_disk_is_full(
    own: CairnError | None, other: CairnError, told: str | None
) -> None:
    poll = Poll()
    poll.fail(2, other)
    poll.hold(3)
    if own is None:
        poll.hold(1)
    else:
        poll.fail(1, own)
    await poll.holders()
    assert (poll.ballot.failure.detail if poll.ballot.failure else None) == told


async def test_a_defect_is_not_counted_as_an_answer() -> None:
    poll = Poll()
    poll.fail(1, ZeroDivisionError("planned"))
    with pytest.raises(ZeroDivisionError):
        await poll.holders()


async def test_an_answer_that_was_given_up_does_not_count() -> None:
    poll = Poll()
    poll.answers[2].cancel()
    poll.hold(1)
    poll.hold(2)
    assert await poll.holders() == [1, 2]
