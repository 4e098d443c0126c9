"""The machine that does the same to Cairn and to a dictionary, and compares.

What belongs here: the steps. What is asked for comes from `asking`, what must happen from `dictionary`.
`test_filesystem_model` runs it on each database, `test_planted_bugs` with bugs that it must find. Every
example works in a directory of its own, so that one database serves them all and its history grows.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cairnfs.core.permissions import Person
from cairnfs.errors import CairnError, IsADirectory, NotADirectory
from cairnfs.metadata.ops.emptying import look_below
from cairnfs.metadata.ops.reap import Reap
from cairnfs.metadata.ops.user_groups import ChangeGroup
from cairnfs.metadata.state import changes as logged
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, write
from cairnfs.wire.commits import CommitReply, Copy, Link, Operation, Rename
from cairnfs.wire.people import ChangeGroupRequest
from cairnfs.wire.receipts import ReceiptBody
from tests.model import dictionary, nodes, walking
from tests.model.asking import CONTENTS, Asking, flags, paths
from tests.model.nodes import Escaped, Name, Node, Refused, Tree, Who
from tests.model.replaying import check_notes, replay
from tests.model.seeing import Seen, expected, see
from tests.model.stories import STORIES, Step, Story

#: Deep enough that a removal does not meet all of it at once.
BEGINNING: list[Operation] = [
    mkdir("/a/b/c", parents=True),
    *[write(path, *CONTENTS[1]) for path in ("/a/b/c/a", "/a/b/c/b", "/a/b/a", "/a/a", "/b")],
]
_examples = itertools.count(1)
PEOPLE = ("admin", "admin", "ann", "bob")

READS = ("stat", "list", "open")


class Filesystem(RuleBasedStateMachine):
    """Cairn beside a dictionary. A subclass says which ledger and who is who there."""

    ledger: Ledger
    people: dict[str, Person]
    sessions: dict[str, Any]

    @initialize()
    def begin(self) -> None:
        self.top = f"/example-{next(_examples)}"
        self.gone: list[str] = []  # ETags that were true once
        self.opened: dict[tuple[str, bool], tuple[bytes, ...]] = {}
        self.count = 1
        self.staff: set[str] = set()
        self._regroup({"ann"})
        reply = self.ledger.commit(mkdir(self.top, mode=0o777))
        top = Node("directory", 0o777, "admin", "admin", (reply.at_us, 0), 1)
        self.tree = Tree({"": Name(1, 1)}, {1: top})
        self.history: dict[int, Tree] = {reply.commit: self.tree}
        self.last = self._see(None)
        self._learn(self.last)
        self._do([("admin", BEGINNING, True)])

    @rule(data=st.data(), sizes=st.lists(st.integers(1, 2), min_size=1, max_size=3))
    def small(self, data: st.DataObject, sizes: list[int]) -> None:
        """Small commits."""
        self.batch(data, sizes)

    @rule(data=st.data(), sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4))
    def large(self, data: st.DataObject, sizes: list[int]) -> None:
        """Larger commits, at least two at once."""
        self.batch(data, sizes)

    @precondition(lambda self: self.tree.paths("file") and self.tree.paths("directory"))
    @rule(data=st.data(), story=st.sampled_from(STORIES))
    def story(self, data: st.DataObject, story: Story) -> None:
        """One of those that end badly where a rule is forgotten."""
        for steps in story(data, self.tree, self.top):
            self._do(steps)

    @rule(staff=st.sets(st.sampled_from(["ann", "bob"])))
    def regroup(self, staff: set[str]) -> None:
        """People join and leave the user group."""
        self._regroup(staff)

    @rule(rows=st.integers(1, 3))
    def reap(self, rows: int) -> None:
        """A page of what was removed."""
        self.ledger.do(Reap(deadline=NEVER_LATE, rows=rows))

    @rule(
        data=st.data(),
        who=st.sampled_from(PEOPLE),
        follow=flags,
        how=st.sampled_from(["stat", "list", "open"]),
    )
    def look(self, data: st.DataObject, who: str, follow: bool, how: str) -> None:
        """Reads answer or refuse as the dictionary does, now and then."""
        known = self.tree.paths()
        path = data.draw(st.one_of(paths, st.sampled_from(known) if known else paths), "path")
        at = data.draw(st.sampled_from([None, *sorted(self.history)]), "at")
        tree = self.tree if at is None else self.history[at]
        person = self.people[who]
        try:
            node = walking.look(tree, self._who(who), self.top, path, follow=follow or how != "stat")
            if how != "stat":
                _require_reading(self._who(who), node, how)
        except Escaped:
            return
        except Refused as refused:
            with pytest.raises(refused.kind, check=partial(_is, refused.kind)):
                self._read(how, path, person, at, follow)
            return
        etag = self._read(how, path, person, at, follow)
        assert etag is None or at is not None or etag == node.etag

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

    def batch(self, data: st.DataObject, sizes: list[int]) -> None:
        """Commits of so many operations each, in one tx; pages of reaping in between."""
        steps: list[Step] = []
        tree = self.tree
        for size in sizes:
            who = data.draw(st.sampled_from(PEOPLE), "who")
            asked = self._commit(data, tree, who, size)
            receipts = data.draw(st.integers(0, 3), "receipts") > 0
            steps.append((who, asked, receipts))
            with suppress(Refused, Escaped):
                tree = self._done(tree, who, asked, receipts=receipts)
            if data.draw(st.integers(0, 4), "reap") == 0:
                steps.append(None)
        self._do(steps, checking=data.draw(flags, "checking"))

    def _do(self, steps: Sequence[Step], *, checking: bool = False) -> None:
        """Do the same here and there, and compare."""
        operations: list[Any] = []
        due: list[Tree | type[CairnError] | None] = []
        tree = self.tree
        for step in steps:
            if step is None:
                operations.append(Reap(deadline=NEVER_LATE, rows=2))
                due.append(None)
                continue
            who, asked, receipts = step
            try:
                tree = self._done(tree, who, asked, receipts=receipts)
                due.append(tree)
            except Refused as refused:
                due.append(refused.kind)
            except Escaped:
                return
            operations.append(self._prepared(step, checking=checking))
        outcomes = self.ledger.batch(operations)
        times: dict[int, int] = {}
        new = []
        for outcome, expect in zip(outcomes, due, strict=True):
            if isinstance(expect, Tree):
                assert isinstance(outcome, CommitReply), f"refused with {outcome!r}"
                times[expect.number] = outcome.at_us
                self.history[outcome.commit] = self.tree = nodes.resolved(expect, times)
                new.append(outcome.commit)
            elif expect is not None:
                assert type(outcome) is expect, f"{expect.__name__} was due, not {outcome!r}"
        now = self._see(None)
        assert now.told == expected(self.tree)
        self._learn(now)
        for commit in new:
            self._follow(commit, now if commit == new[-1] else self._compare(commit))

    def _done(self, tree: Tree, who: str, asked: list[Operation], *, receipts: bool = True) -> Tree:
        """The tree after a commit; it counts whether it is made or not."""
        self.count += 1
        return dictionary.commit(
            tree,
            asked,
            self._who(who),
            top=self.top,
            number=self.count,
            receipts=receipts,
            history=self.history,
        )

    def _commit(self, data: st.DataObject, tree: Tree, who: str, size: int) -> list[Operation]:
        """Operations that see each other's effects. Most can be done; of those alone, two in three."""
        asked: list[Operation] = []
        for _ in range(size):
            asking = Asking(data, tree, self.top, self.gone, sorted(self.history))
            careless = data.draw(st.integers(0, 9), "careless") < (4 if size == 1 else 1)
            for _ in range(4):
                operation = asking.operation()
                try:
                    tree = self._done(tree, who, [operation])
                    asked.append(operation)
                    break
                except Refused:
                    if careless:
                        asked.append(operation)
                        break
                except Escaped:
                    continue
        return asked or [mkdir("/a", parents=True)]

    def _prepared(self, step: tuple[str, list[Operation], bool], *, checking: bool) -> Any:
        who, asked, receipts = step
        person = self.people[who]
        operation = self.ledger.prepared(
            *map(self._placed, asked),
            person=person,
            session=self.sessions[who],
            receipts=None if receipts else list[ReceiptBody](),
        )
        if checking:
            with suppress(CairnError):
                operation.looked = self.ledger.read(lambda tx: look_below(tx, person, operation.recursive))
        return operation

    def _placed(self, one: Operation) -> Operation:
        """The same operation below this example's directory."""
        changes = {"path": self.top + one.path}
        if isinstance(one, Rename | Link | Copy):
            changes["target"] = self.top + one.target
        return msgspec.structs.replace(one, **changes)

    def _who(self, name: str) -> Who:
        return Who(name, name == "admin", frozenset({"staff"} if name in self.staff else ()))

    def _regroup(self, staff: set[str]) -> None:
        request = ChangeGroupRequest(
            request_id=secrets.token_hex(16),
            user_group="staff",
            add=sorted(staff),
            drop=sorted({"ann", "bob"} - staff),
        )
        self.ledger.do(ChangeGroup(self.ledger.admin, request, deadline=NEVER_LATE))
        self.staff = set(staff)

    def _see(self, at: int | None) -> Seen:
        return see(self.ledger, self.top, at, self.opened)

    def _learn(self, seen: Seen) -> None:
        """Give the tree the ETags that were read: what was known must not have changed."""
        before = {node.etag for node in self.tree.nodes.values() if node.etag}
        for path, name in self.tree.names.items():
            node = self.tree.nodes[name.number]
            self.tree.nodes[name.number] = dictionary.known(node, seen.etags[path])
        now = [node.etag or "" for node in self.tree.nodes.values()]
        assert len(set(now)) == len(now), "two files with one ETag"
        self.gone += sorted(before - set(now))

    def _follow(self, commit: int, seen: Seen) -> None:
        """The log of a new commit says what it did: `seen` is what it left."""
        row = self.ledger.read(
            lambda tx: tx.row("SELECT entries FROM change WHERE commit_number = ?", commit)
        )
        made = [] if row is None else logged.decode(row[0])
        names = replay(self.last.names, made)
        assert names == seen.names, f"the log of {commit}: {made}"
        other = {
            one
            for one in self.last.contents.keys() & seen.contents
            if self.last.contents[one] != seen.contents[one]
        }
        check_notes(made, names, self.last.versions, seen.versions, other)
        self.last = seen

    def _compare(self, commit: int) -> Seen:
        """A commit reads as it was."""
        seen = self._see(commit)
        assert seen.told == expected(self.history[commit]), f"at {commit}"
        return seen

    def _read(self, how: str, path: str, person: Person, at: int | None, follow: bool) -> str | None:
        where = self.top + path
        if how == "list":
            self.ledger.list(where, person=person, at=at)
            return None
        if how == "open":
            return self.ledger.open(where, person=person, at=at).entry.etag
        return self.ledger.stat(where, person=person, at=at, follow=follow).etag


def _require_reading(who: Who, node: Node, how: str) -> None:
    if node.is_directory != (how == "list"):
        raise Refused(NotADirectory if how == "list" else IsADirectory)
    nodes.require(who, node, nodes.READ | (nodes.WALK if how == "list" else 0))


def _is(kind: type[CairnError], error: BaseException) -> bool:
    return type(error) is kind


def machine(ledger: Ledger) -> type[Filesystem]:
    """The machine on this ledger."""
    people = {"admin": ledger.admin, "ann": ledger.person("ann"), "bob": ledger.person("bob")}
    ledger.user_group("staff")
    sessions = {name: ledger.begin(person) for name, person in people.items()}
    return type("OneFilesystem", (Filesystem,), {"ledger": ledger, "people": people, "sessions": sessions})
