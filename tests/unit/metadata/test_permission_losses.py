"""Rights that go away between the look and the commit, and what nobody empties who may not."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.metadata.ops.change_user import ChangeUser
from cairnfs.metadata.ops.user_groups import ChangeGroup, RemoveGroup
from cairnfs.testing.ledger import NEVER_LATE, Ledger
from cairnfs.wire.commits import (
    Attributes,
    Copy,
    MakeDirectory,
    MakeSymlink,
    Operation,
    Remove,
    Rename,
    Write,
)
from cairnfs.wire.people import ChangeGroupRequest, ChangeUserRequest, RemoveGroupRequest
from tests.permission_table import MEMBER, OTHER, OWNER, set_xattr, setattr_
from tests.unit.metadata.permission_world import World, a_directory, a_file, prepared


@pytest.fixture
def world(ledger: Ledger) -> World:
    return World(ledger)


# -- rights that go away between the preparation and the commit -----------------------------------


def closed(world: World) -> Any:
    return prepared(world, "admin", setattr_("/d", mode=0o700))


def no_more_in_the_group(world: World) -> Any:
    request = ChangeGroupRequest(request_id=secrets.token_hex(16), user_group="crew", drop=[MEMBER])
    return ChangeGroup(world.ledger.admin, request, deadline=NEVER_LATE)


def no_group_any_more(world: World) -> Any:
    request = RemoveGroupRequest(request_id=secrets.token_hex(16), user_group="crew")
    return RemoveGroup(world.ledger.admin, request, deadline=NEVER_LATE)


def disabled(world: World) -> Any:
    request = ChangeUserRequest(request_id=secrets.token_hex(16), user=MEMBER, state="disabled")
    return ChangeUser(world.ledger.admin, request, deadline=NEVER_LATE)


def removed(world: World) -> Any:
    request = ChangeUserRequest(request_id=secrets.token_hex(16), user=MEMBER, state="removed")
    return ChangeUser(world.ledger.admin, request, deadline=NEVER_LATE)


LOSSES = [
    (closed, "forbidden"),
    (no_more_in_the_group, "forbidden"),
    (no_group_any_more, "forbidden"),
    (disabled, "unauthenticated"),
    (removed, "unauthenticated"),
]


@pytest.mark.parametrize("together", [False, True], ids=["in two tx", "in one"])
@pytest.mark.parametrize(("lose", "code"), LOSSES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_right_that_went_away_since_the_preparation_counts_no_more(
    world: World, lose: Callable[[World], Any], code: str, together: bool
) -> None:
    world.commit(MakeDirectory(path="/d", attributes=Attributes(mode=0o770, owner=OWNER, group="crew")))
    world.commit(a_file("/d/f", 0o666), a_directory("/d/e", 0o777), a_file("/d/e/x", 0o666))
    operations: list[Operation] = [
        Write(path="/d/f", chunks=[], size=0),
        MakeDirectory(path="/d/n"),
        Rename(path="/d/f", target="/d/n"),
        Remove(path="/d/f"),
        Remove(path="/d/e", recursive=True),
        Copy(path="/d/f", target="/d/n"),
        setattr_("/d/f", mtime_now=True),
        set_xattr("/d/f", "user.x", b"x"),
    ]
    waiting = [prepared(world, MEMBER, one) for one in operations]
    losing = lose(world)
    before = world.ledger.newest() + (lose is closed)
    if together:
        outcomes = world.ledger.batch([losing, *waiting])[1:]
    else:
        world.ledger.do(losing)
        outcomes = world.ledger.batch(waiting)
    assert [getattr(one, "code", "") for one in outcomes] == [code] * len(operations)
    assert world.ledger.newest() == before


def test_an_administrator_of_yesterday_empties_nothing(world: World) -> None:
    world.commit(a_directory("/all", 0o777), a_directory("/all/d", 0o777, MEMBER))
    world.commit(a_directory("/all/d/closed", 0o700), a_file("/all/d/closed/f"))
    world.stand(MEMBER, role="admin")
    world.people[MEMBER] = world.people[MEMBER]._replace(role="admin")  # as the token says
    waiting = prepared(world, MEMBER, Remove(path="/all/d", recursive=True))
    world.stand(MEMBER, role="user")
    with pytest.raises(e.Forbidden):
        world.ledger.do(waiting)
    with pytest.raises(e.Forbidden):
        prepared(world, MEMBER, Remove(path="/all/d", recursive=True))
    assert world.stat("/all/d/closed/f").size == 4


# -- emptying what one may not empty ------------------------------------------------------------------


@pytest.fixture
def shared(world: World) -> World:
    """A directory for all with one of bob's, in which bob's closed one is, and one of carl's."""
    world.commit(
        a_directory("/all", 0o777),
        a_directory("/all/b", 0o777, MEMBER),
        a_directory("/all/b/closed", 0o700, MEMBER),
        a_file("/all/b/closed/f", 0o600, MEMBER),
        a_directory("/all/c", 0o755, OTHER),
    )
    return world


@pytest.mark.parametrize(
    "operations",
    [
        [Remove(path="/all/b", recursive=True)],
        [Rename(path="/all/b", target="/all/z"), Remove(path="/all/z", recursive=True)],
        [Rename(path="/all/b", target="/all/c/z"), Remove(path="/all/c", recursive=True)],
        [
            MakeDirectory(path="/all/n"),
            Rename(path="/all/b", target="/all/n/z"),
            Remove(path="/all/n", recursive=True),
        ],
        [
            MakeSymlink(path="/all/s", target="b"),
            Remove(path="/all/s/closed", recursive=True),
        ],
        [
            Rename(path="/all/c", target="/all/c2"),
            Rename(path="/all/b", target="/all/c"),
            Remove(path="/all/c", recursive=True),
        ],
    ],
    ids=["plainly", "renamed", "moved", "into a new one", "behind a symlink", "under another's name"],
)
def test_nobody_empties_what_is_closed_to_them(shared: World, operations: list[Operation]) -> None:
    with pytest.raises(e.Forbidden):
        shared.commit(*operations, who=OTHER)
    # Nor where what leads there was committed by another tx, or in the same one.
    if len(operations) > 1:
        outcomes = shared.ledger.batch([prepared(shared, OTHER, one) for one in operations])
        assert isinstance(outcomes[-1], e.Forbidden), outcomes
    assert shared.ledger.read(lambda tx: tx.rows("SELECT count(*) FROM orphan")) == [(0,)]


def test_what_is_closed_after_the_look_below_and_before_the_commit_stays(shared: World) -> None:
    shared.commit(setattr_("/all/b/closed", mode=0o777))
    waiting = prepared(shared, OTHER, Remove(path="/all/b", recursive=True))
    shared.commit(setattr_("/all/b/closed", mode=0o700), who=MEMBER)
    with pytest.raises(e.Forbidden):
        shared.ledger.do(waiting)


def test_what_somebody_makes_after_the_look_below_and_before_the_commit_stays(shared: World) -> None:
    shared.commit(setattr_("/all/b/closed", mode=0o777))
    waiting = prepared(shared, OTHER, Remove(path="/all/b", recursive=True))
    shared.commit(a_directory("/all/b/closed/new", 0o700), a_file("/all/b/closed/new/f"))
    with pytest.raises(e.Forbidden):
        shared.ledger.do(waiting)
