"""Signing up and logging in: what each proves, gives and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cairnfs.control.auth import passwords
from cairnfs.errors import (
    BadCredentials,
    BadName,
    BadRequest,
    Exists,
    Forbidden,
    InvitationRequired,
    SealInvalid,
    TokenExpired,
    TooManyLogins,
)
from cairnfs.wire import endpoints
from cairnfs.wire.auth import OneTimeRequest, SealedRequest
from cairnfs.wire.people import InvitationRequest
from cairnfs.wire.sealing import new_nonce
from tests.unit.control.plane import ADMIN_SECRET, Plane, plane

DAY_S = 24 * 3600


@pytest.fixture
async def cluster() -> AsyncIterator[Plane]:
    async with plane() as made:
        yield made


@pytest.fixture
async def closed() -> AsyncIterator[Plane]:
    async with plane(open_signup=False) as made:
        yield made


# -- sign-up -----------------------------------------------------------------------------------------


async def test_sign_up_gives_tokens_and_a_home(cluster: Plane) -> None:
    reply = await cluster.signup("ann")
    assert (reply.user, reply.role, reply.home) == ("ann", "user", "/home/ann")
    who = await cluster.ask(endpoints.WHOAMI, None, reply.token)
    assert (who.user, who.role, who.home, who.cluster_id) == (
        "ann",
        "user",
        "/home/ann",
        cluster.app.cluster_id,
    )


async def test_a_name_is_taken_once(cluster: Plane) -> None:
    await cluster.signup("ann")
    with pytest.raises(Exists):
        await cluster.signup("ann", "another password")
    await cluster.login("ann")


async def test_of_two_that_sign_up_at_once_one_gets_the_name(cluster: Plane) -> None:
    answers = await asyncio.gather(
        cluster.signup("ann", "password one"), cluster.signup("ann", "password two"), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Exists", "TokenReply"]


@pytest.mark.parametrize("name", ["", "Ann", "-ann", "a" * 33, "../ann", "fileserver:1", "ann\n", "änn"])
async def test_a_name_that_is_not_allowed(cluster: Plane, name: str) -> None:
    with pytest.raises(BadName):
        await cluster.signup(name)


@pytest.mark.parametrize("password", ["1234567", "x" * 1025])
async def test_a_password_of_a_length_that_is_not_allowed(cluster: Plane, password: str) -> None:
    with pytest.raises(BadRequest, match="8 to 1024 bytes"):
        await cluster.signup("ann", password)


async def test_a_password_is_needed(cluster: Plane) -> None:
    message = cluster.signup_message("ann")
    bare = type(message)(purpose="signup", name="ann", time_us=message.time_us, nonce=message.nonce)
    with pytest.raises(BadRequest, match="password"):
        await cluster.ask(endpoints.SIGNUP, await cluster.sealed(bare))


async def test_a_sign_up_counts_once(cluster: Plane) -> None:
    sealed = await cluster.sealed(cluster.signup_message("ann"))
    await cluster.ask(endpoints.SIGNUP, sealed)
    with pytest.raises(Exists):
        await cluster.ask(endpoints.SIGNUP, sealed)
    again = cluster.signup_message("bob", nonce=cluster.signup_message("carl").nonce)
    await cluster.ask(endpoints.SIGNUP, await cluster.sealed(again))
    with pytest.raises(SealInvalid, match="came before"):
        await cluster.signup("dora", nonce=again.nonce)


# -- invitations -------------------------------------------------------------------------------------


async def test_elsewhere_than_on_loopback_sign_up_is_by_invitation(closed: Plane) -> None:
    admin = await closed.admin()
    with pytest.raises(InvitationRequired):
        await closed.signup("ann")
    with pytest.raises(InvitationRequired):
        await closed.signup("ann", invitation="made up")
    invitation = await closed.ask(endpoints.INVITATION, InvitationRequest(), admin.token)
    assert (await closed.signup("ann", invitation=invitation.secret)).role == "user"
    with pytest.raises(InvitationRequired):
        await closed.signup("bob", invitation=invitation.secret)


async def test_an_invitation_used_twice_at_once_makes_one_user(closed: Plane) -> None:
    admin = await closed.admin()
    invitation = await closed.ask(endpoints.INVITATION, InvitationRequest(), admin.token)
    answers = await asyncio.gather(
        *(closed.signup(name, invitation=invitation.secret) for name in ("ann", "bob", "carl")),
        return_exceptions=True,
    )
    kinds = sorted(type(answer).__name__ for answer in answers)
    assert kinds == ["InvitationRequired", "InvitationRequired", "TokenReply"]


async def test_a_refused_sign_up_does_not_use_the_invitation_up(closed: Plane) -> None:
    admin = await closed.admin()
    invitation = await closed.ask(endpoints.INVITATION, InvitationRequest(), admin.token)
    with pytest.raises(Exists):
        await closed.signup("root", invitation=invitation.secret)
    await closed.signup("ann", invitation=invitation.secret)


async def test_an_invitation_expires(closed: Plane) -> None:
    admin = await closed.admin()
    invitation = await closed.ask(endpoints.INVITATION, InvitationRequest(ttl_ms=60_000), admin.token)
    closed.clock.advance(61)
    with pytest.raises(InvitationRequired):
        await closed.signup("ann", invitation=invitation.secret)


async def test_a_join_token_is_no_invitation(closed: Plane) -> None:
    admin = await closed.admin()
    with pytest.raises(InvitationRequired):
        await closed.signup("ann", invitation=await closed.join_token(admin))


@pytest.mark.parametrize("ttl_ms", [0, 999, 7 * DAY_S * 1000 + 1])
async def test_an_invitation_for_too_short_or_long(cluster: Plane, ttl_ms: int) -> None:
    admin = await cluster.admin()
    with pytest.raises(BadRequest):
        await cluster.ask(endpoints.INVITATION, InvitationRequest(ttl_ms=ttl_ms), admin.token)


async def test_only_an_administrator_invites(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    with pytest.raises(Forbidden):
        await cluster.ask(endpoints.INVITATION, InvitationRequest(), user.token)
    with pytest.raises(Forbidden):
        await cluster.ask(endpoints.JOIN_TOKEN, OneTimeRequest(), user.token)


async def test_the_first_administrator_is_made_once(closed: Plane) -> None:
    assert (await closed.admin()).role == "admin"
    assert closed.made_admin == ["made"]
    with pytest.raises(InvitationRequired):
        await closed.signup("mallory", invitation=ADMIN_SECRET)


async def test_of_two_first_administrators_at_once_one_is_made(closed: Plane) -> None:
    answers = await asyncio.gather(
        *(closed.signup(name, invitation=ADMIN_SECRET) for name in ("root", "mallory")),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["InvitationRequired", "TokenReply"]


async def test_the_first_administrator_may_have_no_password_and_set_one_later(closed: Plane) -> None:
    message = closed.signup_message("root", invitation=ADMIN_SECRET)
    bare = type(message)(
        purpose="signup",
        name="root",
        invitation=ADMIN_SECRET,
        time_us=message.time_us,
        nonce=message.nonce,
    )
    admin = await closed.ask(endpoints.SIGNUP, await closed.sealed(bare))
    for guess in ("", "root's password"):
        with pytest.raises(BadCredentials):
            await closed.login("root", guess)
    await closed.change_password(admin.token, None, "a first password")
    assert (await closed.login("root", "a first password")).role == "admin"


# -- login -------------------------------------------------------------------------------------------


async def test_login_gives_a_token_of_15_minutes(cluster: Plane) -> None:
    await cluster.signup("ann")
    reply = await cluster.login("ann")
    left_s = (reply.expires_at_us - cluster.clock.now_us()) / 1e6
    assert 899 <= left_s <= 900
    cluster.clock.advance(901)
    with pytest.raises(TokenExpired):
        await cluster.ask(endpoints.WHOAMI, None, reply.token)


async def test_an_unknown_user_and_a_wrong_password_answer_alike(
    cluster: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.signup("ann")
    await cluster.join(await cluster.admin())
    judged: list[str] = []
    matches = passwords.Passwords._matches

    def watched(self: passwords.Passwords, stored: str, password: str) -> bool:
        judged.append(stored)
        return matches(self, stored, password)

    monkeypatch.setattr(passwords.Passwords, "_matches", watched)
    answers = []
    for name in ("ann", "nobody", "fileserver:1", "No Such Name\0"):
        with pytest.raises(BadCredentials) as refusal:
            await cluster.login(name, "not the password")
        answers.append((refusal.value.detail, refusal.value.hint))
    assert len(set(answers)) == 1
    assert len(judged) == 4  # each cost one verification of the same kind
    assert len({stored.rsplit("$", 2)[0] for stored in judged}) == 1


async def test_a_login_counts_once(cluster: Plane) -> None:
    await cluster.signup("ann")
    sealed = await cluster.sealed(cluster.login_message("ann"))
    answers = await asyncio.gather(
        *(cluster.ask(endpoints.LOGIN, sealed) for _ in range(3)), return_exceptions=True
    )
    kinds = sorted(type(answer).__name__ for answer in answers)
    assert kinds == ["SealInvalid", "SealInvalid", "TokenReply"]
    with pytest.raises(SealInvalid):
        await cluster.ask(endpoints.LOGIN, sealed)


async def test_a_failed_login_cannot_be_replayed_after_the_password_became_that(cluster: Plane) -> None:
    user = await cluster.signup("ann")
    early = await cluster.sealed(cluster.login_message("ann", "tomorrow's password"))
    with pytest.raises(BadCredentials):
        await cluster.ask(endpoints.LOGIN, early)
    await cluster.change_password(user.token, "ann's password", "tomorrow's password")
    with pytest.raises(SealInvalid):
        await cluster.ask(endpoints.LOGIN, early)


async def test_a_nonce_counts_once_over_all_purposes(cluster: Plane) -> None:
    nonce = new_nonce()
    await cluster.signup("ann", nonce=nonce)
    with pytest.raises(SealInvalid):
        await cluster.login("ann", nonce=nonce)


async def test_a_login_sealed_too_long_ago_is_refused(cluster: Plane) -> None:
    await cluster.signup("ann")
    sealed = await cluster.sealed(cluster.login_message("ann"))
    cluster.clock.advance(301)
    with pytest.raises(SealInvalid, match="5 minutes"):
        await cluster.ask(endpoints.LOGIN, sealed)


async def test_a_sign_up_is_no_login(cluster: Plane) -> None:
    with pytest.raises(SealInvalid):
        await cluster.ask(endpoints.LOGIN, await cluster.sealed(cluster.signup_message("ann")))


@pytest.mark.parametrize("text", ["", "x", "a.b.c.d.e", "x" * 20_000])
async def test_what_is_not_sealed_at_all(cluster: Plane, text: str) -> None:
    for endpoint in (endpoints.LOGIN, endpoints.SIGNUP):
        with pytest.raises(SealInvalid):
            await cluster.ask(endpoint, SealedRequest(sealed=text))


async def test_failed_logins_are_limited_and_time_heals(cluster: Plane) -> None:
    await cluster.signup("ann")
    for _ in range(10):
        with pytest.raises(BadCredentials):
            await cluster.login("ann", "wrong password")
    with pytest.raises(TooManyLogins) as refusal:
        await cluster.login("ann")
    assert refusal.value.retry_after_ms is not None
    cluster.clock.advance(refusal.value.retry_after_ms / 1000)
    await cluster.login("ann")


async def test_an_unknown_name_is_limited_alike(cluster: Plane) -> None:
    for _ in range(10):
        with pytest.raises(BadCredentials):
            await cluster.login("nobody")
    with pytest.raises(TooManyLogins):
        await cluster.login("nobody")


async def test_attempts_at_the_same_time_do_not_slip_past_the_limit(cluster: Plane) -> None:
    await cluster.signup("ann")
    answers = await asyncio.gather(
        *(cluster.login("ann", "wrong password") for _ in range(30)), return_exceptions=True
    )
    assert sum(isinstance(answer, BadCredentials) for answer in answers) == 10
    assert sum(isinstance(answer, TooManyLogins) for answer in answers) == 20


async def test_replays_do_not_count_as_failures(cluster: Plane) -> None:
    await cluster.signup("ann")
    sealed = await cluster.sealed(cluster.login_message("ann"))
    await cluster.ask(endpoints.LOGIN, sealed)
    for _ in range(30):
        with pytest.raises(SealInvalid):
            await cluster.ask(endpoints.LOGIN, sealed)
    await cluster.login("ann")
