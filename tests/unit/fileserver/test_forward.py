"""One way to one member: what waits goes together, and nobody waits for a member that is away."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import Busy, CairnError, NoSpace, OutcomeUnknown, Unreachable
from cairnfs.fileserver import forward
from cairnfs.fileserver.forward import LANES, REQUEST_MAX_BYTES, Forwarder, Peer
from cairnfs.ids import FileserverId, Hash
from cairnfs.net.calls import Calls
from cairnfs.net.transport import Body
from cairnfs.wire import chunks as wire

MEMBER = FileserverId(2)


class Member:
    """A fellow member whose answers the test gives by hand."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, int, asyncio.Future[wire.ForwardReply]]] = []
        self.answers_as = 2
        self.takes = True
        self.arrived = asyncio.Event()

    async def send(self, endpoint: object, body: Body, *, headers: dict[str, str], **_: Any) -> object:
        deframer = wire.Deframer(None)
        pieces = [body] if isinstance(body, bytes) else [bytes(piece) async for piece in body]
        count = sum(len(list(deframer.feed(piece))) for piece in pieces)
        deframer.finish()
        answer: asyncio.Future[wire.ForwardReply] = asyncio.get_running_loop().create_future()
        self.requests.append((count, int(headers[wire.BEGIN_HEADER]), answer))
        self.arrived.set()
        return await answer

    async def request(self, number: int) -> tuple[int, int, asyncio.Future[wire.ForwardReply]]:
        while len(self.requests) <= number:
            self.arrived.clear()
            await self.arrived.wait()
        return self.requests[number]

    def peer(self) -> Peer:
        return Peer(MEMBER, cast(Calls, self), self.takes)

    def reply(self) -> wire.ForwardReply:
        return wire.ForwardReply(fileserver=self.answers_as, boot="b" * 32)


def chunk(number: int, size: int = 10) -> tuple[Hash, bytes]:
    return Hash(number.to_bytes(32, "big")), bytes(size)


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.fixture
def way(member: Member) -> Forwarder:
    return Forwarder(SystemClock(), member.peer)


async def test_what_comes_in_one_turn_goes_in_one_request(way: Forwarder, member: Member) -> None:
    answers = [way.send([chunk(n)], begin=n) for n in range(1, 8)]
    count, begin, answer = await member.request(0)
    assert (count, begin) == (7, 7), "all chunks together, under the highest begin number"
    answer.set_result(member.reply())
    assert {(await one).fileserver for one in answers} == {2}
    assert len(member.requests) == 1


async def test_while_the_lanes_are_busy_the_rest_waits_and_then_goes_together(
    way: Forwarder, member: Member
) -> None:
    answers = []
    for lane in range(LANES):
        answers.append(way.send([chunk(lane)], begin=0))
        await member.request(lane)
    late = [way.send([chunk(100 + n)], begin=0) for n in range(50)]
    assert len(member.requests) == LANES
    (await member.request(0))[2].set_result(member.reply())
    count, _, answer = await member.request(LANES)
    assert count == 50
    answer.set_result(member.reply())
    await asyncio.gather(*late)


async def test_a_request_stays_within_its_size(way: Forwarder, member: Member) -> None:
    size = REQUEST_MAX_BYTES // 3
    answers = [way.send([chunk(n, size)], begin=0) for n in range(6)]
    for number in range(2):
        count, _, answer = await member.request(number)
        assert count == 3
        answer.set_result(member.reply())
    await asyncio.gather(*answers)


@pytest.mark.parametrize("error", [Unreachable("gone"), OutcomeUnknown("hung")])
async def test_nobody_waits_behind_a_member_that_failed(
    way: Forwarder, member: Member, error: CairnError
) -> None:
    first = way.send([chunk(1)], begin=0)
    _, _, answer = await member.request(0)
    second = way.send([chunk(2)], begin=0)
    _, _, other_lane = await member.request(1)
    behind = way.send([chunk(3)], begin=0)
    answer.set_exception(error)
    for failed in (first, behind):
        with pytest.raises(type(error)):
            await failed
    with pytest.raises(Unreachable, match="away"):
        await way.send([chunk(4)], begin=0)
    other_lane.set_result(member.reply())
    assert (await second).fileserver == 2, "what was on its way may still arrive"
    assert len(member.requests) == 2


async def test_after_a_while_the_member_is_tried_again(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "AVOID_UNREACHABLE_S", 0.0)
    way = Forwarder(SystemClock(), member.peer)
    first = way.send([chunk(1)], begin=0)
    (await member.request(0))[2].set_exception(Unreachable("gone"))
    with pytest.raises(Unreachable):
        await first
    again = way.send([chunk(2)], begin=0)
    (await member.request(1))[2].set_result(member.reply())
    assert (await again).fileserver == 2


async def test_a_member_without_space_is_not_taken_for_dead(way: Forwarder, member: Member) -> None:
    first = way.send([chunk(1)], begin=0)
    (await member.request(0))[2].set_exception(NoSpace("full"))
    with pytest.raises(NoSpace):
        await first
    again = way.send([chunk(2)], begin=0)
    (await member.request(1))[2].set_result(member.reply())
    await again


async def test_a_member_that_the_map_calls_away_is_not_asked(way: Forwarder, member: Member) -> None:
    member.takes = False
    with pytest.raises(Unreachable):
        await way.send([chunk(1)], begin=0)
    assert not member.requests


async def test_another_server_at_the_address_does_not_count(way: Forwarder, member: Member) -> None:
    member.answers_as = 3
    answer = way.send([chunk(1)], begin=0)
    (await member.request(0))[2].set_result(member.reply())
    with pytest.raises(Unreachable, match="fileserver 3 answers where 2 should"):
        await answer


async def test_what_may_wait_is_bounded(
    way: Forwarder, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "WAITING_MAX_BYTES", 25)
    fits = [way.send([chunk(n)], begin=0) for n in (1, 2)]
    with pytest.raises(Busy):
        await way.send([chunk(3)], begin=0)
    (await member.request(0))[2].set_result(member.reply())
    await asyncio.gather(*fits)


async def test_closing_fails_what_waits(way: Forwarder, member: Member) -> None:
    answers = [way.send([chunk(lane)], begin=0) for lane in range(3)]
    await member.request(0)
    await way.close()
    for answer in answers:
        with pytest.raises(CairnError):
            await answer
