"""Dirty groups become clean when every member has everything, and only then."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairnfs.control.cluster.inventories import Inventories, Listed
from cairnfs.control.duties import reconcile
from cairnfs.control.duties.detector import Detector
from cairnfs.control.duties.leadership import Leadership, Term
from cairnfs.control.duties.reconcile import AGAIN_S, Reconcile
from cairnfs.core.placement import group_of
from cairnfs.errors import Aborted
from cairnfs.ids import Hash
from cairnfs.metadata.ops import groups
from cairnfs.net.calls import Calls
from cairnfs.testing.clock import ManualClock
from cairnfs.wire import endpoints
from cairnfs.wire.auth import RefreshRequest
from cairnfs.wire.cluster import RegisterRequest
from tests.unit.control.plane import Plane, plane
from tests.unit.control.stores import Crew, Store, digest

TERM = Term(1)


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    async with plane() as made:
        await Leadership(made.app.driver, made.clock).stand()
        await made.admin()
        one = Crew(made)
        await one.grow(3)
        yield one


def duty_of(crew: Crew, token: str = "") -> Reconcile:
    """The duty as `app.build` makes it."""
    cluster = crew.plane

    async def source() -> str:
        return token or (await refreshed(crew.stores[0]))

    async def refreshed(store: Store) -> str:
        request = RefreshRequest(refresh_token=store.joined.reply.refresh_token)
        return (await cluster.ask(endpoints.REFRESH, request)).token

    def calls_to(address: str) -> Calls:
        return Calls(cluster.transport, address, clock=cluster.clock, token=source)

    async def page(low: bytes, high: bytes | None, limit: int) -> list[Listed]:
        rows = await cluster.app.driver.read(lambda tx: groups.listed(tx, low, high, limit))
        return [Listed(*row) for row in rows]

    return Reconcile(cluster.app.driver, Inventories(page, calls_to, cluster.clock), calls_to, cluster.clock)


async def dirty(cluster: Plane) -> set[int]:
    every = await cluster.app.driver.read(groups.every)
    return {group.id for group in every if group.dirty}


async def test_a_new_cluster_is_clean(crew: Crew) -> None:
    assert await dirty(crew.plane) == set()
    assert not await duty_of(crew).turn(TERM)


async def test_a_commit_that_misses_a_member_makes_its_group_dirty_and_repair_makes_it_clean(
    crew: Crew,
) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    assert await dirty(crew.plane) == {group_of(Hash(digest(b"one")))}
    await duty_of(crew).turn(TERM)
    assert await dirty(crew.plane) == set()
    assert crew.stores[2].chunks == {digest(b"one"): 3}
    assert sorted(crew.stores[2].fetched[0].sources) == [crew.stores[0].id, crew.stores[1].id]


async def test_a_member_that_has_it_after_all_is_told_nothing(crew: Crew) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    crew.stores[2].chunks[digest(b"one")] = 3
    await duty_of(crew).turn(TERM)
    assert await dirty(crew.plane) == set()
    assert crew.stores[2].fetched == []


async def test_fileservers_are_asked_as_one_of_their_own(crew: Crew) -> None:
    await crew.plane.app.start()
    await crew.write("/f", b"one", holders=crew.stores[:2])

    async def everyone_beats() -> None:
        for store in crew.stores:
            await crew.plane.beat(store.joined)

    for _ in range(60):
        await everyone_beats()
        await crew.plane.clock.until(lambda: True)
        await crew.plane.clock.run(0.5)
        if not await dirty(crew.plane):
            break
    assert await dirty(crew.plane) == set()
    assert {(one.name, one.role) for store in crew.stores for one in store.callers} == {
        ("control", "fileserver")
    }


async def test_with_a_member_down_nothing_is_tried(crew: Crew) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    detector = Detector(crew.plane.app.driver, crew.plane.clock)
    for _ in range(14):
        crew.plane.clock.advance(0.5)
        for store in crew.stores[:2]:
            await crew.plane.beat(store.joined)
        await detector.turn(TERM)
    await duty_of(crew).turn(TERM)
    assert len(await dirty(crew.plane)) == 1
    assert all(store.fetched == [] for store in crew.stores)


async def test_a_member_that_does_not_answer_keeps_the_group_dirty(crew: Crew) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    gone = crew.plane.transport.apps.pop(crew.stores[1].joined.address)
    duty = duty_of(crew)
    await duty.turn(TERM)
    assert len(await dirty(crew.plane)) == 1
    crew.plane.transport.apps[crew.stores[1].joined.address] = gone
    await duty.turn(TERM)
    assert len(await dirty(crew.plane)) == 1, "it is left alone for a while"
    crew.plane.clock.advance(AGAIN_S + 1)
    await duty.turn(TERM)
    assert await dirty(crew.plane) == set()


async def test_a_member_that_cannot_fetch_keeps_the_group_dirty_but_not_the_others(crew: Crew) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    await crew.write("/g", b"two", holders=crew.stores[1:])
    crew.stores[2].broken = True
    await duty_of(crew).turn(TERM)
    assert await dirty(crew.plane) == {group_of(Hash(digest(b"one")))}
    assert digest(b"two") in crew.stores[0].chunks


async def test_a_chunk_that_nobody_has_keeps_the_group_dirty(crew: Crew) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    for store in crew.stores:
        store.hide(digest(b"one"))
    await duty_of(crew).turn(TERM)
    assert len(await dirty(crew.plane)) == 1


async def test_a_miss_committed_during_the_comparison_keeps_the_group_dirty(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison read the list before the commit: only the mark can tell."""
    await crew.write("/f", b"one", holders=crew.stores[:2])
    group = group_of(Hash(digest(b"one")))
    other = next(
        content
        for content in (b"%d" % number for number in range(100_000))
        if group_of(Hash(digest(content))) == group
    )
    duty = duty_of(crew)
    walk = duty._walk

    async def walk_then_commit(comparison: reconcile._Comparison) -> None:
        await walk(comparison)
        await crew.write("/g", other, holders=crew.stores[:2])

    monkeypatch.setattr(duty, "_walk", walk_then_commit)
    await duty.turn(TERM)
    assert await dirty(crew.plane) == {group}
    monkeypatch.undo()
    await duty.turn(TERM)
    assert await dirty(crew.plane) == set()
    assert other != b"one"
    assert digest(other) in crew.stores[2].chunks


async def test_a_commit_that_misses_nobody_meanwhile_does_no_harm(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    duty = duty_of(crew)
    walk = duty._walk

    async def walk_then_commit(comparison: reconcile._Comparison) -> None:
        await walk(comparison)
        await crew.write("/g", b"two")

    monkeypatch.setattr(duty, "_walk", walk_then_commit)
    await duty.turn(TERM)
    assert await dirty(crew.plane) == set()


async def test_a_member_that_starts_again_during_the_comparison_keeps_the_group_dirty(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    await crew.write("/g", b"two")
    duty = duty_of(crew)
    walk = duty._walk

    async def walk_then_restart(comparison: reconcile._Comparison) -> None:
        await walk(comparison)
        joined = crew.stores[0].joined
        joined.boot, joined.counter = "f" * 32, 0
        request = RegisterRequest(address=joined.address, boot=joined.boot)
        fileserver = str(crew.stores[0].id)
        await crew.plane.ask(endpoints.REGISTER, request, joined.reply.token, fileserver=fileserver)

    monkeypatch.setattr(duty, "_walk", walk_then_restart)
    await duty.turn(TERM)
    both = {group_of(Hash(digest(content))) for content in (b"one", b"two")}
    assert await dirty(crew.plane) == both
    monkeypatch.undo()
    await duty.turn(TERM)
    crew.plane.clock.advance(AGAIN_S + 1)
    await duty.turn(TERM)
    assert await dirty(crew.plane) == set()


async def test_an_answer_of_an_earlier_start_does_not_count(crew: Crew) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    crew.stores[2].joined.boot = "f" * 32  # answers so, but has not registered
    await duty_of(crew).turn(TERM)
    assert len(await dirty(crew.plane)) == 1


async def test_a_new_member_of_a_group_gets_what_it_lacks() -> None:
    async with plane() as made:
        await Leadership(made.app.driver, made.clock).stand()
        await made.admin()
        crew = Crew(made)
        await crew.grow(2)
        contents = [b"%d" % number for number in range(200)]
        await crew.write("/f", *contents)
        await crew.grow(1)
        assert len(await dirty(made)) > 100
        while await duty_of(crew).turn(TERM):
            pass
        assert await dirty(made) == set()
        assert crew.stores[2].chunks == crew.stores[0].chunks
        assert len(crew.stores[2].chunks) == 200


async def test_without_the_lead_nothing_is_made_clean(crew: Crew) -> None:
    await crew.write("/f", b"one", holders=crew.stores[:2])
    with pytest.raises(Aborted):
        await duty_of(crew).turn(Term(5))
    assert len(await dirty(crew.plane)) == 1


async def test_copying_is_paced(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "FETCH_MAX_CHUNKS", 1)
    monkeypatch.setattr(reconcile, "BYTES_A_SECOND", 3)
    duty, paced = duty_of(crew), Paced()
    await crew.write("/f", b"one", b"two", holders=crew.stores[:2])
    monkeypatch.setattr(duty, "_clock", paced)
    await duty.turn(TERM)
    assert paced.pauses == [1.0, 1.0]
    assert len(crew.stores[2].chunks) == 2


class Paced(ManualClock):
    """Notes how long one wanted to sleep, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
