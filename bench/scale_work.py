"""What is done to a namespace, whatever its size, to see whether the size matters.

What belongs here: building one, and one operation each. What does not: measuring (`scale.py`). One thread.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cairnfs.core.permissions import Person
from cairnfs.errors import CairnError
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import list as lists
from cairnfs.metadata.ops import stat
from cairnfs.metadata.ops.du import usage
from cairnfs.metadata.ops.find import find
from cairnfs.metadata.ops.reap import Reap
from cairnfs.metadata.rows import clock
from cairnfs.metadata.state import State
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, remove, rename, write
from cairnfs.wire.directory import ListRequest, PathText, StatRequest
from cairnfs.wire.search import FindRequest, UsageRequest

_BATCH, _DIRECTORY, _PAGE = 1_000, 100, 100
Job = Callable[[], int]


class Work(NamedTuple):
    """One operation. `prepare` makes a job that gives the number of units it did; `every`: so many rounds."""

    name: str
    prepare: Callable[[Namespace, random.Random], Job]
    unit: str = "us"
    every: int = 1


class Namespace:
    """One database with files in it: half of them in directories of 100, half in one."""

    def __init__(self, database: Database) -> None:
        self.ledger = Ledger(database)
        self.database = database
        self.files = 0
        self._made = 0
        self._top = "/all"

    @property
    def person(self) -> Person:
        """Who asks."""
        return self.ledger.admin

    def build(self, files: int) -> Iterator[int]:
        """Make so many files, in commits of 1,000, telling how many there are."""
        half = files // 2
        self.files = files
        self.ledger.commit(mkdir("/all/flat", parents=True), mkdir("/all/tree"))
        for start in range(0, half, _BATCH):
            numbers = range(start, min(start + _BATCH, half))
            self.ledger.commit(*[write(f"/all/flat/flat-{n:07}", b"flat %d" % n) for n in numbers])
            yield start
        for start in range(0, half, _BATCH):
            numbers = range(start, min(start + _BATCH, half))
            self.ledger.commit(*[mkdir(f"/all/tree/{n // _DIRECTORY:05}") for n in numbers[::_DIRECTORY]])
            self.ledger.commit(*[write(self.path(n), b"tree %d" % n) for n in numbers])
            yield half + start
        if self.database.kind == "postgresql":
            self.database.write(lambda tx: tx.run("ANALYZE"))  # as its own daemon does, sooner or later

    def path(self, n: int) -> str:
        """A file in a directory of 100."""
        return f"{self._top}/tree/{n // _DIRECTORY:05}/tree-{n:07}"

    def some(self, rng: random.Random) -> int:
        """The number of a file in either half."""
        return rng.randrange(self.files // 2)

    def bytes(self) -> int:
        """The size of the database."""
        if self.database.kind == "sqlite":
            text = "SELECT c.page_count * s.page_size FROM pragma_page_count AS c, pragma_page_size AS s"
        else:
            text = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r'"
        row = self.database.read(lambda tx: tx.row(text))
        assert row is not None
        return int(row[0])

    def turn(self) -> str:
        """The other name of the directory that holds all; from now on it has it."""
        self._top = "/every" if self._top == "/all" else "/all"
        return self._top

    @property
    def top(self) -> str:
        """The directory that holds all."""
        return self._top

    def flat(self) -> str:
        """The one with half of the files."""
        return f"{self._top}/flat"

    def new(self) -> str:
        """The path of a file that is not there yet."""
        self._made += 1
        return f"{self.flat()}/new-{self._made}"

    def remove_all(self) -> None:
        """Remove the directory that holds all."""
        self.ledger.commit(remove(self._top, recursive=True))

    def reap(self, rows: int) -> int:
        """End so many names, or all there are, in the pages that the duty takes; give how many."""
        ended = 0
        while ended < rows:
            page = self.ledger.do(Reap(deadline=NEVER_LATE))
            if not page:
                break
            ended += page
        return ended


def _stat(here: Namespace, rng: random.Random) -> Job:
    request = StatRequest(paths=[PathText(path=here.path(here.some(rng)))])
    return _read(here, lambda tx: stat.stat(tx, here.person, request), lambda reply: reply.results[0].entry)


def _list(here: Namespace, rng: random.Random) -> Job:
    # Where one is in a listing only its cursor can say: one page or another, of the first thousand names.
    cursor = None
    if rng.random() < 0.5:
        first = ListRequest(path=here.flat(), limit=rng.randrange(1, min(here.files // 2, 1000) - _PAGE))
        cursor = here.database.read(lambda tx: lists.page(tx, here.person, first)).cursor
    request = ListRequest(path=here.flat(), limit=_PAGE, cursor=cursor)
    return _read(
        here, lambda tx: lists.page(tx, here.person, request), lambda reply: len(reply.entries) == _PAGE
    )


def _find(pattern: Callable[[int], str], count: int) -> Callable[[Namespace, random.Random], Job]:
    def prepare(here: Namespace, rng: random.Random) -> Job:
        request = FindRequest(path="/", name=pattern(here.some(rng)))
        return _read(here, lambda tx: find(tx, here.person, request), lambda reply: len(reply.found) == count)

    return prepare


def _du(here: Namespace, rng: random.Random) -> Job:
    request = UsageRequest(path=here.flat(), depth=0)

    def job() -> int:
        reply = here.database.read(lambda tx: usage(tx, here.person, request))
        return reply.sums[0].files

    return job


def _read(here: Namespace, function: Callable[[Tx], Any], right: Callable[[Any], object]) -> Job:
    def job() -> int:
        assert right(here.database.read(function)), "another answer"
        return 1

    return job


def _rename(here: Namespace, rng: random.Random) -> Job:
    return _commit(here, here.ledger.prepared(rename(here.top, here.turn())))


def _write(here: Namespace, rng: random.Random) -> Job:
    path = here.new()
    return _commit(here, here.ledger.prepared(write(path, path.encode())))


def _remove_one(here: Namespace, rng: random.Random) -> Job:
    path = here.new()
    here.ledger.commit(write(path))
    return _commit(here, here.ledger.prepared(remove(path)))


def _commit(here: Namespace, operation: Any) -> Job:
    def job() -> int:
        here.ledger.do(operation)
        return 1

    return job


def _remove_all(here: Namespace, rng: random.Random) -> Job:
    """In a tx that is rolled back, so that it can be done again: all but COMMIT."""
    operation = here.ledger.prepared(remove(here.flat(), recursive=True))

    def run(tx: Tx) -> None:
        state = State(tx, clock.lock(tx))
        state.prefetch(operation.wants())
        operation.apply(state)
        state.flush()
        raise _NotDoneError

    def job() -> int:
        try:
            here.database.write(run)
        except _NotDoneError:
            return 1
        raise AssertionError("it was done")

    return job


class _NotDoneError(CairnError):
    """A tx that is meant to be rolled back."""


WORK = (
    Work("stat", _stat),
    Work("list a page of 100", _list),
    Work("find by exact name", _find(lambda n: f"flat-{n:07}", 1)),
    Work("find by prefix, 10 names", _find(lambda n: f"tree-{n // 10:06}*", 10)),
    Work("rename the directory with all", _rename),
    Work("commit one new file", _write),
    Work("remove one file", _remove_one),
    Work("remove -r half of all, without COMMIT", _remove_all, every=5),
    Work("du, a page", _du, unit="us a file", every=5),
)
