"""Many at once through the driver: whatever was acknowledged happened, in the order of the commits' numbers.

The acknowledged commits, in that order, are made in the dictionary too: each must be possible there, and
the tree must be the same in the end. So no cycle can have come to be, and nothing can have been lost.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from typing import Any

import msgspec
import pytest

from cairnfs.clock import SystemClock
from cairnfs.core.permissions import Person
from cairnfs.errors import CairnError
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops.commit import Commit
from cairnfs.metadata.ops.reap import Reap
from cairnfs.testing.ledger import Ledger, chattr, link, mkdir, remove, rename, symlink, write
from cairnfs.wire.commits import CommitReply, Link, Operation, Rename
from tests.model import dictionary, nodes
from tests.model.nodes import Name, Node, Tree, Who
from tests.model.seeing import Opened, expected, see

TOP = "/top"
AT_ONCE = 64
WAVES = 3
BEGINNING: list[Operation] = [
    *[mkdir(f"/{name}/{name}", parents=True) for name in "abcd"],
    mkdir("/all", mode=0o777),
    write("/all/f", b"f"),
]
#: What everybody does at once: (who, operations).
Story = Callable[[random.Random], tuple[str, list[Operation]]]


def around_in_circles(chance: random.Random) -> tuple[str, list[Operation]]:
    """Directories are moved below each other, by their paths and by symlinks."""
    one, other = chance.sample("abcd", 2)
    ways = [f"/{one}", f"/{one}/{one}", f"/{other}/{one}", f"/{other}/{other}/{one}"]
    path, target = chance.choice(ways), f"{chance.choice(['', f'/{other}', f'/{other}/{other}', '/s'])}/{one}"
    if chance.random() < 0.2:
        return "admin", [symlink("/s", f"{TOP}/{other}", replace=True)]
    return "admin", [rename(path, target)]


def made_and_removed(chance: random.Random) -> tuple[str, list[Operation]]:
    """Files and directories are made where others remove them with all below them."""
    name = chance.choice("abcd")
    inner = f"/{name}/{name}"
    asked: list[Operation] = [
        write(f"{inner}/{chance.randrange(4)}", b"x"),
        write(f"{inner}/{chance.randrange(4)}", b"x", parents=True),
        mkdir(f"{inner}/{chance.randrange(4)}/d", parents=True),
        remove(inner),
        remove(inner, recursive=True),
        remove(f"{inner}/{chance.randrange(4)}", recursive=True),
        rename(f"/{name}", f"/{chance.choice('abcd')}"),
    ]
    return "admin", [chance.choice(asked)]


def linked_and_removed(chance: random.Random) -> tuple[str, list[Operation]]:
    """A file gets names and loses them."""
    places = ["/all/f", "/a/f", "/b/f", "/b/b/f", "/c/g"]
    one, other = chance.sample(places, 2)
    asked: list[Operation] = [
        link(one, other),
        link(one, other, replace=True),
        remove(one),
        rename(one, other),
        write(one, b"%d" % chance.randrange(3)),
        remove("/b/b", recursive=True),
        mkdir("/b/b"),
    ]
    return "admin", [chance.choice(asked)]


def all_in_one_directory(chance: random.Random) -> tuple[str, list[Operation]]:
    """Everybody makes files in one directory; each is there or was somebody else's."""
    name = f"/all/{chance.randrange(AT_ONCE)}"
    return chance.choice(["ann", "bob"]), [write(name, b"x", expected="none")]


def shut_and_opened(chance: random.Random) -> tuple[str, list[Operation]]:
    """A directory's rights come and go while others work in it."""
    if chance.random() < 0.3:
        return "admin", [chattr("/all", mode=chance.choice([0o755, 0o777, 0o1777]))]
    name = f"/all/{chance.randrange(8)}"
    asked: list[Operation] = [write(name, b"x"), remove(name), rename(name, f"/all/{chance.randrange(8)}")]
    return chance.choice(["ann", "bob"]), [chance.choice(asked)]


STORIES = (around_in_circles, made_and_removed, linked_and_removed, all_in_one_directory, shut_and_opened)


class World:
    """A ledger, its people, the dictionary, and how many drivers work on the database."""

    def __init__(self, ledger: Ledger, databases: Sequence[Database]) -> None:
        self.ledger = ledger
        self.people = {"admin": ledger.admin, "ann": ledger.person("ann"), "bob": ledger.person("bob")}
        self.sessions = {name: ledger.begin(person) for name, person in self.people.items()}
        self.databases = databases
        reply = ledger.commit(mkdir(TOP, mode=0o777))
        top = Node("directory", 0o777, "admin", "admin", (reply.at_us, 0), 0)
        self.tree = Tree({"": Name(1, 0)}, {1: top})
        self.acknowledge("admin", BEGINNING, ledger.do(self.prepared("admin", BEGINNING)))

    def prepared(self, who: str, asked: list[Operation]) -> Commit:
        person: Person = self.people[who]
        return self.ledger.prepared(*map(_placed, asked), person=person, session=self.sessions[who])

    def acknowledge(self, who: str, asked: list[Operation], reply: CommitReply) -> None:
        """Do in the dictionary what was done."""
        asking = Who(who, who == "admin", frozenset())
        after = dictionary.commit(self.tree, asked, asking, top=TOP, number=reply.commit)
        self.tree = nodes.resolved(after, {reply.commit: reply.at_us})

    async def wave(self, drivers: Sequence[Driver], story: Story, chance: random.Random) -> Counter[str]:
        """Many at once; then what was acknowledged is compared."""
        asked = [story(chance) for _ in range(AT_ONCE)]
        made = [self.prepared(*one) for one in asked]
        reaping = [Reap(deadline=float("inf"), rows=3) for _ in range(AT_ONCE // 8)]
        everything: list[Any] = [*made, *reaping]
        outcomes = await asyncio.gather(
            *[drivers[at % len(drivers)].submit(one) for at, one in enumerate(everything)],
            return_exceptions=True,
        )
        told: Counter[str] = Counter()
        done = []
        for one, outcome in zip(asked, outcomes, strict=False):
            told[type(outcome).__name__] += 1
            if isinstance(outcome, CommitReply):
                done.append((outcome, one))
            else:
                assert isinstance(outcome, CairnError), outcome
        for reply, (who, operations) in sorted(done, key=lambda pair: pair[0].commit):
            self.acknowledge(who, operations, reply)
        opened: Opened = {}
        assert see(self.ledger, TOP, None, opened).told == expected(self.tree)
        self.ledger.verify()
        return told


def _placed(one: Operation) -> Operation:
    changes = {"path": TOP + one.path}
    if isinstance(one, Rename | Link):
        changes["target"] = TOP + one.target
    return msgspec.structs.replace(one, **changes)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: str(story.__name__))
async def test_what_is_acknowledged_happened(database: Database, story: Story, seed: int) -> None:
    await _play(World(Ledger(database), [database]), story, seed)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: str(story.__name__))
async def test_by_two_processes_on_one_database(postgres_dsn: str, story: Story, seed: int) -> None:
    with (
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as first,
        closing(PostgresDatabase(postgres_dsn, SystemClock())) as second,
    ):
        await _play(World(Ledger(first), [first, second]), story, seed)


async def _play(world: World, story: Story, seed: int) -> None:
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        drivers = []
        for one in world.databases:
            driver = Driver(one, SystemClock(), batch_max=16)
            stack.push_async_callback(driver.close)
            drivers.append(driver)
        told = sum([await world.wave(drivers, story, chance) for _ in range(WAVES)], Counter[str]())
    print(dict(told))
    assert told["CommitReply"] >= WAVES
