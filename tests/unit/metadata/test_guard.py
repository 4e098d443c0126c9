"""Locks that cannot be cheated, on every database; what people are told; and what it costs to look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cairnfs.core.locks.request import Key
from cairnfs.errors import Locked, TooManyLocks
from cairnfs.metadata import guard
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.guard import rekeying
from cairnfs.metadata.rows import clock, lock_keys, locks
from cairnfs.metadata.state import State
from cairnfs.testing.ledger import Ledger, chattr, link, mkdir, remove, rename, write
from tests.unit.metadata.counting import Counting
from tests.unit.metadata.guard_stories import STORIES, planted, refusal
from tests.unit.metadata.holders import Holder


@pytest.mark.parametrize("story", STORIES, ids=lambda story: str(story.__name__))
@pytest.mark.parametrize("database", ["memory", "postgresql"], indirect=True)
def test_it_is_so_that(story: Callable[[Ledger], None], database: Database) -> None:
    ledger = Ledger(database)
    story(ledger)
    ledger.verify()


def counted(ledger: Ledger, operations: Sequence[Any]) -> list[str]:
    """The statements of one batch that are about locks."""

    def run(tx: Tx) -> list[str]:
        counting = Counting(tx)
        state = State(counting, clock.lock(counting), ledger._places)
        state.prefetch(want for one in operations for want in one.wants())
        guard.prefetch(state, operations)
        for one in operations:
            guard.apply(one, state)
        state.flush()
        return [one for one in counting.statements if "lock_key" in one or " lock " in one]

    return ledger.database.write(run)


def test_looking_costs_a_statement_a_batch_and_nothing_without_locks(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), mkdir("/far/away", parents=True), *[write(f"/d/{n}") for n in range(50)])

    def commits(content: bytes) -> list[Any]:
        made = [ledger.prepared(write(f"/d/{n}", content)) for n in range(50)]
        made += [ledger.prepared(mkdir(f"/d/{content.decode()}{n}/e", parents=True)) for n in range(50)]
        made += [ledger.prepared(rename(f"/d/{n}", f"/d/m{n}", replace=True)) for n in range(25)]
        made += [ledger.prepared(rename(f"/d/m{n}", f"/d/{n}", replace=True)) for n in range(25)]
        return made

    assert counted(ledger, commits(b"a")) == []
    holder = Holder(ledger)
    holder.lock("/far/away", "/far/free")
    assert len(counted(ledger, commits(b"b"))) == 1
    # With locks on other names of the directory it takes another.
    holder.lock("/d/other")
    assert len(counted(ledger, commits(b"c"))) == 2
    in_one = ledger.prepared(*[write(f"/d/{n}", b"d") for n in range(50)])
    assert len(counted(ledger, [in_one])) == 2
    shown = [holder.proof(one) for one in holder.replies]
    assert len(counted(ledger, [ledger.prepared(mkdir("/far/x"), locks=shown)])) <= 3


def test_what_waits_is_not_read_for_whoever_asks(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for however much: beside a commit to something else, too."""
    names = [f"/d/{n}" for n in range(100)]
    ledger.commit(mkdir("/d"), write("/d/f", b"x"))
    Holder(ledger).lock("/d/0")
    for _ in range(3):
        Holder(ledger).ask(*names, wait=True)
    looked: list[int] = []
    on = lock_keys.on

    def counted(tx: Tx, keys: Sequence[Key]) -> list[lock_keys.Hit]:
        found = on(tx, keys)
        looked.append(len(found))
        return found

    monkeypatch.setattr(lock_keys, "on", counted)
    asking = Holder(ledger).asking(*names, wait=True)
    asked, done = ledger.batch([asking, ledger.prepared(write("/d/f", b"y"))])
    assert (asked.place, done.commit) == (4, ledger.newest())
    assert sum(looked) == 0


def test_nothing_is_told_but_what_was_walked_to(ledger: Ledger) -> None:
    ann, eve = ledger.person("ann"), ledger.person("eve")
    ledger.commit(mkdir("/shared"), chattr("/shared", mode=0o777), mkdir("/shared/hidden", mode=0o700))
    ledger.commit(
        write("/shared/f", b"x"), chattr("/shared/f", mode=0o666), link("/shared/f", "/shared/hidden/g")
    )
    Holder(ledger).lock("/shared/hidden/g")
    error = refusal(ledger, write("/shared/f", b"y"), person=ann)
    assert isinstance(error, Locked)
    # The name by which it is locked is not told, and the one that was walked to waits as well.
    assert (error.where, error.path) == (b"/shared/f", "/shared/f")
    assert "hidden" not in str(error)
    assert "admin" in str(error)
    ledger.commit(mkdir("/shared/theirs", mode=0o777), person=eve)
    ledger.commit(write("/shared/theirs/deep", b"x"), person=eve)
    Holder(ledger, eve).lock("/shared/theirs/deep")
    error = refusal(ledger, rename("/shared/theirs", "/shared/mine"), person=eve)
    assert isinstance(error, Locked)
    assert (error.where, error.subtree, "deep" in str(error)) == (b"/shared/theirs", True, False)


def test_whoever_made_the_way_there_is_told_of_it(ledger: Ledger) -> None:
    planted(ledger)
    Holder(ledger).lock("/d/new")
    error = refusal(ledger, write("/to/new/deep/f", b"x", parents=True))
    assert isinstance(error, Locked)
    assert (error.where, error.path) == (b"/d/new", "/to/new/deep/f")
    # As the tree is without the commit: what it made or moved before is not there.
    error = refusal(ledger, rename("/d", "/else"), mkdir("/else/new"))
    assert isinstance(error, Locked)
    assert (error.where, error.subtree) == (b"/d", True)


def test_more_is_not_rekeyed_at_once_than_there_is_time_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(ledger)
    ann, bob = Holder(ledger), Holder(ledger)
    proof = ann.lock("/d", subtree=True)
    for n in range(4):
        bob.ask(f"/d/e/{n}", wait=True)
    monkeypatch.setattr(rekeying, "REQUESTS_MAX", 3)
    refusal(ledger, rename("/d", "/k"), locks=[proof], kind=TooManyLocks)
    ledger.commit(rename("/d/g", "/g"), locks=[proof])
    monkeypatch.setattr(rekeying, "REQUESTS_MAX", 100)
    monkeypatch.setattr(rekeying, "KEYS_MAX", 10)
    with monkeypatch.context() as patched:  # they are counted, not read
        patched.delattr(locks, "keys_of")
        refusal(ledger, remove("/d", recursive=True), locks=[proof], kind=TooManyLocks)
    monkeypatch.setattr(rekeying, "KEYS_MAX", 100)
    ledger.commit(rename("/d", "/k"), locks=[proof])
    ledger.verify()
