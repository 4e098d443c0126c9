"""Expecting that nothing was changed, held against trees that are compared commit by commit."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.clock import SystemClock
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.testing.ledger import Ledger, chattr, link, mkdir, remove, rename, write
from cairnfs.wire.commits import Operation
from cairnfs.wire.directory import Entry
from tests.unit.metadata.test_ops_unchanged import Scope, expecting, same

SCOPES: tuple[Scope, ...] = ("tree", "names")
PATHS = ["/a", "/b", "/a/a", "/a/b", "/b/a", "/b/b", "/a/a/a", "/a/b/a", "/b/a/b", "/a/b/a/a"]


def drawn(drawing: random.Random) -> Operation:
    path, other = drawing.choice(PATHS), drawing.choice(PATHS)
    made: list[Callable[[], Operation]] = [
        lambda: mkdir(path),
        lambda: mkdir(path),
        lambda: mkdir(path, parents=True),
        lambda: write(path, b"%d" % drawing.randrange(9)),
        lambda: write(path, b"%d" % drawing.randrange(9)),
        lambda: remove(path, recursive=True),
        lambda: rename(path, other),
        lambda: rename(path, other),
        lambda: link(path, other),
        lambda: link(path, other),
        lambda: chattr(path, mode=drawing.choice([0o700, 0o750])),
    ]
    return drawing.choice(made)()


class Oracle:
    """Knows every tree, and so what was changed."""

    def __init__(self, ledger: Ledger) -> None:
        self.at: Callable[[int], dict[bytes, Entry]] = lru_cache(None)(ledger.everything)

    def seen(self, commit: int, path: str, scope: Scope) -> object:
        """What must stay the same from commit to commit."""
        tree, raw = self.at(commit), path.encode()
        way: list[Any] = []
        for end in range(1, raw.count(b"/") + 1):
            entry = tree.get(b"/".join(raw.split(b"/")[: end + 1]))
            way.append(entry and entry.inode)
        below = {one: entry for one, entry in tree.items() if one == raw or one.startswith(raw + b"/")}
        if scope == "tree":
            return way, {one: (entry.inode, entry.etag) for one, entry in below.items()}
        direct = {one: entry.inode for one, entry in below.items() if one.rpartition(b"/")[0] == raw}
        return way, direct

    def holds(self, since: int, until: int, path: str, scope: Scope) -> bool:
        return len({repr(self.seen(one, path, scope)) for one in range(since, until + 1)}) == 1

    def is_directory(self, commit: int, path: str) -> bool:
        tree = self.at(commit)
        return all(
            (entry := tree.get(path.encode()[:end])) is None or entry.kind == "directory"
            for end in range(1, len(path) + 1)
        )


@pytest.mark.parametrize("number", range(6))
def test_any_story(number: int, seed: int) -> None:
    drawing = random.Random(seed * 100 + number)
    with closing(SqliteDatabase(MEMORY, SystemClock())) as database:
        ledger = Ledger(database)
        oracle = Oracle(ledger)
        first = ledger.newest()
        told = {True: 0, False: 0}
        for _ in range(60):
            ledger.batch([ledger.prepared(drawn(drawing)) for _ in range(drawing.randrange(3))])
            path, scope = drawing.choice(PATHS), drawing.choice(SCOPES)
            now = ledger.newest()
            since = drawing.randrange(max(first, now - 6), now + 1)
            try:
                asked = expecting(ledger, same(path, since, scope), looked=drawing.random() < 0.7)
            except e.NotADirectory:
                assert not oracle.is_directory(now, path)
                continue
            except e.VersionChanged:
                assert not oracle.holds(since, now, path, scope)
                told[False] += 1
                continue
            between = [ledger.prepared(drawn(drawing)) for _ in range(drawing.randrange(3))]
            outcome = ledger.batch([*between, asked])[-1]
            if isinstance(outcome, e.NotADirectory):
                continue
            own = isinstance(outcome, e.CairnError)
            until = ledger.newest() - (0 if own else 1)
            assert oracle.holds(since, until, path, scope) is not own, (since, until, path, scope, outcome)
            told[not own] += 1
        assert min(told.values()) > 0
