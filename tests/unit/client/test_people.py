"""People by the client library, on a whole cluster in this process; and what their tokens open afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from cairnfs.client import people as module
from cairnfs.client.people import People
from cairnfs.errors import Exists, Forbidden, NoSuchGroup, NoSuchUser, Unauthenticated
from cairnfs.testing.cluster import Cluster, cluster


@pytest.fixture
async def here() -> AsyncIterator[Cluster]:
    async with cluster(fileservers=1) as made:
        yield made


async def people(here: Cluster) -> People:
    return People((await here.admin()).connection)


async def test_users_and_user_groups(here: Cluster) -> None:
    admin = await people(here)
    for name in ("bob", "ann"):
        await here.user(name)
    assert [one.user for one in await admin.users()] == ["admin", "ann", "bob"]
    made = await admin.create_user_group("staff", ["bob"])
    assert (await admin.change_user_group("staff", add=["ann"])).members == 2
    assert (await admin.user_group("staff")).members == ["ann", "bob"]
    assert [one.group_id for one in await admin.user_groups()] == [made.group_id]
    assert (await admin.user("ann")).user_groups == ["staff"]
    await admin.change_user_group("staff", drop=["ann"])
    assert (await admin.set_role("ann", "admin")).role == "admin"
    assert (await People((await here.user("ann")).connection).disable("bob")).state == "disabled"
    assert (await admin.enable("bob")).state == "active"
    assert (await admin.remove_user("bob")).user.startswith("#")
    assert (await admin.remove_user_group("staff")).members == 0
    with pytest.raises(NoSuchUser):
        await admin.user("bob")
    with pytest.raises(NoSuchGroup):
        await admin.user_group("staff")
    with pytest.raises(Exists):
        await admin.create_user_group("ann")


async def test_lists_are_put_together_from_pages(here: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = await people(here)
    for name in ("carl", "ann", "bob"):
        await here.user(name)
    for name in ("carl", "ann", "bob"):
        await admin.create_user_group(f"group-of-{name}", ["ann", "bob", "carl"])
    every = await admin.users(), await admin.user_groups(), await admin.user_group("group-of-ann")
    for kind in ("ListPeopleRequest", "GroupRequest", "ListInvitationsRequest"):
        monkeypatch.setattr(module, kind, partial(getattr(module, kind), limit=1))
    assert every == (await admin.users(), await admin.user_groups(), await admin.user_group("group-of-ann"))
    made = {(await admin.invite(note=str(number))).id for number in range(3)}
    assert {one.id for one in await admin.invitations()} == made


async def test_invitations(here: Cluster) -> None:
    admin = await people(here)
    await admin.create_user_group("staff")
    made = await admin.invite(role="admin", user_groups=["staff"], note="for Eve", ttl_ms=60_000)
    token = await admin.join_token(ttl_ms=30_000)
    told = await admin.invitations()
    assert [(one.id, one.purpose, one.note) for one in told] == [
        (token.id, "fileserver", ""),
        (made.id, "person", "for Eve"),
    ]
    assert made.secret not in repr(told)
    await admin.revoke(made.id)
    assert [one.id for one in await admin.invitations()] == [token.id]


async def test_others_only_look(here: Cluster) -> None:
    ann = People((await here.user("ann")).connection)
    assert len(await ann.users()) == 2
    assert await ann.user_groups() == []
    for refused in (
        ann.set_role("ann", "admin"),
        ann.create_user_group("x"),
        ann.invite(),
        ann.invitations(),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_whoever_was_removed_reads_on_what_they_had_opened_and_changes_nothing(here: Cluster) -> None:
    """A fileserver checks tokens alone, by itself: one that lives opens chunks whose names are known."""
    admin, ann = await people(here), await here.user("ann")
    await ann.write_file("/home/ann/a", b"x" * 100_000)
    opened = await ann.version("/home/ann/a")
    await admin.remove_user("ann")
    assert await opened.read() == b"x" * 100_000
    for refused in (
        ann.read_file("/home/ann/a"),
        ann.write_file("/home/ann/b", b"y" * 100_000),
        ann.whoami(),
        ann.mkdir("/home/ann/d"),
        ann.status(),
    ):
        with pytest.raises(Unauthenticated):
            await refused
    gone = await (await here.admin()).stat("/home/ann/a")
    assert gone.owner.startswith("#")
