"""Sessions end when their counter stood still for 15 s of the leader's own time, and not before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from cairnfs.control.duties.leadership import Leadership, Term
from cairnfs.control.duties.sessions import PAGE, SessionExpiry
from cairnfs.core.leases import LeaseTimes
from cairnfs.errors import Aborted, BadRequest, SessionEnded
from cairnfs.ids import SessionId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops.sessions import BeginSession
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from cairnfs.wire.sessions import RenewRequest, SessionReply, SessionRequest
from tests.unit.control.plane import Plane, plane

TERM = Term(1)


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        await Leadership(made.app.driver, made.clock).stand()
        yield made


@pytest.fixture
async def user(cluster: Plane) -> TokenReply:
    return await cluster.signup("ann")


async def begin(cluster: Plane, user: TokenReply) -> SessionReply:
    return await cluster.ask(endpoints.BEGIN_SESSION, SessionRequest(label="a test"), user.token)


async def renew(cluster: Plane, user: TokenReply, session: SessionReply, counter: int) -> None:
    request = RenewRequest(counter=counter, needs=session.commit)
    await cluster.ask(endpoints.RENEW_SESSION, request, user.token, session=session.session)


async def watch(cluster: Plane, duty: SessionExpiry, seconds: int) -> None:
    """A turn of the duty in each of so many seconds."""
    for _ in range(seconds):
        cluster.clock.advance(1)
        await duty.turn(TERM)


def user_id(cluster: Plane) -> UserId:
    """Whoever signed up last."""
    return UserId(cluster.database.read(lambda tx: tx.rows("SELECT max(id) FROM users"))[0][0])


async def sessions(cluster: Plane, user: TokenReply) -> int:
    return (await cluster.ask(endpoints.STATUS, None, user.token)).sessions


async def test_a_session_tells_its_times(cluster: Plane, user: TokenReply) -> None:
    session = await begin(cluster, user)
    assert (session.renew_ms, session.suspend_ms, session.lease_ms) == (5_000, 10_000, 15_000)


async def test_a_session_that_renews_lives(cluster: Plane, user: TokenReply) -> None:
    session, duty = await begin(cluster, user), SessionExpiry(cluster.app.driver, cluster.clock)
    for counter in range(1, 10):
        await watch(cluster, duty, 5)
        await renew(cluster, user, session, counter)


async def test_a_session_that_stops_ends_after_a_full_lease(cluster: Plane, user: TokenReply) -> None:
    session, duty = await begin(cluster, user), SessionExpiry(cluster.app.driver, cluster.clock)
    await duty.turn(TERM)
    await watch(cluster, duty, 14)
    assert await sessions(cluster, user) == 1
    await renew(cluster, user, session, 1)
    await watch(cluster, duty, 15)
    assert await sessions(cluster, user) == 1
    await watch(cluster, duty, 1)
    assert await sessions(cluster, user) == 0
    with pytest.raises(SessionEnded):
        await renew(cluster, user, session, 2)


async def test_a_counter_that_is_behind_renews_too(cluster: Plane, user: TokenReply) -> None:
    """Whoever else has a lock of the session renews it by the lock, and does not know the counter."""
    session, duty = await begin(cluster, user), SessionExpiry(cluster.app.driver, cluster.clock)
    await renew(cluster, user, session, 5)
    for _ in range(4):
        await watch(cluster, duty, 10)
        await renew(cluster, user, session, 1)
    assert await sessions(cluster, user) == 1


async def test_a_restart_of_the_watcher_gives_a_full_lease(cluster: Plane, user: TokenReply) -> None:
    await begin(cluster, user)
    await watch(cluster, SessionExpiry(cluster.app.driver, cluster.clock), 14)
    await watch(cluster, SessionExpiry(cluster.app.driver, cluster.clock), 15)
    assert await sessions(cluster, user) == 1


async def test_so_does_a_time_without_the_lead(cluster: Plane, user: TokenReply) -> None:
    duty = SessionExpiry(cluster.app.driver, cluster.clock)
    await begin(cluster, user)
    await watch(cluster, duty, 14)
    duty.rest()
    await watch(cluster, duty, 15)
    assert await sessions(cluster, user) == 1


async def test_so_does_a_freeze_of_the_whole_process(cluster: Plane, user: TokenReply) -> None:
    session, duty = await begin(cluster, user), SessionExpiry(cluster.app.driver, cluster.clock)
    await watch(cluster, duty, 3)
    cluster.clock.advance(600)
    await duty.turn(TERM)
    cluster.clock.advance(1)
    await renew(cluster, user, session, 1)
    await watch(cluster, duty, 10)
    assert await sessions(cluster, user) == 1


class LateDriver:
    """A driver whose reads are followed by something before their answer is used."""

    def __init__(self, driver: Driver, then: Callable[[], Awaitable[None]]) -> None:
        self._driver = driver
        self._then = then
        self.submit = driver.submit

    async def read(self, function: Callable[[Tx], Any]) -> Any:
        found = await self._driver.read(function)
        await self._then()
        return found


async def test_a_renewal_between_the_look_and_the_tx_saves_it(
    cluster: Plane, user: TokenReply, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, duty = await begin(cluster, user), SessionExpiry(cluster.app.driver, cluster.clock)
    await duty.turn(TERM)
    await watch(cluster, duty, 14)
    late = LateDriver(cluster.app.driver, lambda: renew(cluster, user, session, 1))
    monkeypatch.setattr(duty, "_driver", late)
    await watch(cluster, duty, 1)
    assert await sessions(cluster, user) == 1


async def test_without_the_lead_nothing_is_ended(cluster: Plane, user: TokenReply) -> None:
    await begin(cluster, user)
    duty = SessionExpiry(cluster.app.driver, cluster.clock)
    await watch(cluster, duty, 15)
    cluster.clock.advance(1)
    with pytest.raises(Aborted):
        await duty.turn(Term(7))
    assert await sessions(cluster, user) == 1


async def test_each_is_judged_by_the_lease_that_it_was_promised(cluster: Plane, user: TokenReply) -> None:
    """Another process of the control plane, or this one before it was started anew, promised another."""
    short, driver = LeaseTimes.parse("400:800:1200"), cluster.app.driver
    duty = SessionExpiry(driver, cluster.clock)
    await begin(cluster, user)
    assert duty.every_s == 1.0
    await duty.turn(TERM)
    operation = BeginSession(SessionId("1" * 32), user_id(cluster), "", deadline=1e9, times=short)
    await driver.submit(operation)
    cluster.clock.advance(1.0)
    await duty.turn(TERM)
    assert duty.every_s == 0.1
    for _ in range(11):
        cluster.clock.advance(duty.every_s)
        await duty.turn(TERM)
        assert await sessions(cluster, user) == 2
    for _ in range(2):  # tenths of seconds do not add up exactly
        cluster.clock.advance(duty.every_s)
        await duty.turn(TERM)
    assert await sessions(cluster, user) == 1
    await duty.turn(TERM)
    assert duty.every_s == 1.0


async def test_many_are_ended_in_pages(cluster: Plane, user: TokenReply) -> None:
    for _ in range(PAGE // 100):
        for _ in range(101):
            await begin(cluster, user)
    duty = SessionExpiry(cluster.app.driver, cluster.clock)
    await duty.turn(TERM)
    await watch(cluster, duty, 14)
    cluster.clock.advance(1)
    assert await duty.turn(TERM)
    assert await sessions(cluster, user) == 5
    assert not await duty.turn(TERM)
    assert await sessions(cluster, user) == 0


async def test_only_its_owner_renews_or_ends_a_session(cluster: Plane, user: TokenReply) -> None:
    session, other = await begin(cluster, user), await cluster.signup("bob")
    with pytest.raises(SessionEnded):
        await renew(cluster, other, session, 1)
    await cluster.ask(endpoints.END_SESSION, None, other.token, session=session.session)
    await renew(cluster, user, session, 1)
    await cluster.ask(endpoints.END_SESSION, None, user.token, session=session.session)
    with pytest.raises(SessionEnded):
        await renew(cluster, user, session, 2)
    await cluster.ask(endpoints.END_SESSION, None, user.token, session=session.session)


async def test_a_renewal_answers_the_present_and_takes_no_future(cluster: Plane, user: TokenReply) -> None:
    session = await begin(cluster, user)
    request = RenewRequest(counter=1, needs=session.commit + 1)
    with pytest.raises(BadRequest):
        await cluster.ask(endpoints.RENEW_SESSION, request, user.token, session=session.session)
    request = RenewRequest(counter=1, needs=session.commit)
    reply = await cluster.ask(endpoints.RENEW_SESSION, request, user.token, session=session.session)
    assert (reply.commit, reply.incarnation) == (session.commit, session.incarnation)


@pytest.mark.parametrize("label", ["x" * 256, "\0"])
async def test_a_label_that_is_not_allowed(cluster: Plane, user: TokenReply, label: str) -> None:
    with pytest.raises(BadRequest):
        await cluster.ask(endpoints.BEGIN_SESSION, SessionRequest(label=label), user.token)
