"""The machine that does the same to Cairn and to a dictionary, and compares.

What belongs here: the steps. `test_filesystem_model` runs it on each database, `test_planted_bugs` with
bugs that it must find. Every example works in a directory of its own, so that one database serves
them all and its history grows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cairnfs.core.manifest import Chunk
from cairnfs.errors import CairnError
from cairnfs.metadata.ops.reap import Reap
from cairnfs.testing.ledger import NEVER_LATE, Ledger, chunk, mkdir, remove, rename, write
from cairnfs.wire.commits import CommitReply, Operation
from cairnfs.wire.receipts import ReceiptBody
from tests.model import dictionary
from tests.model.dictionary import Refused, Tree

CONTENTS: list[list[Chunk]] = [
    [],
    [chunk(b"one")],
    [chunk(b"two"), chunk(b"one")],
    [chunk(b"two"), chunk(b"two")],
    [chunk(b"three")] * 300,
]
NAMES = ["a", "b", "c"]
#: Deep enough that a removal does not meet all of it at once.
BEGINNING: list[Operation] = [
    mkdir("/a/b/c", parents=True),
    *[write(path, *CONTENTS[1]) for path in ("/a/b/c/a", "/a/b/c/b", "/a/b/a", "/a/a", "/b")],
]
_examples = itertools.count(1)

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(
    lambda names: "".join(f"/{n}" for n in names)
)
flags = st.booleans()


class Filesystem(RuleBasedStateMachine):
    """Cairn beside a dictionary. A subclass says which ledger."""

    ledger: Ledger

    @initialize()
    def begin(self) -> None:
        self.top = f"/example-{next(_examples)}"
        self.gone: list[str] = []  # ETags that were true once
        self.opened: dict[tuple[str, bool], tuple[bytes, ...]] = {}
        self.tree: Tree = {}
        first = self.ledger.commit(mkdir(self.top)).commit
        reply = self.ledger.commit(*self._placed(BEGINNING))
        made = dictionary.commit({}, BEGINNING, receipts=True)
        self.history: dict[int, Tree] = {first: {}, reply.commit: made}
        self.tree = self._learn(made)

    @rule(data=st.data(), sizes=st.lists(st.integers(1, 2), min_size=1, max_size=3))
    def small(self, data: st.DataObject, sizes: list[int]) -> None:
        """Small commits."""
        self.batch(data, sizes)

    @rule(data=st.data(), sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4))
    def large(self, data: st.DataObject, sizes: list[int]) -> None:
        """Larger commits, at least two at once."""
        self.batch(data, sizes)

    @precondition(lambda self: self.tree)
    @rule(data=st.data())
    def overtaken(self, data: st.DataObject) -> None:
        """Somebody changes a file, and who expects its earlier version is refused."""
        files = sorted(path for path, node in self.tree.items() if not node.is_directory)
        path = data.draw(st.sampled_from(files or ["/a"]), "file")
        stale = self.tree[path].etag if path in self.tree else None
        change = write(path, *data.draw(st.sampled_from(CONTENTS), "content"))
        late: list[Operation] = [
            write(path, *CONTENTS[1], expected=stale),
            remove(path, expected=stale),
            rename(path, path + "x", expected=stale),
        ]
        chosen = data.draw(st.sampled_from(late), "late")
        together = data.draw(flags, "together")
        steps: list[tuple[list[Operation], bool]] = [([change], True), ([chosen], True)]
        for part in [steps] if together else [[step] for step in steps]:
            self._do(part)

    @precondition(lambda self: any(node.is_directory for node in self.tree.values()))
    @rule(data=st.data())
    def into_itself(self, data: st.DataObject) -> None:
        """A directory is moved to some place below itself."""
        directories = sorted(path for path, node in self.tree.items() if node.is_directory)
        path = data.draw(st.sampled_from(directories), "directory")
        inner = [other for other in directories if other == path or other.startswith(f"{path}/")]
        target = f"{data.draw(st.sampled_from(inner), 'inner')}/{data.draw(st.sampled_from(NAMES), 'name')}"
        self._do([([rename(path, target)], True)])

    def batch(self, data: st.DataObject, sizes: list[int]) -> None:
        """Commits of so many operations each, in one tx; pages of reaping in between."""
        steps: list[tuple[list[Operation] | None, bool]] = []
        tree = self.tree
        for size in sizes:
            asked = self._commit(data, tree, size)
            receipts = data.draw(st.integers(0, 3), "receipts") > 0
            steps.append((asked, receipts))
            with suppress(Refused):
                tree = dictionary.commit(tree, asked, receipts=receipts)
            if data.draw(st.integers(0, 4), "reap") == 0:
                steps.append((None, False))
        self._do(steps)

    def _do(self, steps: Sequence[tuple[list[Operation] | None, bool]]) -> None:
        """Do the same here and there, and compare: (operations or None to reap, with receipts?) each."""
        operations: list[Any] = []
        expected: list[Tree | type[CairnError] | None] = []
        tree = self.tree
        for asked, receipts in steps:
            if asked is None:
                operations.append(Reap(deadline=NEVER_LATE, rows=2))
                expected.append(None)
                continue
            given = None if receipts else list[ReceiptBody]()
            operations.append(self.ledger.prepared(*self._placed(asked), receipts=given))
            try:
                tree = dictionary.commit(tree, asked, receipts=receipts)
                expected.append(tree)
            except Refused as refused:
                expected.append(refused.kind)
        outcomes = self.ledger.batch(operations)
        for outcome, due in zip(outcomes, expected, strict=True):
            if isinstance(due, dict):
                assert isinstance(outcome, CommitReply), f"refused with {outcome!r}"
                self.history[outcome.commit] = due
            elif due is not None:
                assert type(outcome) is due, f"{due.__name__} was due, not {outcome!r}"
        self.tree = self._learn(tree)
        assert self._seen(None) == {path: node.chunks for path, node in tree.items()}
        for outcome, due in zip(outcomes, expected, strict=True):
            if isinstance(due, dict):
                self._compare(outcome.commit)

    @rule(rows=st.integers(1, 3))
    def reap(self, rows: int) -> None:
        """A page of what was removed."""
        self.ledger.do(Reap(deadline=NEVER_LATE, rows=rows))

    @rule(path=paths)
    def look(self, path: str) -> None:
        """stat answers or refuses as the dictionary does."""
        try:
            node = dictionary.look(self.tree, path)
        except Refused as refused:
            with pytest.raises(refused.kind):
                self.ledger.stat(self.top + path)
            return
        entry = self.ledger.stat(self.top + path)
        assert (entry.kind == "directory", entry.etag) == (node.is_directory, node.etag)

    @precondition(lambda self: len(self.history) > 1)
    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        """Any commit reads as it was."""
        self._compare(data.draw(st.sampled_from(sorted(self.history)), "commit"))

    def teardown(self) -> None:
        self.ledger.reap(rows=3)
        for number in self.history:
            self._compare(number)
        self.ledger.verify()

    def _commit(self, data: st.DataObject, tree: Tree, size: int) -> list[Operation]:
        """Operations that see each other's effects. Most can be done; of those alone, two in three."""
        asked: list[Operation] = []
        for _ in range(size):
            operation = self._operation(data, tree)
            careless = data.draw(st.integers(0, 9), "careless") < (4 if size == 1 else 1)
            for _ in range(0 if careless else 3):
                try:
                    tree = dictionary.commit(tree, [operation], receipts=True)
                    break
                except Refused:
                    operation = self._operation(data, tree)
            asked.append(operation)
        return asked

    def _operation(self, data: st.DataObject, tree: Tree) -> Operation:
        """Any operation, mostly on what exists, or on a new name where one can be."""
        draw: Callable[..., Any] = data.draw
        inside = ["", *(path for path, node in tree.items() if node.is_directory)]
        fresh = st.builds(
            lambda up, name: f"{up}/{name}", st.sampled_from(sorted(inside)), st.sampled_from(NAMES)
        )
        new = sorted(path for path, node in tree.items() if node.etag is None)
        there = st.sampled_from(sorted(tree)) if tree else fresh
        there = st.one_of(st.sampled_from(new), there) if new else there
        verb = draw(
            st.sampled_from(["write", "write", "mkdir", "mkdir", "remove", "rename", "rename"]), "verb"
        )
        if verb in ("write", "mkdir"):
            path = draw(st.one_of(fresh, fresh, there, paths), "path")
        else:
            path = draw(st.one_of(there, there, there, paths), "path")
        present = tree[path].etag if path in tree else None
        version = draw(st.sampled_from([None] * 6 + [present, *self.gone[-1:]]), "expected")
        match verb:
            case "write":
                expected = version or draw(st.sampled_from([None, None, "none"]), "none")
                content = draw(st.sampled_from(CONTENTS), "content")
                return write(path, *content, expected=expected, parents=draw(flags, "parents"))
            case "mkdir":
                return mkdir(path, parents=draw(flags, "parents"))
            case "remove":
                return remove(path, recursive=draw(st.integers(0, 3), "recursive") > 0, expected=version)
            case _:
                inner = [path, *(other for other in inside if other.startswith(f"{path}/"))]
                below = st.builds(
                    lambda up, name: f"{up}/{name}", st.sampled_from(inner), st.sampled_from(NAMES)
                )
                target = draw(st.one_of(fresh, fresh, there, below), "target")
                return rename(path, target, replace=draw(flags, "replace"), expected=version)

    def _placed(self, operations: list[Operation]) -> list[Operation]:
        """The same operations below this example's directory."""
        placed = []
        for one in operations:
            changes = {"path": self.top + one.path}
            if hasattr(one, "target"):
                changes["target"] = self.top + one.target
            placed.append(msgspec.structs.replace(one, **changes))
        return placed

    def _learn(self, tree: Tree) -> Tree:
        """The tree with the ETags that are read: what was known must not have changed."""
        before = {node.etag for node in self.tree.values() if node.etag}
        learnt: Tree = {}
        for path, node in tree.items():
            learnt[path] = dictionary.known(node, self.ledger.stat(self.top + path).etag)
        now = [node.etag for node in learnt.values()]
        assert len(set(now)) == len(now), "two files with one ETag"
        self.gone += sorted(before - set(now))
        return learnt

    def _compare(self, commit: int) -> None:
        seen = self._seen(commit)
        assert seen == {path: node.chunks for path, node in self.history[commit].items()}, f"at {commit}"

    def _seen(self, at: int | None) -> dict[str, tuple[bytes, ...] | None]:
        """The example's tree as Cairn shows it."""
        found: dict[str, tuple[bytes, ...] | None] = {}
        pending = [""]
        while pending:
            directory = pending.pop()
            for entry in self.ledger.list(self.top + directory, at=at, limit=2):
                path = f"{directory}/{entry.name}"
                if entry.kind == "directory":
                    pending.append(path)
                    found[path] = None
                else:
                    found[path] = self._chunks(path, at, entry.etag)
        return found

    def _chunks(self, path: str, at: int | None, etag: str) -> tuple[bytes, ...]:
        """A file's chunks. A version never changes: each is opened once as it lives and once in the past."""
        key = (etag, at is None)
        if key not in self.opened:
            reply = self.ledger.open(self.top + path, at=at)
            assert reply.entry.etag == etag
            self.opened[key] = tuple(one.hash for one in reply.chunks)
        return self.opened[key]


def machine(ledger: Ledger) -> type[Filesystem]:
    """The machine on this ledger."""
    return type("OneFilesystem", (Filesystem,), {"ledger": ledger})
