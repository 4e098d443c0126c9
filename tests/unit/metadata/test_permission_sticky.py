"""What the sticky bit keeps, whom set-group directories give things to, what runs as whom; the root."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from unittest.mock import patch

import pytest

from cairnfs import errors as e
from cairnfs.errors import CairnError
from cairnfs.metadata.ops import emptying, remove, resolve
from cairnfs.testing.ledger import Ledger
from cairnfs.wire.commits import (
    Attributes,
    Copy,
    Link,
    MakeDirectory,
    MakeSymlink,
    Operation,
    Remove,
    Rename,
    SetAttributes,
    Write,
)
from tests.permission_table import KEEPER, MEMBER, MEMBERS, OTHER, OWNER, USER_GROUP, set_xattr, setattr_
from tests.unit.metadata.permission_world import World

#: By hand: in a sticky directory of ann that everybody may write, with things of bob, all of user group crew.
#: In the order: ann, bob, keeper (in crew, too), carl, an administrator.
PEOPLE = (OWNER, MEMBER, KEEPER, OTHER, "admin")
STICKY = """
remove                      + + - - +
remove-symlink              + + - - +
remove-directory            + + - - +
remove-recursively          + + - - +
rename                      + + - - +
rename-out                  + + - - +
rename-directory            + + - - +
rename-over                 + + - - +
rename-directory-over       + + - - +
rename-in-over              + + - - +
link-over                   + + - - +
symlink-over                + + - - +
copy-symlink-over           + + - - +
copy-over-symlink           + + - - +
write-in-place-of-symlink   + + - - +
remove-what-holds-it        + - - - +
remove-all-but-it           + + - - +
write                       + + + + +
write-new                   + + + + +
rename-own                  + + + + +
remove-own                  + + + + +
copy-onto                   + + + + +
write-behind-symlink        - + - - -
write-behind-anns-symlink   + + + + +
mkdir-below-symlink         + + + + +
"""
OPERATIONS: dict[str, Callable[[str], list[Operation]]] = {
    "remove": lambda c: [Remove(path=f"{c}/y/f")],
    "remove-symlink": lambda c: [Remove(path=f"{c}/y/s")],
    "remove-directory": lambda c: [Remove(path=f"{c}/y/e")],
    "remove-recursively": lambda c: [Remove(path=f"{c}/y/e", recursive=True)],
    "rename": lambda c: [Rename(path=f"{c}/y/f", target=f"{c}/y/n")],
    "rename-out": lambda c: [Rename(path=f"{c}/y/f", target=f"{c}/o/n")],
    "rename-directory": lambda c: [Rename(path=f"{c}/y/e", target=f"{c}/y/n")],
    "rename-over": lambda c: [Rename(path=f"{c}/y/own", target=f"{c}/y/f")],
    "rename-directory-over": lambda c: [Rename(path=f"{c}/o/own", target=f"{c}/y/e")],
    "rename-in-over": lambda c: [Rename(path=f"{c}/o/g", target=f"{c}/y/f")],
    "link-over": lambda c: [Link(path=f"{c}/o/g", target=f"{c}/y/f", replace=True)],
    "symlink-over": lambda c: [MakeSymlink(path=f"{c}/y/f", target="x", replace=True)],
    "copy-symlink-over": lambda c: [Copy(path=f"{c}/o/s", target=f"{c}/y/f", follow=False)],
    "copy-over-symlink": lambda c: [Copy(path=f"{c}/o/g", target=f"{c}/y/s", follow=False)],
    "write-in-place-of-symlink": lambda c: [Write(path=f"{c}/y/s", chunks=[], size=0, follow=False)],
    "remove-what-holds-it": lambda c: [Remove(path=c, recursive=True)],
    "remove-all-but-it": lambda c: [Remove(path=f"{c}/y/{n}") for n in ("e", "f", "s")],
    "write": lambda c: [Write(path=f"{c}/y/f", chunks=[], size=0)],
    "write-new": lambda c: [Write(path=f"{c}/y/n", chunks=[], size=0)],
    "rename-own": lambda c: [Rename(path=f"{c}/y/own", target=f"{c}/y/n")],
    "remove-own": lambda c: [Remove(path=f"{c}/y/own")],
    "copy-onto": lambda c: [Copy(path=f"{c}/o/g", target=f"{c}/y/f")],
    "write-behind-symlink": lambda c: [Write(path=f"{c}/y/s", chunks=[], size=0)],
    "write-behind-anns-symlink": lambda c: [Write(path=f"{c}/y/anns", chunks=[], size=0)],
    "mkdir-below-symlink": lambda c: [MakeDirectory(path=f"{c}/y/to-o/n")],
}


@pytest.fixture
def world(ledger: Ledger) -> World:
    return World(ledger)


def attributes(mode: int | None, owner: str) -> Attributes:
    return Attributes(mode=mode, owner=owner, group=USER_GROUP)


def sticky(case: str, who: str) -> list[Operation]:
    """The directory of one row and person."""
    bob, everybody = attributes(0o777, MEMBER), attributes(0o777, KEEPER)
    return [
        MakeDirectory(path=case, attributes=attributes(0o777, KEEPER)),
        MakeDirectory(path=f"{case}/o", attributes=everybody),
        MakeDirectory(path=f"{case}/o/own", attributes=attributes(0o700, who)),
        Write(path=f"{case}/o/g", chunks=[], size=0, attributes=attributes(0o666, KEEPER)),
        MakeSymlink(path=f"{case}/o/s", target="g"),
        MakeDirectory(path=f"{case}/y", attributes=attributes(0o1777, OWNER)),
        Write(path=f"{case}/y/f", chunks=[], size=0, attributes=attributes(0o666, MEMBER)),
        MakeDirectory(path=f"{case}/y/e", attributes=bob),
        MakeSymlink(path=f"{case}/y/s", target="../o/g", attributes=bob),
        MakeSymlink(path=f"{case}/y/anns", target="../o/g", attributes=attributes(None, OWNER)),
        MakeSymlink(path=f"{case}/y/to-o", target="../o", attributes=bob),
        Write(path=f"{case}/y/own", chunks=[], size=0, attributes=attributes(0o600, who)),
    ]


def answer(world: World, who: str, *operations: Operation) -> str:
    before = world.ledger.newest()
    try:
        world.commit(*operations, who=who)
    except CairnError as error:
        assert world.ledger.newest() == before
        return error.code
    return ""


def differences(world: World) -> Iterator[str]:
    lines = [line.split() for line in STICKY.strip().splitlines()]
    assert {line[0] for line in lines} == OPERATIONS.keys()
    world.commit(MakeDirectory(path="/all", mode=0o777))
    for verb, *due in lines:
        for who, mark in zip(PEOPLE, due, strict=True):
            case = f"/all/{verb}-{who}"
            world.commit(*sticky(case, who))
            said = answer(world, who, *OPERATIONS[verb](case))
            if said != ("" if mark == "+" else "forbidden"):
                yield f"{verb} by {who}: {mark} is due, but it was {said or 'allowed'}"


def test_in_a_sticky_directory_each_takes_away_what_is_theirs(world: World) -> None:
    found = list(differences(world))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "bug",
    [
        lambda: patch.object(remove, "may_take_away", lambda *_: True),
        lambda: patch.object(emptying, "check", lambda *_: None),
        lambda: patch.object(resolve, "may_follow", lambda *_: True),
    ],
    ids=["the sticky bit dropped", "nobody looks below", "symlinks lead everybody"],
)
def test_the_sticky_table_finds(bug: Callable[[], AbstractContextManager[object]], world: World) -> None:
    with bug(), patch.object(World, "look_below", lambda *_: None):
        assert next(differences(world), None) is not None


def test_in_a_directory_with_set_group_all_is_its_groups(world: World) -> None:
    world.commit(MakeDirectory(path="/g", attributes=attributes(0o2777, KEEPER)))
    world.commit(
        MakeDirectory(path="/g/d/e", parents=True),
        Write(path="/g/f", chunks=[], size=0, mode=0o2755),
        MakeSymlink(path="/g/s", target="f"),
        Copy(path="/g/f", target="/g/c"),
        who=OTHER,
    )
    for path, mode in (("/g/d", 0o2755), ("/g/d/e", 0o2755), ("/g/f", 0o755), ("/g/c", 0o755)):
        entry = world.stat(path)
        assert (entry.owner, entry.group, oct(entry.mode)) == (OTHER, USER_GROUP, oct(mode)), path
    assert world.stat("/g/s").group == USER_GROUP
    # Who is in the group may have things run as it.
    world.commit(Write(path="/g/m", chunks=[], size=0, mode=0o2755), who=MEMBER)
    assert world.stat("/g/m").mode == 0o2755


@pytest.mark.parametrize(
    "mode",
    [{"mode": 0o6777}, {"attributes": Attributes(mode=0o6777)}],
    ids=["as it is made", "beside it"],
)
def test_nobody_makes_what_runs_as_a_group_they_are_not_in(
    world: World, mode: dict[str, int | Attributes]
) -> None:
    world.commit(MakeDirectory(path="/g", attributes=attributes(0o2777, KEEPER)))
    world.commit(Write(path="/g/f", chunks=[], size=0, **mode), who=OTHER)  # type: ignore[arg-type]
    assert oct(world.stat("/g/f").mode) == oct(0o4777)
    world.commit(setattr_("/g/f", mode=0o6777), who=OTHER)
    assert oct(world.stat("/g/f").mode) == oct(0o4777)


@pytest.mark.parametrize(
    ("change", "who", "left"),
    [
        (lambda: setattr_("/f", group="club"), OWNER, 0o777),
        (lambda: setattr_("/f", owner=KEEPER), "admin", 0o777),
        (lambda: setattr_("/f", group="guild"), "admin", 0o777),
        (lambda: Write(path="/f", chunks=[], size=0), OTHER, 0o777),
        (lambda: Write(path="/f", chunks=[], size=0), OWNER, 0o777),
        (lambda: Copy(path="/g", target="/f"), OTHER, 0o777),
        (lambda: setattr_("/f", mtime_now=True), OTHER, 0o6777),
    ],
)
def test_what_runs_as_its_owner_runs_as_nobody_after_a_change(
    world: World, change: Callable[[], Operation], who: str, left: int
) -> None:
    world.commit(
        Write(path="/g", chunks=[], size=0),
        Write(path="/f", chunks=[], size=0, attributes=attributes(0o6777, OWNER)),
    )
    assert world.stat("/f").mode == 0o6777
    world.commit(change(), who=who)
    assert oct(world.stat("/f").mode) == oct(left)


def test_a_copy_of_what_runs_as_somebody_runs_as_nobody_else(world: World) -> None:
    world.commit(
        Write(path="/f", chunks=[], size=0, attributes=Attributes(mode=0o6755, owner=OWNER, group="guild")),
        MakeDirectory(path="/o", attributes=attributes(0o777, KEEPER)),
    )
    world.commit(Copy(path="/f", target="/o/kept", preserve=True), who=MEMBER)
    world.commit(Copy(path="/f", target="/o/plain"), who=MEMBER)
    for path in ("/o/kept", "/o/plain"):
        entry = world.stat(path)
        assert (entry.owner, oct(entry.mode)) == (MEMBER, oct(0o755)), path
    world.commit(Copy(path="/f", target="/o/whole", preserve=True))
    entry = world.stat("/o/whole")
    assert (entry.owner, entry.group, oct(entry.mode)) == (OWNER, "guild", oct(0o6755))


def test_all_are_in_the_groups_that_the_tables_say(world: World) -> None:
    for user_group, members in MEMBERS.items():
        world.commit(
            MakeDirectory(path=f"/{user_group}", attributes=Attributes(mode=0o070, group=user_group))
        )
        for who in (OWNER, MEMBER, KEEPER, OTHER):
            said = answer(world, who, MakeDirectory(path=f"/{user_group}/{who}"))
            assert (said == "") == (who in members), (user_group, who)


def test_each_has_a_group_of_their_own(world: World) -> None:
    for mine in (OWNER, MEMBER, OTHER):
        own = Attributes(mode=0o040, owner=KEEPER, group=mine)
        world.commit(Write(path=f"/{mine}", chunks=[], size=0, attributes=own))
        for who in (OWNER, MEMBER, OTHER, KEEPER):
            may = True
            try:
                world.ledger.open(f"/{mine}", person=world.people[who])
            except e.Forbidden:
                may = False
            assert may == (who == mine), (who, mine)


def test_the_root_is_a_directory_like_others(world: World) -> None:
    world.commit(Write(path="/f", chunks=[], size=0, attributes=attributes(0o666, OWNER)))
    before = world.stat("/")
    for refused in (
        setattr_("/", mode=0o777),
        setattr_("/", owner=OTHER),
        setattr_("/", mtime_now=True),
        SetAttributes(path="/", policy="async"),
        set_xattr("/", "user.x", b"x"),
        MakeDirectory(path="/", parents=True, attributes=Attributes(mode=0o777)),
        MakeDirectory(path="/n"),
    ):
        with pytest.raises(e.Forbidden):
            world.commit(refused, who=OTHER)
    assert world.stat("/") == before
    world.commit(setattr_("/", mode=0o700))
    assert world.stat("/", who=OTHER).mode == 0o700
    for path in ("/f", "/nothing", "/home/carl", "/home/carl/nothing"):
        with pytest.raises(e.Forbidden):
            world.stat(path, who=OTHER)
    with pytest.raises(e.Forbidden):
        world.ledger.list("/", person=world.people[OTHER])
    with pytest.raises(e.Forbidden):
        world.commit(Write(path="/f", chunks=[], size=0), who=OTHER)
    world.commit(setattr_("/", mode=0o755))
