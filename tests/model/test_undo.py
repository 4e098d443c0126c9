"""What is refused leaves nothing: a database that never heard of it is the same, row by row.

Two databases do the same batches; from the second's the commits that the first refused are left out.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from typing import Any

from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops.reap import Reap
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.ledger import (
    NEVER_LATE,
    Ledger,
    attributes_of,
    chattr,
    copy,
    link,
    mkdir,
    remove,
    rename,
    setxattr,
    symlink,
    write,
)
from cairnfs.wire.commits import Operation

BATCHES = 150
TABLES = (
    "clock", "commits", "change", "inode", "dentry", "version", "xattr_set", "leaf", "chunk", "orphan",
    "detached", "replica_group",
)  # fmt: skip


def some_path(chance: random.Random, known: list[str]) -> str:
    if known and chance.random() < 0.5:
        return chance.choice(known)
    return "".join(f"/{chance.choice('abcs')}" for _ in range(chance.randint(1, 3)))


def operation(chance: random.Random, known: list[str]) -> Operation:
    """Any verb on any path: about half of them are refused."""
    path, other = some_path(chance, known), some_path(chance, known)
    yes = chance.random() < 0.5
    made: list[Operation] = [
        write(path, *[b"%d" % chance.randrange(4)] * chance.randint(0, 2), parents=yes),
        mkdir(path, parents=True),
        write(
            path, b"x", parents=True, attributes=attributes_of(mode=0o600, xattrs={b"user.a": b"%d" % yes})
        ),
        mkdir(path, parents=yes),
        symlink(path, chance.choice([other, other[1:], ".."]), replace=yes),
        link(path, other, replace=yes),
        link(path, other, follow=yes),
        remove(path, recursive=yes),
        rename(path, other, replace=yes),
        rename(path, other),
        chattr(path, mode=chance.choice([0o700, 0o755]), mtime_us=chance.randrange(3), follow=yes),
        setxattr(path, "user.a", chance.choice([None, b"1"]), create=yes),
        copy(path, other, preserve=yes, parents=yes),
    ]
    return chance.choice(made)


def rows(ledger: Ledger) -> dict[str, Any]:
    """All there is, but for when a directory that is gone changed last: nobody is told."""
    ledger.database.write(lambda tx: tx.run("UPDATE inode SET changed = 0, changed_us = 0 WHERE links = 0"))
    return {one: ledger.read(lambda tx, t=one: sorted(tx.rows(f"SELECT * FROM {t}"))) for one in TABLES}  # type: ignore[misc]


def test_what_was_refused_leaves_nothing(seed: int) -> None:
    chance, told = random.Random(seed), Counter[str]()
    clock = ManualClock(SystemClock().now_us())
    with (
        closing(SqliteDatabase(MEMORY, clock)) as first,
        closing(SqliteDatabase(MEMORY, clock)) as second,
    ):
        here, there = Ledger(first), Ledger(second)
        there.database.write(lambda tx: tx.run("UPDATE clock SET cluster_id = ?", here.map().cluster_id))
        for number in range(BATCHES):
            known = [path.decode() for path in here.everything() if len(path) > 1 and path[:5] != b"/home"]
            asked: list[list[Operation] | None] = [
                [operation(chance, known) for _ in range(chance.choice([1, 1, 2, 4]))]
                for _ in range(chance.randint(1, 5))
            ]
            if chance.random() < 0.3:
                asked.insert(chance.randrange(len(asked) + 1), None)
            outcomes = here.batch([_made(here, one) for one in asked])
            told.update(type(outcome).__name__ for outcome in outcomes)
            done = [
                one
                for one, outcome in zip(asked, outcomes, strict=True)
                if not isinstance(outcome, CairnError)
            ]
            again = there.batch([_made(there, one) for one in done])
            assert not [one for one in again if isinstance(one, CairnError)]
            assert here.everything() == there.everything(), f"after batch {number}: {asked}"
            if number % 5 == 4:
                # What is below a removed directory ends at once or by and by: in the end it is the same.
                here.reap()
                there.reap()
                assert rows(here) == rows(there), f"after batch {number}: {asked}"
        here.verify()
    print(dict(told))
    assert told["CommitReply"] > BATCHES / 4
    assert told.total() > 1.5 * told["CommitReply"]


def _made(ledger: Ledger, asked: list[Operation] | None) -> Any:
    return Reap(deadline=NEVER_LATE, rows=2) if asked is None else ledger.prepared(*asked)
