"""Trees that grow beside each other, by pages that know of each other or do not, beside a dictionary of each.

    grow(ledger, rng)       many steps; raises AssertionError where Cairn and the dictionaries differ

What belongs here: the steps, at random: pages, pages sent again, pages that were worked out before others
came, pages without receipts, trees attached, dropped, left; several of these in one tx. Answers come from the
driver's own committer, so that first answers count. What does not: single rules (`unit/metadata`).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from cairnfs.clock import SystemClock
from cairnfs.errors import CairnError, Internal
from cairnfs.ids import InodeId
from cairnfs.metadata.batch import Committer
from cairnfs.metadata.lane import Task
from cairnfs.metadata.ops import detached, detached_handle
from cairnfs.metadata.ops.detached import AbandonTrees
from cairnfs.metadata.patience import Patience
from cairnfs.testing.ledger import NEVER_LATE, Ledger, link, mkdir, remove, symlink, write
from cairnfs.wire.commits import Link, MakeDirectory, Operation
from tests.unit.metadata.building import Building

STEPS = 60
NAMES = "abcd"
#: A path, and what is there: names with the same thing are links of one file.
Content = dict[str, object]


class Growing:
    """One tree, and what it should hold. `over`: attached or given up."""

    def __init__(self, ledger: Ledger, path: str) -> None:
        self.building = Building(ledger, path)
        self.path = path
        self.content: Content = {"": "directory"}
        self.over = False
        opened = ledger.read(lambda tx: detached_handle.open_handle(tx, ledger.admin, self.building.tree))
        self.top: InodeId = opened.top

    def after(self, page: Sequence[Operation]) -> Content | str:
        """What it holds after a page, or the name of what refuses it."""
        content = dict(self.content)
        for one in page:
            path = one.target if isinstance(one, Link) else one.path
            if isinstance(one, Link) and content.get(one.path, "directory") == "directory":
                return "NotFound" if one.path not in content else "LinkToDirectory"
            up = content.get(path.rpartition("/")[0])
            if up != "directory":
                return "NotFound" if up is None else "NotADirectory"
            if path in content:
                return "Exists"
            if isinstance(one, Link):
                content[path] = content[one.path]
            else:
                content[path] = "directory" if isinstance(one, MakeDirectory) else object()
        return content

    def page(self, rng: random.Random) -> list[Operation]:
        """Some operations, most of which can be done."""
        content, page = dict(self.content), list[Operation]()
        for _ in range(rng.randint(1, 4)):
            inside = [path for path, what in content.items() if what == "directory"]
            others = [path for path, what in content.items() if what != "directory"]
            path = f"{rng.choice(inside)}/{rng.choice(NAMES)}"
            if path in content and rng.random() < 0.9:
                continue
            makes: list[Operation] = [
                mkdir(path),
                write(path, rng.choice((b"1", b"2", b"3"))),
                symlink(path, "x"),
            ]
            if others:
                makes += [link(rng.choice(others), path)] * 3
            one = rng.choice(makes)
            page.append(one)
            content[path] = "directory" if isinstance(one, MakeDirectory) else object()
        return page or [mkdir(f"/{rng.choice(NAMES)}")]


class Garden:
    """All trees of one story."""

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self.ledger = ledger
        self.rng = rng
        self.trees: list[Growing] = []
        self.attached: list[Growing] = []
        self.done: list[tuple[Any, object]] = []  # what was answered, and how
        self.waiting: list[tuple[Growing, list[Operation], Any]] = []  # worked out, and not done yet
        self._committer = Committer(ledger.database, SystemClock(), partial(Patience, threading.Event()))
        ledger.commit(mkdir("/garden"))

    def step(self) -> None:
        """One thing, or several in one tx."""
        rng = self.rng
        alive = [one for one in self.trees if not one.over]
        if len(alive) < 2:
            self.trees.append(Growing(self.ledger, f"/garden/{len(self.trees)}"))
            return
        tree = rng.choice(self.trees if rng.random() < 0.2 else alive)
        chance = rng.random()
        if chance < 0.35:
            self._work_out(tree)
        elif chance < 0.7 and self.waiting:
            rng.shuffle(self.waiting)
            some, self.waiting = self.waiting[:3], self.waiting[3:]
            self._run([(page, partial(self._expect_page, tree, made)) for tree, made, page in some])
        elif chance < 0.78 and self.done:
            asked, answer = rng.choice(self.done)
            self._run([(asked, lambda: answer)])
        elif chance < 0.84:
            self._without_receipts(tree)
        elif chance < 0.94:
            self._attach(rng.sample(alive, rng.choice([1, 1, 2])), refused=rng.random() < 0.3)
        else:
            self._end(tree)

    def finish(self) -> None:
        """Everything that was attached holds what it should; all else comes to an end."""
        while self.waiting:
            tree, made, page = self.waiting.pop()
            self._run([(page, partial(self._expect_page, tree, made))])
        self.ledger.verify()
        self._compare()
        for tree in self.trees:
            if not tree.over:
                self._end(tree)
        self._abandon()
        assert self.ledger.verify()["detached"] == 0

    def _work_out(self, tree: Growing) -> None:
        made = tree.page(self.rng)
        due = "NoSuchTree" if tree.over else tree.after(made)
        page = self._page(tree, made, {due} if isinstance(due, str) else set())
        if page is None:
            return
        assert not isinstance(due, str), f"{due} was due"
        self.waiting.append((tree, made, page))

    def _page(self, tree: Growing, made: Sequence[Operation], due: set[str], **rest: Any) -> Any:
        """Work out a page; None if it was refused for one of these reasons."""
        try:
            return tree.building.page(*made, **rest)
        except CairnError as error:
            refused = error
        assert type(refused).__name__ in due, f"{refused!r}, not one of {due}"
        return None

    def _expect_page(self, tree: Growing, made: Sequence[Operation]) -> object:
        """What a page that was worked out answers now, which it does to the dictionary, too."""
        after = "NoSuchTree" if tree.over else tree.after(made)
        if isinstance(after, str):
            return after
        tree.content = after
        return len(made)

    def _without_receipts(self, tree: Growing) -> None:
        unknown = self.rng.randbytes(8)
        making = write(f"/{self.rng.choice(NAMES)}{len(self.done)}", unknown)
        page = self._page(tree, [making], {"NotDurable", "NoSuchTree"}, receipts=[])
        if page is not None:
            self._run([(page, lambda: "NotDurable")])

    def _attach(self, trees: Sequence[Growing], *, refused: bool) -> None:
        operations: list[Operation] = [tree.building.attaching() for tree in trees]
        if refused:
            operations.append(remove("/nothing"))
        commit = self.ledger.prepared(*operations)

        def due() -> object:
            if refused:
                return "NotFound"
            for tree in trees:
                tree.over = True
                self.attached.append(tree)
            return None

        late = [one for one in self.waiting if one[0] in trees][:1]
        self.waiting = [one for one in self.waiting if one not in late]
        asked = [(commit, due)]
        asked += [(page, partial(self._expect_page, tree, made)) for tree, made, page in late]
        self._run(asked)
        self._compare()

    def _end(self, tree: Growing) -> None:
        dropped = self.ledger.database.write(lambda tx: detached.give_up(tx, tree.top))
        assert dropped is not tree.over
        tree.over = True
        if self.rng.random() < 0.5:
            self._abandon()

    def _abandon(self) -> None:
        """What was given up ends, as the duties do it: at a commit later than the one it was begun at."""
        self.ledger.commit(write(f"/x{self.ledger.newest()}"))
        self.ledger.do(AbandonTrees(deadline=NEVER_LATE))
        self.ledger.reap(rows=3)

    def _run(self, asked: Sequence[tuple[Any, Any]]) -> None:
        """Do these in one tx, in order, and compare each answer with what is due."""
        tasks: list[Task[Any]] = [Task(operation, None) for operation, _ in asked]  # type: ignore[arg-type]
        self._committer.commit(tasks)
        for task, (operation, due) in zip(tasks, asked, strict=True):
            expected = due()
            error = task._error
            assert not isinstance(error, Internal), f"a defect: {error.__cause__!r}"
            if error is not None:
                answer: object = type(error).__name__
            else:
                answer = getattr(task._value, "made", None)
            assert answer == expected, f"{operation}: {answer!r}, {expected!r} was due"
            self.done.append((operation, answer))

    def _compare(self) -> None:
        found = self.ledger.everything()
        for tree in self.attached:
            top = tree.path.encode()
            there = {
                path[len(top) :].decode(): entry
                for path, entry in found.items()
                if path == top or path.startswith(top + b"/")
            }
            assert there.keys() == tree.content.keys()
            inodes: dict[object, int] = {}
            for path, what in tree.content.items():
                entry = there[path]
                assert (entry.kind == "directory") == (what == "directory")
                if what != "directory":
                    assert inodes.setdefault(what, entry.inode) == entry.inode
                    assert entry.links == list(tree.content.values()).count(what)


def grow(ledger: Ledger, rng: random.Random, steps: int = STEPS) -> None:
    """One story. Raises AssertionError."""
    garden = Garden(ledger, rng)
    for _ in range(steps):
        garden.step()
    garden.finish()
