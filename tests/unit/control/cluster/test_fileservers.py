"""Fileservers over the wire: joining once, registering, heartbeats, and who may speak for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cairnfs.errors import BadRequest, Conflict, Forbidden, JoinRefused, NotFound, TokenInvalid
from cairnfs.wire import endpoints
from cairnfs.wire.auth import OneTimeRequest, RefreshRequest, TokenReply
from cairnfs.wire.cluster import HeartbeatRequest, JoinRequest, RegisterRequest
from cairnfs.wire.people import InvitationRequest
from tests.unit.control.plane import Plane, plane

BOOT = "0123456789abcdef" * 2


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


@pytest.fixture
async def admin(cluster: Plane) -> TokenReply:
    return await cluster.admin()


def joining(token: str, number: int = 1) -> JoinRequest:
    return JoinRequest(join_token=token, address=f"http://fs{number}:1", boot=BOOT, zone="rack 1")


async def test_a_fileserver_joins_and_is_in_the_map(cluster: Plane, admin: TokenReply) -> None:
    joined = await cluster.join(admin)
    reply = joined.reply
    assert len(reply.receipt_key) == 32
    assert reply.cluster_id == cluster.app.cluster_id
    seen = await cluster.ask(endpoints.CLUSTER_MAP, None, reply.token)
    assert [(one.id, one.address, one.state, one.boot) for one in seen.fileservers] == [
        (reply.fileserver, joined.address, "up", joined.boot)
    ]
    assert all(members == [reply.fileserver] for members in seen.groups)
    assert "receipt_key" not in repr(reply)


async def test_a_join_token_works_once_also_for_two_at_the_same_time(
    cluster: Plane, admin: TokenReply
) -> None:
    token = await cluster.join_token(admin)
    answers = await asyncio.gather(
        *(cluster.ask(endpoints.JOIN, joining(token, number)) for number in (1, 2, 3)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in answers) == ["JoinRefused", "JoinRefused", "JoinReply"]
    seen = await cluster.ask(endpoints.CLUSTER_MAP, None, admin.token)
    assert len(seen.fileservers) == 1


@pytest.mark.parametrize("token", ["", "made up", "\0", "x" * 10_000])
async def test_a_join_token_that_is_none(cluster: Plane, token: str) -> None:
    with pytest.raises(JoinRefused):
        await cluster.ask(endpoints.JOIN, joining(token))


async def test_an_expired_join_token(cluster: Plane, admin: TokenReply) -> None:
    secret = (await cluster.ask(endpoints.JOIN_TOKEN, OneTimeRequest(ttl_ms=1000), admin.token)).secret
    cluster.clock.advance(2)
    with pytest.raises(JoinRefused):
        await cluster.ask(endpoints.JOIN, joining(secret))


async def test_an_invitation_is_no_join_token(cluster: Plane, admin: TokenReply) -> None:
    secret = (await cluster.ask(endpoints.INVITATION, InvitationRequest(), admin.token)).secret
    with pytest.raises(JoinRefused):
        await cluster.ask(endpoints.JOIN, joining(secret))


async def test_its_refresh_token_outlives_months(cluster: Plane, admin: TokenReply) -> None:
    joined = await cluster.join(admin)
    cluster.clock.advance(400 * 24 * 3600)
    request = RefreshRequest(refresh_token=joined.reply.refresh_token)
    reply = await cluster.ask(endpoints.REFRESH, request)
    assert (reply.role, reply.user) == ("fileserver", f"fileserver:{joined.reply.fileserver}")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "fs1:1",
        "ftp://fs1:1",
        "http://fs1",
        "http://:1",
        "http://fs1:x",
        "http://fs1:1/path",
        "http://fs1:1?query",
        "http://fs1:99999",
        "http://fs 1:1",
        "http://fs1\n:1",
        "http://[::1:1",
        "http://" + "x" * 300 + ":1",
    ],
)
async def test_an_address_that_is_none(cluster: Plane, admin: TokenReply, address: str) -> None:
    token = await cluster.join_token(admin)
    with pytest.raises(BadRequest):
        await cluster.ask(endpoints.JOIN, JoinRequest(join_token=token, address=address, boot=BOOT))
    await cluster.ask(endpoints.JOIN, JoinRequest(join_token=token, address="http://[::1]:80", boot=BOOT))


async def test_a_new_start_registers_and_the_old_one_is_refused(cluster: Plane, admin: TokenReply) -> None:
    joined = await cluster.join(admin)
    await cluster.beat(joined)
    name = str(joined.reply.fileserver)
    request = RegisterRequest(address="http://elsewhere:2", boot=BOOT)
    reply = await cluster.ask(endpoints.REGISTER, request, joined.reply.token, fileserver=name)
    with pytest.raises(Conflict):
        await cluster.beat(joined)
    joined.boot, joined.counter = BOOT, 0
    assert (await cluster.beat(joined)).map_version == reply.map_version
    seen = await cluster.ask(endpoints.CLUSTER_MAP, None, admin.token)
    assert seen.fileservers[0].address == "http://elsewhere:2"


async def test_no_fileserver_speaks_for_another(cluster: Plane, admin: TokenReply) -> None:
    one, two = await cluster.join(admin, 1), await cluster.join(admin, 2)
    beat = HeartbeatRequest(boot=two.boot, counter=1, used_bytes=0, free_bytes=0, chunks=0)
    other = str(two.reply.fileserver)
    with pytest.raises(Forbidden):
        await cluster.ask(endpoints.HEARTBEAT, beat, one.reply.token, fileserver=other)
    register = RegisterRequest(address="http://mine:1", boot=BOOT)
    with pytest.raises(Forbidden):
        await cluster.ask(endpoints.REGISTER, register, one.reply.token, fileserver=other)


@pytest.mark.parametrize("name", ["99", "x", "9" * 60, "-1"])
async def test_a_fileserver_that_there_is_not(cluster: Plane, admin: TokenReply, name: str) -> None:
    joined = await cluster.join(admin)
    beat = HeartbeatRequest(boot=joined.boot, counter=1, used_bytes=0, free_bytes=0, chunks=0)
    with pytest.raises(NotFound):
        await cluster.ask(endpoints.HEARTBEAT, beat, joined.reply.token, fileserver=name)


async def test_people_are_no_fileservers(cluster: Plane, admin: TokenReply) -> None:
    joined = await cluster.join(admin)
    beat = HeartbeatRequest(boot=joined.boot, counter=1, used_bytes=0, free_bytes=0, chunks=0)
    name = str(joined.reply.fileserver)
    with pytest.raises(Forbidden):
        await cluster.ask(endpoints.HEARTBEAT, beat, admin.token, fileserver=name)
    with pytest.raises(TokenInvalid):
        await cluster.ask(endpoints.HEARTBEAT, beat, "x", fileserver=name)
