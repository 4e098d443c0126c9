"""Trees that change at random, for tests of what tells of changes: all kinds of operations on few names.

What belongs here: making operations, and walking a tree. What does not: tests.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from cairnfs import errors as e
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write
from cairnfs.wire.commits import Attributes, Copy, Link, Operation, SetAttributes

#: Every path: kind, inode, mode, content.
Tree = dict[str, tuple[object, ...]]


def tree(ledger: Ledger, at: int) -> Tree:
    """Every path: kind and content, with its inode."""
    flat: Tree = {}
    pending = ["/"]
    while pending:
        up = pending.pop()
        for entry in ledger.list(up, at=at):
            path = f"{up.rstrip('/')}/{entry.name}"
            content = tuple(ledger.open(path, at=at).chunks) if entry.kind == "file" else ()
            flat[path] = (entry.kind, entry.inode, entry.mode, content)
            if entry.kind == "directory":
                pending.append(path)
    return flat


def step(rng: random.Random, paths: list[str]) -> Operation:
    """Something at random; it may be refused."""

    def some() -> str:
        return "/".join(["", *rng.choices("abc", k=rng.randint(1, 3))])

    known = rng.choice(paths) if paths and rng.random() < 0.8 else some()
    choices: list[Callable[[], Operation]] = [
        lambda: write(some(), bytes([rng.randrange(256)])),
        lambda: write(known, bytes([rng.randrange(256)])),
        lambda: mkdir(some(), parents=True),
        lambda: rename(known, some()),
        lambda: remove(known, recursive=True),
        lambda: SetAttributes(path=known, attributes=Attributes(mode=rng.choice([0o600, 0o755]))),
        lambda: Link(path=known, target=some()),
        lambda: Copy(path=known, target=some()),
    ]
    return rng.choice(choices)()


def grow(ledger: Ledger, rng: random.Random, commits: int) -> dict[int, Tree]:
    """Commit so often at random, at times reaping what was removed. The tree after each, and before all."""
    trees: dict[int, Tree] = {ledger.newest(): tree(ledger, ledger.newest())}
    while len(trees) <= commits:
        operations = [step(rng, list(trees[ledger.newest()])) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        try:
            made = ledger.commit(*operations).commit
        except e.CairnError:
            continue
        trees[ledger.newest()] = tree(ledger, made)
        if rng.random() < 0.3:
            ledger.reap()
    return trees
