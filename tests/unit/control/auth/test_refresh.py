"""Refreshing, logging out, changing passwords: what ends a login, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from cairnfs.control.auth import passwords
from cairnfs.errors import (
    BadCredentials,
    BadRequest,
    CairnError,
    Forbidden,
    TokenExpired,
    TokenInvalid,
    TooManyLogins,
    Unauthenticated,
)
from cairnfs.wire import endpoints
from cairnfs.wire.auth import RefreshRequest, SealedRequest
from tests.unit.control.plane import ADMIN_SECRET, Plane, plane

DAY_S = 24 * 3600


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


async def test_a_refresh_gives_a_new_access_token(cluster: Plane) -> None:
    first = await cluster.signup("ann")
    cluster.clock.advance(901)
    second = await cluster.ask(endpoints.REFRESH, RefreshRequest(refresh_token=first.refresh_token))
    assert second.refresh_token == first.refresh_token
    assert (await cluster.ask(endpoints.WHOAMI, None, second.token)).user == "ann"


async def test_a_refresh_token_lives_30_days_from_its_last_use(cluster: Plane) -> None:
    request = RefreshRequest(refresh_token=(await cluster.signup("ann")).refresh_token)
    for _ in range(3):
        cluster.clock.advance(29 * DAY_S)
        await cluster.ask(endpoints.REFRESH, request)
    cluster.clock.advance(30 * DAY_S)
    with pytest.raises(TokenExpired):
        await cluster.ask(endpoints.REFRESH, request)


async def test_logout_revokes(cluster: Plane) -> None:
    mine, other = await cluster.signup("ann"), await cluster.login("ann")
    request = RefreshRequest(refresh_token=mine.refresh_token)
    await cluster.ask(endpoints.LOGOUT, request)
    with pytest.raises(TokenInvalid):
        await cluster.ask(endpoints.REFRESH, request)
    await cluster.ask(endpoints.LOGOUT, request)
    await cluster.ask(endpoints.REFRESH, RefreshRequest(refresh_token=other.refresh_token))


@pytest.mark.parametrize("text", ["", "made up", "x" * 10_000, "\U0001f600"])
async def test_a_refresh_token_that_is_none(cluster: Plane, text: str) -> None:
    with pytest.raises(TokenInvalid):
        await cluster.ask(endpoints.REFRESH, RefreshRequest(refresh_token=text))


async def test_an_access_token_is_no_refresh_token(cluster: Plane) -> None:
    reply = await cluster.signup("ann")
    with pytest.raises(TokenInvalid):
        await cluster.ask(endpoints.REFRESH, RefreshRequest(refresh_token=reply.token))
    with pytest.raises(TokenInvalid):
        await cluster.ask(endpoints.WHOAMI, None, reply.refresh_token)


async def test_a_change_of_password_ends_all_logins(cluster: Plane) -> None:
    first, second = await cluster.signup("ann"), await cluster.login("ann")
    await cluster.change_password(first.token, "ann's password", "a better password")
    for reply in (first, second):
        with pytest.raises(TokenInvalid):
            await cluster.ask(endpoints.REFRESH, RefreshRequest(refresh_token=reply.refresh_token))
    with pytest.raises(BadCredentials):
        await cluster.login("ann")
    await cluster.login("ann", "a better password")


async def test_a_login_that_a_change_of_password_overtook_gives_nothing(
    cluster: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await cluster.signup("ann")
    verify = passwords.Passwords.verify

    async def slow(self: passwords.Passwords, stored: str | None, password: str) -> bool:
        right = await verify(self, stored, password)
        monkeypatch.undo()
        await cluster.change_password(user.token, "ann's password", "a better password")
        return right

    monkeypatch.setattr(passwords.Passwords, "verify", slow)
    with pytest.raises(BadCredentials):
        await cluster.login("ann")
    await cluster.login("ann", "a better password")


async def test_of_two_changes_by_one_old_password_one_counts(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    changes = (cluster.change_password(user.token, "ann's password", f"password {n}") for n in range(4))
    answers = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["BadCredentials"] * 3 + ["NoneType"]
    await cluster.login("ann", f"password {answers.index(None)}")


async def test_a_first_password_is_given_once(cluster: Plane) -> None:
    message = msgspec.structs.replace(cluster.signup_message("root", invitation=ADMIN_SECRET), password=None)
    admin = await cluster.ask(endpoints.SIGNUP, await cluster.sealed(message))
    await cluster.change_password(admin.token, None, "the first password")
    with pytest.raises(BadCredentials):
        await cluster.change_password(admin.token, None, "another password")


@pytest.mark.parametrize("old", [None, "", "wrong password"])
async def test_a_change_needs_the_old_password(cluster: Plane, old: str | None) -> None:
    user = await cluster.signup("ann")
    with pytest.raises(BadCredentials):
        await cluster.change_password(user.token, old, "a better password")
    await cluster.login("ann")


async def test_guessing_the_old_password_is_limited_too(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    for _ in range(10):
        with pytest.raises(BadCredentials):
            await cluster.change_password(user.token, "wrong password", "a better password")
    with pytest.raises(TooManyLogins):
        await cluster.change_password(user.token, "ann's password", "a better password")


async def test_a_new_password_has_the_right_length(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    with pytest.raises(BadRequest):
        await cluster.change_password(user.token, "ann's password", "short")
    await cluster.login("ann")


async def test_a_fileserver_cannot_give_itself_a_password(cluster: Plane) -> None:
    joined = await cluster.join(await cluster.admin())
    with pytest.raises(Forbidden):
        await cluster.change_password(joined.reply.token, None, "a password")


async def test_a_change_of_password_needs_a_login(cluster: Plane) -> None:
    with pytest.raises(Unauthenticated):
        await cluster.ask(endpoints.PASSWORD, SealedRequest(sealed="x"))


async def test_secrets_are_in_no_answer_of_an_error(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    with pytest.raises(CairnError) as refusal:
        await cluster.login("ann", "a very secret guess")
    assert "secret" not in f"{refusal.value} {refusal.value.hint}"
    assert user.token not in repr(user)
    assert user.refresh_token not in repr(user)


async def test_two_processes_share_the_keys(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    async with plane(database=cluster.database, clock=cluster.clock) as other:
        assert (await other.ask(endpoints.WHOAMI, None, user.token)).user == "ann"
        assert await other.ask(endpoints.KEYS) == await cluster.ask(endpoints.KEYS)
