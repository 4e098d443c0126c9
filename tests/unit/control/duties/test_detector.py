"""Silent fileservers: suspect after 3 s, down after 5 s, up at the next heartbeat; an alarm for many."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from cairnfs.control.duties.detector import Detector
from cairnfs.control.duties.leadership import Leadership, Term
from cairnfs.errors import Aborted
from cairnfs.wire import endpoints
from cairnfs.wire.auth import TokenReply
from tests.unit.control.plane import Joined, Plane, plane

TERM = Term(1)


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        await Leadership(made.app.driver, made.clock).stand()
        yield made


@pytest.fixture
async def admin(cluster: Plane) -> TokenReply:
    return await cluster.admin()


async def watch(cluster: Plane, duty: Detector, seconds: float, *beating: Joined) -> None:
    """A turn each half second; these fileservers send a heartbeat each second."""
    for half in range(int(seconds * 2)):
        cluster.clock.advance(0.5)
        if half % 2:
            for one in beating:
                await cluster.beat(one)
        await duty.turn(TERM)


async def test_a_fileserver_that_beats_stays_up(cluster: Plane, admin: TokenReply) -> None:
    one, duty = await cluster.join(admin), Detector(cluster.app.driver, cluster.clock)
    await watch(cluster, duty, 30, one)
    assert await cluster.state(admin, one) == "up"


async def test_silence_is_suspect_then_down_and_a_heartbeat_ends_it(
    cluster: Plane, admin: TokenReply
) -> None:
    one, duty = await cluster.join(admin), Detector(cluster.app.driver, cluster.clock)
    await duty.turn(TERM)
    seen = []
    for _ in range(12):
        await watch(cluster, duty, 0.5)
        seen.append(await cluster.state(admin, one))
    assert seen == ["up"] * 5 + ["suspect"] * 4 + ["down"] * 3
    await cluster.beat(one)
    assert await cluster.state(admin, one) == "up"
    await watch(cluster, duty, 2)
    assert await cluster.state(admin, one) == "up"


async def test_each_change_makes_a_new_map(cluster: Plane, admin: TokenReply) -> None:
    one, duty = await cluster.join(admin), Detector(cluster.app.driver, cluster.clock)
    before = (await cluster.ask(endpoints.CLUSTER_MAP, None, admin.token)).version
    await watch(cluster, duty, 6)
    changed = await cluster.ask(endpoints.CLUSTER_MAP, None, admin.token)
    assert changed.version == before + 2
    assert changed.fileservers[0].state == "down"
    reply = await cluster.beat(one)
    now = await cluster.ask(endpoints.CLUSTER_MAP, None, admin.token)
    assert now.version == before + 3
    assert (await cluster.beat(one)).map_version == now.version
    assert reply.map_version <= now.version


async def test_a_full_fileserver_says_so_itself(cluster: Plane, admin: TokenReply) -> None:
    one, duty = await cluster.join(admin), Detector(cluster.app.driver, cluster.clock)
    await cluster.beat(one, full=True)
    assert await cluster.state(admin, one) == "full"
    await watch(cluster, duty, 6)
    assert await cluster.state(admin, one) == "down"
    await cluster.beat(one, full=True)
    assert await cluster.state(admin, one) == "full"
    await cluster.beat(one)
    assert await cluster.state(admin, one) == "up"


async def test_a_watcher_that_just_began_waits_its_full_time(cluster: Plane, admin: TokenReply) -> None:
    one = await cluster.join(admin)
    cluster.clock.advance(600)
    duty = Detector(cluster.app.driver, cluster.clock)
    await watch(cluster, duty, 2.5)
    assert await cluster.state(admin, one) == "up"
    duty.rest()
    await watch(cluster, duty, 2.5)
    assert await cluster.state(admin, one) == "up"


async def test_a_frozen_watcher_does_not_blame_the_others(cluster: Plane, admin: TokenReply) -> None:
    one, duty = await cluster.join(admin), Detector(cluster.app.driver, cluster.clock)
    await watch(cluster, duty, 3, one)
    cluster.clock.advance(60)
    await duty.turn(TERM)
    assert await cluster.state(admin, one) == "up"


async def test_without_the_lead_nothing_is_changed(cluster: Plane, admin: TokenReply) -> None:
    one, duty = await cluster.join(admin), Detector(cluster.app.driver, cluster.clock)
    await watch(cluster, duty, 3)
    cluster.clock.advance(0.5)
    with pytest.raises(Aborted):
        await duty.turn(Term(9))
    assert await cluster.state(admin, one) == "up"


async def test_when_over_a_third_go_down_at_once_there_is_one_alarm(
    cluster: Plane, admin: TokenReply
) -> None:
    crew = [await cluster.join(admin, number) for number in range(1, 5)]
    duty = Detector(cluster.app.driver, cluster.clock)
    with capture_logs() as logs:
        await watch(cluster, duty, 8, *crew[:2])
    assert [await cluster.state(admin, one) for one in crew] == ["up", "up", "down", "down"]
    alarms = [log for log in logs if log["log_level"] == "error"]
    assert len(alarms) == 1
    assert alarms[0]["down"] == [one.reply.fileserver for one in crew[2:]]


async def test_one_of_three_is_no_alarm(cluster: Plane, admin: TokenReply) -> None:
    crew = [await cluster.join(admin, number) for number in (1, 2, 3)]
    duty = Detector(cluster.app.driver, cluster.clock)
    with capture_logs() as logs:
        await watch(cluster, duty, 8, *crew[:2])
    assert not [log for log in logs if log["log_level"] == "error"]


async def test_those_that_go_one_after_the_other_are_no_alarm(cluster: Plane, admin: TokenReply) -> None:
    crew = [await cluster.join(admin, number) for number in (1, 2, 3)]
    duty = Detector(cluster.app.driver, cluster.clock)
    with capture_logs() as logs:
        await watch(cluster, duty, 16, *crew[:2])
        await watch(cluster, duty, 8, crew[0])
    assert [await cluster.state(admin, one) for one in crew] == ["up", "down", "down"]
    assert not [log for log in logs if log["log_level"] == "error"]
