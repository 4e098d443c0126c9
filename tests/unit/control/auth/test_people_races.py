"""Two control-plane processes on one PostgreSQL: what is said to one about people counts at the other."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import Forbidden, TokenInvalid, Unauthenticated
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.testing.clock import ManualClock
from cairnfs.wire import endpoints
from cairnfs.wire.auth import RefreshRequest, TokenReply
from cairnfs.wire.people import ChangeUserRequest, ListPeopleRequest, UserInfo
from tests.unit.control.plane import Plane, directory, plane


@pytest.fixture
async def two(postgres_dsn: str) -> AsyncIterator[tuple[Plane, Plane]]:
    clock = ManualClock(SystemClock().now_us())
    with (
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as one,
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as other,
    ):
        async with plane(database=one, clock=clock) as first, plane(database=other, clock=clock) as second:
            yield first, second


async def change(cluster: Plane, who: TokenReply, user: str, **fields: Any) -> UserInfo:
    request = ChangeUserRequest(request_id=secrets.token_hex(16), user=user, **fields)
    return await cluster.ask(endpoints.CHANGE_USER, request, who.token)


async def test_of_two_who_demote_each_other_one_stays(two: tuple[Plane, Plane]) -> None:
    first, second = two
    root, ann = await first.admin(), await second.signup("ann")
    for _ in range(5):
        await change(first, root, "ann", role="admin")
        answers = await asyncio.gather(
            change(first, root, "ann", role="user"),
            change(second, ann, "root", role="user"),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Forbidden", "UserInfo"]
        found = await first.ask(endpoints.LIST_USERS, ListPeopleRequest(), root.token)
        roles = {one.user: one.role for one in found.users}
        assert sorted(roles.values()) == ["admin", "user"]
        if roles["ann"] == "admin":
            await change(second, ann, "root", role="admin")


async def test_what_one_remembers_ends_with_what_the_other_changes(two: tuple[Plane, Plane]) -> None:
    first, second = two
    root, ann = await first.admin(), await first.signup("ann")
    for state in ("disabled", "active", "disabled"):
        await change(second, root, "ann", state=state)
        if state == "active":
            assert (await first.ask(endpoints.WHOAMI, None, ann.token)).user == "ann"
            await first.commit(ann.token, directory("/home/ann/d"))
            continue
        with pytest.raises(Unauthenticated):
            await first.ask(endpoints.WHOAMI, None, ann.token)
        with pytest.raises(Unauthenticated):
            await first.commit(ann.token, directory("/home/ann/e"))


async def test_no_login_slips_past_whoever_shuts_out(two: tuple[Plane, Plane]) -> None:
    first, second = two
    root = await first.admin()
    await first.signup("ann")
    answers = await asyncio.gather(
        *(first.login("ann") for _ in range(4)),
        change(second, root, "ann", state="disabled"),
        *(first.login("ann") for _ in range(4)),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, TokenReply):
            with pytest.raises(TokenInvalid):
                await first.ask(endpoints.REFRESH, RefreshRequest(refresh_token=answer.refresh_token))
        elif isinstance(answer, BaseException):
            assert isinstance(answer, Forbidden), answer
    verified = await first.ask(endpoints.VERIFY_DATABASE, None, root.token)
    assert [one for one in verified.findings if one.invariant == "people"] == []
