"""The same tree made by ordinary commits and as a detached tree: nobody can tell one from the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from cairnfs.clock import SystemClock
from cairnfs.core.permissions import Person
from cairnfs.errors import CairnError
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing.ledger import Ledger, attributes_of, link, mkdir, symlink, write
from cairnfs.wire.commits import Attributes, Operation
from tests.unit.metadata.building import Building

THOUGHTS = 80
#: A verb, a path, what else it is about, attributes, a mode.
Thought = tuple[str, bytes, bytes, Attributes | None, int | None]
Seen = dict[bytes, tuple[object, ...]]


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """As everywhere, on both databases; verified when the test is over."""
    database: Database
    if request.param == "sqlite":
        database = SqliteDatabase(MEMORY, SystemClock())
    else:
        database = PostgresDatabase(request.getfixturevalue("postgres_dsn"), SystemClock())
    with closing(database):
        made = Ledger(database)
        yield made
        made.verify()


class Gardener:
    """Thinks of operations below a directory that does not matter."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.directories = [b""]
        self.files: list[bytes] = []

    def thinks(self) -> Thought:
        """Something that may be refused."""
        rng = self._rng
        verb = rng.choice(["write", "write", "write", "mkdir", "mkdir", "symlink", "link", "link"])
        known = [*self.directories, *self.files]
        up = rng.choice(self.directories) if rng.random() < 0.9 else rng.choice(known)
        path = up + b"/" + rng.choice([b"a", b"b", b"c", b"d", b"e", b"f", b"\xff", "ä".encode()])
        if verb == "link":
            other = rng.choice(known if rng.random() < 0.1 else self.files or known) or b"/"
        else:
            other = bytes([rng.randrange(4)]) * rng.randrange(1, 4)
        mode = rng.choice([None, 0o600, 0o755, 0o4755, 0o2775, 0o6777])
        if verb == "mkdir" and mode is not None:
            mode = (mode | 0o700) & 0o3777
        attributes = self._attributes(mode) if rng.random() < 0.6 else None
        return verb, path, other, attributes, mode

    def _attributes(self, mode: int | None) -> Attributes:
        rng = self._rng
        xattrs = {b"user.x": b"%d" % rng.randrange(3)}
        if rng.random() < 0.3:
            xattrs[b"trusted.x"] = b"secret"
        return attributes_of(
            mode=mode if rng.random() < 0.5 else None,
            owner=rng.choice([None, None, "ann", "bob", "who"]),
            group=rng.choice([None, None, "crew", "club", "ann", "who"]),
            mtime_us=rng.choice([None, rng.randrange(10**15)]),
            mtime_sub_ns=rng.randrange(1000),
            xattrs=rng.choice([None, xattrs]),
            lenient=rng.random() < 0.7,
        )


def operation(thought: Thought, top: bytes) -> Operation:
    """A thought below a directory."""
    verb, path, other, attributes, mode = thought
    if verb == "write":
        content = [other[:1]] * len(other)
        return write(top + path, *content, expected="none", mode=mode, attributes=attributes)
    if verb == "mkdir":
        return mkdir(top + path, mode=mode, attributes=attributes)
    if verb == "symlink":
        return symlink(top + path, other, attributes=attributes)
    return link(top + other.rstrip(b"/") or b"/", top + path)


def seen(ledger: Ledger, top: bytes) -> Seen:
    """All that can be told of a tree. Times are told apart only where they were given."""
    found: Seen = {}
    numbers: dict[int, int] = {}
    now = ledger.stat(top).mtime_us
    pending = [b""]
    while pending:
        up = pending.pop()
        for entry in ledger.list(top + up):
            path = up + b"/" + entry.raw_name()
            time = None if entry.mtime_us == now else (entry.mtime_us, entry.mtime_sub_ns)
            chunks = tuple(ledger.open(top + path).chunks) if entry.kind == "file" else ()
            xattrs = ledger.xattrs(top + path)
            found[path] = (
                entry.kind, entry.size, entry.mode, entry.owner, entry.group, time, entry.links,
                entry.target, entry.policy, chunks, tuple(xattrs.items()),
            )  # fmt: skip
            numbers[entry.inode] = numbers.get(entry.inode, 0) + 1
            if entry.kind == "directory":
                pending.append(path)
    return found


def twins(ledger: Ledger, rng: random.Random, person: Person, below: bytes) -> tuple[Seen, Seen]:
    """Make the same tree twice, and tell both. What one way refuses, the other refuses, too."""
    gardener, accepted = Gardener(rng), list[Thought]()
    trial, built = below + b"/trial", Building(ledger, (below + b"/scratch").decode(), person=person)
    ledger.commit(mkdir(trial), person=person)
    for _ in range(THOUGHTS):
        thought = gardener.thinks()
        ordinary, making = operation(thought, trial), operation(thought, b"")
        first = outcome(partial(ledger.commit, ordinary, person=person))
        second = outcome(partial(built.extend, making))
        assert first == second, (thought, first, second)
        if first is not None:
            continue
        accepted.append(thought)
        if thought[0] == "mkdir":
            gardener.directories.append(thought[1])
        elif thought[0] in ("write", "link"):
            gardener.files.append(thought[1])
    plain, attached = below + b"/plain", below + b"/built"
    ledger.commit(mkdir(plain), *[operation(one, plain) for one in accepted], person=person)
    building = Building(ledger, attached.decode(), person=person)
    rest = [operation(one, b"") for one in accepted]
    while rest:
        size = rng.choice([1, 2, 5, 20, 50])
        building.extend(*rest[:size])
        rest = rest[size:]
    building.attach()
    return seen(ledger, plain), seen(ledger, attached)


def outcome(do: Callable[[], object]) -> str | None:
    """What refuses it, if anything does."""
    try:
        do()
    except CairnError as error:
        return type(error).__name__
    return None


@pytest.mark.parametrize("who", ["admin", "ann", "carl"])
def test_nobody_can_tell(ledger: Ledger, who: str) -> None:
    people = {name: ledger.person(name) for name in ("ann", "bob", "carl")}
    crew = ledger.user_group("crew", people["ann"], people["carl"])
    ledger.user_group("club", people["bob"])
    person = people.get(who, ledger.admin)
    person = person._replace(groups=frozenset({crew})) if who in ("ann", "carl") else person
    for number in range(2):
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        below = f"/place{number}".encode()
        shared = who == "carl"
        attributes = attributes_of(mode=0o2777 if shared else 0o777, group="crew" if shared else None)
        ledger.commit(mkdir(below, attributes=attributes))
        plain, built = twins(ledger, random.Random(seed), person, below)
        assert plain == built
        assert plain
