"""Waiting for a lock by long poll: until its grant, the end of what was waited for, or of the time given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.control.locks.news import SWEEP_S
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.locks import LockReply, WaitRequest
from cairnfs.wire.people import ChangeUserRequest
from tests.unit.control.locks.asking import TOKEN, Client
from tests.unit.control.locks.conftest import PATH
from tests.unit.control.plane import Plane

T = TypeVar("T")


async def soon(cluster: Plane, what: Awaitable[T]) -> T:
    """What is awaited, while the cluster's time passes at ten times the usual speed."""
    task = asyncio.ensure_future(what)
    async with asyncio.timeout(20):
        while not task.done():
            await SystemClock().sleep(0.005)
            await cluster.clock.run(0.05)
    return await task


async def at_once(what: Awaitable[T]) -> T:
    """What is awaited, while no time passes for the cluster."""
    async with asyncio.timeout(10):
        return await what


async def waiting(client: Client, lock: int, timeout_s: float = 25.0) -> asyncio.Task[LockReply]:
    """A long poll that has been taken up: the process looks for news since."""
    task = asyncio.create_task(client.wait(lock, timeout_s))
    async with asyncio.timeout(5):
        while not client.plane.app.news.is_awaited(lock):
            await SystemClock().sleep(0.002)
    return task


async def test_a_request_waits_and_is_told_of_its_grant(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann, label) for label in ("one", "two")]
    held, asked = await first.lock(PATH), await second.lock(PATH)
    assert (held.state, asked.state, asked.fence, asked.place) == ("held", "waiting", 0, 1)
    assert asked.holder is not None
    assert (asked.holder.lock, asked.holder.user, asked.holder.label) == (held.lock, "ann", "one")
    poll = await waiting(second, asked.lock)
    await first.release(held.lock)
    told = await at_once(poll)
    assert (told.lock, told.state, told.incarnation) == (asked.lock, "held", held.incarnation)
    assert told.fence > held.fence
    assert await second.wait(asked.lock) == told


async def test_without_time_it_is_told_how_it_stands(cluster: Plane, ann: TokenReply) -> None:
    first, second, third = [await Client.begin(cluster, ann) for _ in range(3)]
    held, asked, last = await first.lock(PATH), await second.lock(PATH), await third.lock(PATH)
    assert (await first.wait(held.lock)).state == "held"
    assert await second.wait(asked.lock) == asked
    assert (await third.wait(last.lock)).place == 2


async def test_when_time_is_over_it_stands_as_it_stands(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    await first.lock(PATH)
    asked = await second.lock(PATH)
    began = cluster.clock.monotonic()
    assert await soon(cluster, second.wait(asked.lock, 3.0)) == asked
    assert 3.0 <= cluster.clock.monotonic() - began < 6.0


async def test_only_who_is_next_is_told(cluster: Plane, ann: TokenReply) -> None:
    holder, *others = [await Client.begin(cluster, ann) for _ in range(4)]
    held = await holder.lock(PATH)
    asked = [await one.lock(PATH) for one in others]
    polls = [await waiting(one, request.lock) for one, request in zip(others, asked, strict=True)]
    for turn, poll in enumerate(polls):
        await holder.release(held.lock)
        told = await at_once(poll)
        assert (told.lock, told.state) == (asked[turn].lock, "held")
        assert not any(later.done() for later in polls[turn + 1 :])
        holder, held = others[turn], told


async def test_what_was_granted_before_anybody_waited(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    held, asked = await first.lock(PATH), await second.lock(PATH)
    await first.release(held.lock)
    assert (await second.wait(asked.lock, 25.0)).state == "held"


async def test_a_request_that_was_withdrawn_is_waited_for_no_longer(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    await first.lock(PATH)
    asked = await second.lock(PATH)
    poll = await waiting(second, asked.lock)
    began = cluster.clock.monotonic()
    await second.release(asked.lock)
    with pytest.raises(e.NoSuchLock):
        await soon(cluster, poll)
    assert cluster.clock.monotonic() - began < 2 * SWEEP_S


async def test_so_is_one_whose_session_ended(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    await first.lock(PATH)
    asked = await second.lock(PATH)
    poll = await waiting(second, asked.lock)
    began = cluster.clock.monotonic()
    await second.end()
    with pytest.raises(e.NoSuchLock):
        await soon(cluster, poll)
    assert cluster.clock.monotonic() - began < 2 * SWEEP_S


async def test_and_one_that_was_broken(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    await first.lock(PATH)
    asked = await second.lock(PATH)
    poll = await waiting(second, asked.lock)
    await first.take_away(asked.lock, "in the way")
    with pytest.raises(e.NoSuchLock, match="broken"):
        await soon(cluster, poll)


async def test_the_end_of_a_session_lets_the_next_have_its_locks(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    await first.lock(PATH)
    asked = await second.lock(PATH)
    poll = await waiting(second, asked.lock)
    await first.end()
    assert (await at_once(poll)).state == "held"


async def test_so_does_the_end_of_a_user(cluster: Plane, ann: TokenReply) -> None:
    admin = await cluster.admin()
    holder, other = await Client.begin(cluster, ann), await Client.begin(cluster, admin)
    await holder.lock(PATH)
    asked = await other.lock(PATH)
    poll = await waiting(other, asked.lock)
    request = ChangeUserRequest(request_id="1" * 32, user="ann", state="disabled")
    await cluster.ask(endpoints.CHANGE_USER, request, admin.token)
    assert (await at_once(poll)).state == "held"


async def test_nobody_waits_with_a_wrong_token_or_for_a_lock_of_others(
    cluster: Plane, ann: TokenReply
) -> None:
    mine, foreign = await Client.begin(cluster, ann), await Client.begin(cluster, await cluster.signup("ben"))
    held = await mine.lock(PATH)
    with pytest.raises(e.LockTokenWrong):
        await mine.wait(held.lock, 25.0, token="0" * 32)
    with pytest.raises(e.LockTokenWrong):
        await foreign.wait(held.lock, 25.0)
    with pytest.raises(e.NoSuchLock):
        await mine.wait(held.lock + 7, 25.0)
    request = WaitRequest(token=TOKEN)
    for name in ("x", "0x7", "-1", "9" * 19):
        with pytest.raises(e.NoSuchLock):
            await cluster.ask(endpoints.WAIT_LOCK, request, ann.token, lock=name)


async def test_who_left_is_waited_for_no_longer(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    await first.lock(PATH)
    asked = await second.lock(PATH)
    poll = await waiting(second, asked.lock)
    poll.cancel()
    async with asyncio.timeout(5):
        while cluster.app.news.is_awaited(asked.lock):
            await SystemClock().sleep(0.002)


async def test_a_process_that_stops_says_so(cluster: Plane, ann: TokenReply) -> None:
    first, second = [await Client.begin(cluster, ann) for _ in range(2)]
    await first.lock(PATH)
    asked = await second.lock(PATH)
    poll = await waiting(second, asked.lock)
    await cluster.app.stop()
    with pytest.raises(e.Unavailable, match="stopping"):
        await poll
