"""Verifying groups over the wire: every kind of damage is found by its name, and repaired if it can be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cairnfs.core.placement import group_of
from cairnfs.errors import BadRequest, DeadlineExceeded, Forbidden
from cairnfs.ids import GROUPS, Hash
from cairnfs.metadata.ops import groups
from cairnfs.wire import endpoints
from cairnfs.wire.verification import VerifyGroupsReply, VerifyGroupsRequest
from tests.unit.control.plane import plane
from tests.unit.control.stores import Crew, digest

ONE = digest(b"one")


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    async with plane() as made:
        await made.admin()
        one = Crew(made)
        await one.grow(3)
        await one.write("/f", b"one", b"three", b"five")
        yield one


async def verify(crew: Crew, *, deep: bool = False) -> VerifyGroupsReply:
    token = (await crew.plane.login("root")).token
    request = VerifyGroupsRequest(first=0, last=GROUPS - 1, deep=deep)
    return await crew.plane.ask(endpoints.VERIFY_GROUPS, request, token)


async def found(crew: Crew, *, deep: bool = False) -> list[str]:
    return [finding.invariant for finding in (await verify(crew, deep=deep)).findings]


async def test_what_is_well_is_said_to_be_well(crew: Crew) -> None:
    for deep in (False, True):
        reply = await verify(crew, deep=deep)
        assert reply.findings == []
        assert (reply.chunks, reply.bytes, reply.copies) == (3, 12, 9)
        assert (reply.copies_missing, reply.groups_dirty) == (0, 0)


async def test_part_of_the_groups_counts_part_of_the_chunks(crew: Crew) -> None:
    token = (await crew.plane.login("root")).token
    group = group_of(Hash(ONE))
    request = VerifyGroupsRequest(first=group, last=group)
    reply = await crew.plane.ask(endpoints.VERIFY_GROUPS, request, token)
    assert (reply.chunks, reply.bytes) == (1, 3)


async def test_a_copy_missing_from_a_clean_group_is_found_and_the_group_distrusted(crew: Crew) -> None:
    crew.stores[2].hide(ONE)
    reply = await verify(crew)
    assert [finding.invariant for finding in reply.findings] == ["too_few_copies", "clean_group_misses"]
    assert ONE.hex() in reply.findings[0].detail
    every = await crew.plane.app.driver.read(groups.every)
    assert [group.id for group in every if group.dirty] == [group_of(Hash(ONE))]


async def test_a_chunk_that_is_gone_everywhere_is_lost(crew: Crew) -> None:
    for store in crew.stores:
        store.hide(ONE)
    assert await found(crew) == ["chunk_lost"]


async def test_a_rotten_copy_is_found_by_a_deep_look_only(crew: Crew) -> None:
    crew.stores[0].corrupt.add(ONE)
    assert await found(crew) == []
    assert (await found(crew, deep=True))[0] == "chunk_corrupt"


async def test_a_copy_of_another_size(crew: Crew) -> None:
    crew.stores[0].chunks[ONE] = 4
    assert "chunk_wrong_size" in await found(crew)


async def test_a_silent_member_is_one_finding_and_its_copies_none(crew: Crew) -> None:
    del crew.plane.transport.apps[crew.stores[1].joined.address]
    reply = await verify(crew)
    assert [finding.invariant for finding in reply.findings] == ["unreachable"]
    assert f"fileserver {crew.stores[1].id}" in reply.findings[0].detail
    assert (reply.copies, reply.copies_missing) == (6, 0)


async def test_with_a_silent_member_a_chunk_may_be_away_but_is_not_lost(crew: Crew) -> None:
    del crew.plane.transport.apps[crew.stores[1].joined.address]
    crew.stores[0].hide(ONE)
    crew.stores[2].hide(ONE)
    assert await found(crew) == ["unreachable", "chunk_unavailable"]


async def test_copies_still_to_be_made_are_counted_not_found(crew: Crew) -> None:
    await crew.write("/g", b"late", holders=crew.stores[:2])
    reply = await verify(crew)
    assert reply.findings == []
    assert (reply.copies_missing, reply.groups_dirty) == (1, 1)


async def test_a_commit_under_the_comparison_is_no_finding(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups are read first, chunks later: between the two a group may become dirty."""
    judging = crew.plane.app.driver.survey
    once = [True]

    async def late(function: object) -> object:
        if once.pop() if once else False:
            await crew.write("/g", b"late", holders=crew.stores[:2])
        return await judging(function)  # type: ignore[arg-type]

    monkeypatch.setattr(crew.plane.app.driver, "survey", late)
    reply = await verify(crew)
    assert reply.findings == []
    assert reply.copies_missing == 1


async def test_it_ends_before_its_deadline(crew: Crew) -> None:
    token = (await crew.plane.login("root")).token
    calls = crew.plane.calls(token)
    with pytest.raises(DeadlineExceeded):
        await calls.call(
            endpoints.VERIFY_GROUPS, VerifyGroupsRequest(first=0, last=GROUPS - 1), timeout_s=0.5
        )


@pytest.mark.parametrize(("first", "last"), [(0, GROUPS), (5, 4), (GROUPS, GROUPS)])
async def test_groups_that_there_are_not(crew: Crew, first: int, last: int) -> None:
    token = (await crew.plane.login("root")).token
    with pytest.raises(BadRequest):
        await crew.plane.ask(endpoints.VERIFY_GROUPS, VerifyGroupsRequest(first=first, last=last), token)


async def test_only_administrators_verify(crew: Crew) -> None:
    user = await crew.plane.signup("ann")
    with pytest.raises(Forbidden):
        await crew.plane.ask(endpoints.VERIFY_GROUPS, VerifyGroupsRequest(first=0, last=0), user.token)
    with pytest.raises(Forbidden):
        await crew.plane.ask(endpoints.VERIFY_DATABASE, None, user.token)


async def test_the_database_is_well(crew: Crew) -> None:
    token = (await crew.plane.login("root")).token
    reply = await crew.plane.ask(endpoints.VERIFY_DATABASE, None, token)
    assert reply.findings == []
    assert reply.counts["chunks"] == 3
