"""One story of the control plane on every database: nothing in the routes or duties is for one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cairnfs.clock import SystemClock
from cairnfs.control.duties.forgetting import Forgetting
from cairnfs.control.duties.leadership import Leadership
from cairnfs.control.duties.orphans import Orphans
from cairnfs.control.duties.sessions import SessionExpiry
from cairnfs.errors import BadCredentials, InvitationRequired, NotFound, SealInvalid, TokenInvalid
from cairnfs.ids import GROUPS
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.ops import groups
from cairnfs.testing.clock import ManualClock
from cairnfs.wire import endpoints
from cairnfs.wire.auth import RefreshRequest
from cairnfs.wire.commits import Remove
from cairnfs.wire.directory import ListRequest, OpenRequest, PathText, StatRequest
from cairnfs.wire.people import InvitationRequest
from cairnfs.wire.sessions import SessionRequest
from cairnfs.wire.verification import VerifyGroupsRequest
from tests.unit.control.duties.test_reconcile import duty_of
from tests.unit.control.plane import Plane, directory, empty_file, plane
from tests.unit.control.stores import Crew


@pytest.fixture
async def cluster(database: Database) -> AsyncIterator[Plane]:
    clock = ManualClock(SystemClock().now_us())
    async with plane(open_signup=False, database=database, clock=clock) as made:
        yield made


async def test_logins(cluster: Plane) -> None:
    admin = await cluster.admin()
    invitation = await cluster.ask(endpoints.INVITATION, InvitationRequest(), admin.token)
    answers = await asyncio.gather(
        *(cluster.signup(name, invitation=invitation.secret) for name in ("ann", "bob")),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in answers) == ["InvitationRequired", "TokenReply"]
    with pytest.raises(InvitationRequired):
        await cluster.signup("carl")
    for name in ("nobody", "root\0", "\0"):
        with pytest.raises(BadCredentials):
            await cluster.login(name, "a password")
    sealed = await cluster.sealed(cluster.login_message("root"))
    answers = await asyncio.gather(
        *(cluster.ask(endpoints.LOGIN, sealed) for _ in range(3)), return_exceptions=True
    )
    kinds = sorted(type(one).__name__ for one in answers)
    assert kinds == ["SealInvalid", "SealInvalid", "TokenReply"]
    with pytest.raises(SealInvalid):
        await cluster.ask(endpoints.LOGIN, sealed)
    request = RefreshRequest(refresh_token=admin.refresh_token)
    await cluster.ask(endpoints.REFRESH, request)
    await cluster.change_password(admin.token, "root's password", "a better password")
    with pytest.raises(TokenInvalid):
        await cluster.ask(endpoints.REFRESH, request)


async def test_chunks_and_groups(cluster: Plane) -> None:
    await cluster.admin()
    await Leadership(cluster.app.driver, cluster.clock).stand()
    crew = Crew(cluster)
    await crew.grow(3)
    await crew.write("/f", b"one", b"two", holders=crew.stores[:2])
    await crew.write("/g", b"three")
    await cluster.beat(crew.stores[0].joined, full=True)
    term = Leadership(cluster.app.driver, cluster.clock).term or 1
    token = (await cluster.login("root")).token
    whole = VerifyGroupsRequest(first=0, last=GROUPS - 1)
    before = await cluster.ask(endpoints.VERIFY_GROUPS, whole, token)
    assert (before.findings, before.copies_missing, before.groups_dirty) == ([], 2, 2)
    await duty_of(crew).turn(term)  # type: ignore[arg-type]
    after = await cluster.ask(endpoints.VERIFY_GROUPS, whole, token)
    assert (after.findings, after.copies, after.groups_dirty) == ([], 9, 0)
    assert not any(group.dirty for group in await cluster.app.driver.read(groups.every))
    opened = await cluster.ask(endpoints.OPEN, OpenRequest(path="/f"), token)
    assert len(opened.chunks) == 2
    status = await cluster.ask(endpoints.STATUS, None, token)
    assert (status.ready, status.database) == (True, cluster.database.kind)


async def test_names_sessions_and_forgetting(cluster: Plane) -> None:
    admin = await cluster.admin()
    driver, clock = cluster.app.driver, cluster.clock
    lead = Leadership(driver, clock)
    await lead.stand()
    assert lead.term is not None
    term = lead.term
    await cluster.commit(admin.token, directory("/d"), directory("/d/e"), empty_file("/d/e/f"))
    listed = await cluster.ask(endpoints.LIST, ListRequest(path="/d"), admin.token)
    assert [entry.name for entry in listed.entries] == ["e"]
    await cluster.commit(admin.token, Remove(path="/d", recursive=True))
    found = await cluster.ask(endpoints.STAT, StatRequest(paths=[PathText(path="/d/e/f")]), admin.token)
    assert found.results[0].error is not None
    duty = Orphans(driver, clock)
    while await duty.turn(term):
        pass
    with pytest.raises(NotFound):
        await cluster.ask(endpoints.LIST, ListRequest(path="/d"), admin.token)

    await cluster.ask(endpoints.BEGIN_SESSION, SessionRequest(label="x"), admin.token)
    expiry = SessionExpiry(driver, clock)
    for _ in range(16):
        await expiry.turn(term)
        clock.advance(1)
    assert (await cluster.ask(endpoints.STATUS, None, admin.token)).sessions == 0

    await cluster.ask(endpoints.INVITATION, InvitationRequest(ttl_ms=1000), admin.token)
    await Forgetting(driver).turn(term)
    verified = await cluster.ask(endpoints.VERIFY_DATABASE, None, admin.token)
    assert verified.findings == []
