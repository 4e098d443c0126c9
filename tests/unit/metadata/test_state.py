"""The working set: undo, prefetching, and a number of statements that does not grow with the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cairnfs import errors as e
from cairnfs.ids import Path, RequestId, UserId
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock, commits
from cairnfs.metadata.rows.replies import COMMITTED, ReplyKey
from cairnfs.metadata.state import State, WantEmpty
from cairnfs.metadata.state.journal import Journal
from cairnfs.testing.ledger import (
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
from cairnfs.wire.commits import Attributes
from tests.unit.metadata.counting import Counting


def counted(ledger: Ledger, operations: Sequence[Any]) -> list[str]:
    """The statements of one batch, in which nothing is refused."""

    def run(tx: Tx) -> list[str]:
        counting = Counting(tx)
        state = State(counting, clock.lock(counting), ledger._places)
        state.load_replies(one.reply_key[:2] for one in operations)
        state.prefetch(want for one in operations for want in one.wants())
        for one in operations:
            one.apply(state)
        state.flush()
        return counting.statements

    return ledger.database.write(run)


def test_the_statements_of_a_batch_do_not_grow_with_it(database: Database) -> None:
    ledger = Ledger(database)
    ledger.commit(*[mkdir(f"/{n}/sub", parents=True) for n in range(8)])
    makers: dict[str, Callable[[int], Any]] = {
        "create": lambda n: write(f"/{n % 8}/sub/{n}", b"content %d" % n),
        "overwrite": lambda n: write(f"/{n % 8}/sub/{n}", b"other %d" % n),
        "rename": lambda n: rename(f"/{n % 8}/sub/{n}", f"/{n % 8}/moved-{n}"),
        "remove": lambda n: remove(f"/{n % 8}/moved-{n}"),
        "mkdir": lambda n: mkdir(f"/{n % 8}/sub/d{n}/e/f", parents=True),
        "rmdir": lambda n: remove(f"/{n % 8}/sub/d{n}/e/f"),
        "rmtree": lambda n: remove(f"/{n % 8}/sub/d{n}", recursive=True),
    }
    seen: dict[str, tuple[int, int, int]] = {}
    for verb, make in makers.items():
        alone = counted(ledger, [ledger.prepared(make(1000))])
        together = counted(ledger, [ledger.prepared(make(n)) for n in range(256)])
        in_one = counted(ledger, [ledger.prepared(*[make(n) for n in range(2000, 3000)])])
        seen[verb] = (len(alone), len(together), len(in_one))
        assert max(len(together), len(in_one)) <= len(alone), (verb, together)
        assert len(alone) <= 19, (verb, alone)
    print(seen)
    ledger.reap()
    ledger.verify()


def test_nor_do_those_of_links_and_attributes(database: Database) -> None:
    ledger = Ledger(database)
    ledger.user_group("staff", ledger.person("ann"))
    for n in range(8):
        ledger.commit(mkdir(f"/{n}/sub", parents=True), symlink(f"/{n}/to", "sub"))

    def own(n: int) -> Attributes:
        return attributes_of(owner="ann", group="staff", mode=0o600, xattrs={b"user.n": b"%d" % (n % 9)})

    makers: dict[str, Callable[[int], Any]] = {
        "create": lambda n: write(f"/{n % 8}/sub/{n}", b"%d" % n, attributes=own(n)),
        "write behind a symlink": lambda n: write(f"/{n % 8}/to/{n}", b"other %d" % n),
        "symlink": lambda n: symlink(f"/{n % 8}/sub/s{n}", f"{n}"),
        "write what it leads to": lambda n: write(f"/{n % 8}/to/s{n}", b"another %d" % n),
        "link": lambda n: link(f"/{n % 8}/sub/{n}", f"/{n % 8}/l{n}"),
        "link again": lambda n: link(f"/{n % 8}/sub/{n}", f"/{(n + 1) % 8}/sub/m{n}"),
        "setattr": lambda n: chattr(f"/{n % 8}/to/{n}", owner="admin", group="staff", mtime_us=n),
        "setxattr": lambda n: setxattr(f"/{n % 8}/to/{n}", "user.a", b"%d" % (n % 7)),
        "copy": lambda n: copy(f"/{n % 8}/sub/{n}", f"/{n % 8}/sub/c{n}", preserve=True),
        "copy over": lambda n: copy(f"/{n % 8}/to/{n}", f"/{n % 8}/to/c{n}"),
        "rename a link": lambda n: rename(f"/{n % 8}/l{n}", f"/{n % 8}/k{n}"),
        "rename over a link": lambda n: rename(f"/{n % 8}/sub/c{n}", f"/{n % 8}/k{n}"),
        "remove a link": lambda n: remove(f"/{n % 8}/sub/{n}"),
        "remove the last": lambda n: remove(f"/{(n + 1) % 8}/sub/m{n}"),
        "remove a symlink": lambda n: remove(f"/{n % 8}/to/s{n}"),
    }
    for verb, make in makers.items():
        alone = counted(ledger, [ledger.prepared(make(1000))])
        together = counted(ledger, [ledger.prepared(make(n)) for n in range(64)])
        in_one = counted(ledger, [ledger.prepared(*[make(n) for n in range(2000, 2300)])])
        more = (Counter(together) | Counter(in_one)) - Counter(alone)
        assert max(len(together), len(in_one)) <= len(alone) <= 24, f"{verb}: {list(more)}"
    ledger.verify()


def test_people_who_were_rolled_back_are_not_remembered(database: Database) -> None:
    ledger = Ledger(database)
    ann = ledger.person("ann")

    def role(tx: Tx) -> str:
        return People(tx, clock.read(tx)).now(ann).role

    def promote(tx: Tx) -> None:
        state = State(tx, clock.lock(tx))
        assert state.people.now(ann).role == "user"
        tx.run("UPDATE users SET role = 'admin' WHERE id = ?", ann.user_id)
        state.change_people()
        assert state.people.now(ann).role == "admin"
        state.flush()
        assert role(tx) == "admin"
        if not lasting:
            raise ZeroDivisionError

    lasting = False
    with pytest.raises(ZeroDivisionError):
        database.write(promote)
    assert ledger.read(role) == database.write(role) == "user"
    lasting = True
    database.write(promote)
    assert ledger.read(role) == database.write(role) == "admin"


def test_emptying_a_directory_and_removing_it_asks_once(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), *[write(f"/d/{n}") for n in range(300)])
    few = counted(ledger, [ledger.prepared(*[remove(f"/d/{n}") for n in range(100)])])
    rest = [remove(f"/d/{n}") for n in range(100, 300)]
    all_of_it = counted(ledger, [ledger.prepared(*rest, remove("/d"))])
    assert len(all_of_it) <= len(few) + 2


def test_a_base_without_receipts_costs_no_statement_a_file(ledger: Ledger) -> None:
    ledger.commit(*[write(f"/{n}", b"same", b"%d" % n) for n in range(200)])
    again = [ledger.prepared(write(f"/{n}", b"%d" % n, b"same"), receipts=[]) for n in range(200)]
    assert len(counted(ledger, again[100:])) <= len(counted(ledger, again[:1])) + 1
    assert ledger.open("/150").chunks[0].size == 3


def test_what_a_rename_moved_is_loaded_again_at_once(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), *[write(f"/d/{n}", b"x") for n in range(100)])
    few = counted(ledger, [ledger.prepared(rename("/d", "/e"), *[write(f"/e/{n}", b"y") for n in range(2)])])
    many = counted(
        ledger, [ledger.prepared(rename("/e", "/d"), *[write(f"/d/{n}", b"z") for n in range(100)])]
    )
    assert len(many) <= len(few) + 2


def test_undo_takes_back_everything_and_loaded_facts_stay(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), write("/d/f", b"x"))

    def run(tx: Tx) -> None:
        state = State(tx, clock.lock(tx))
        mark = state.mark()
        operation = ledger_operation
        operation.apply(state)
        key = ReplyKey(UserId(1), RequestId("r"), b"")
        state.answer(key, COMMITTED, b"{}")
        assert state.reply(key.user_id, key.request_id) is not None
        state.undo(mark)
        assert state.reply(key.user_id, key.request_id) is None
        assert state.counters["commit_number"] == state.clock.commit_number
        counting = Counting(tx)
        state.tree.view.tx = counting
        assert state.tree.view.lookup(state.tree.view.known(Path(b"/d")).inode, b"f")  # type: ignore[union-attr,arg-type]
        assert counting.statements == []
        state.flush()

    ledger_operation = ledger.prepared(
        write("/d/f", b"y"),
        write("/d/g", b"z"),
        mkdir("/d/s"),
        rename("/d/f", "/d/s/f"),
        remove("/d", recursive=True),
    )
    before = ledger.read(lambda tx: tx.rows("SELECT * FROM clock"))
    ledger.database.write(run)
    assert ledger.read(lambda tx: tx.rows("SELECT * FROM clock")) == before
    assert [one.name for one in ledger.list("/d")] == ["f"]


def test_a_flush_in_between_writes_once(ledger: Ledger) -> None:
    def run(tx: Tx) -> None:
        state = State(tx, clock.lock(tx))
        first.apply(state)
        state.flush()
        mark = state.mark()
        with pytest.raises(e.NotFound):
            refused.apply(state)
        state.undo(mark)
        second.apply(state)
        state.flush()
        state.flush()

    first = ledger.prepared(mkdir("/d"), write("/d/f", b"1"))
    refused = ledger.prepared(write("/d/f", b"2"), remove("/missing"))
    second = ledger.prepared(rename("/d", "/e"), write("/e/f", b"22"), remove("/e/f"), write("/e/g", b"333"))
    ledger.database.write(run)
    assert {path for path in ledger.tree() if not path.startswith(b"/home")} == {b"/e", b"/e/g"}
    assert ledger.stat("/d/f", at=ledger.newest() - 1).size == 1


def test_what_was_flushed_cannot_be_undone() -> None:
    journal, table = Journal(), dict[str, int]()
    mark = journal.mark()
    journal.put(table, "a", 1)
    journal.written()
    with pytest.raises(AssertionError):
        journal.undo(mark)


def test_the_journal_restores_what_was_there() -> None:
    journal, table = Journal(), {"a": 1, "b": 2}
    mark = journal.mark()
    journal.put(table, "a", 10)
    journal.put(table, "c", 3)
    inner = journal.mark()
    journal.drop(table, "b")
    journal.drop(table, "missing")
    journal.put(table, "c", 4)
    assert journal.undo(inner)
    assert table == {"a": 10, "b": 2, "c": 3}
    assert journal.undo(mark)
    assert not journal.undo(mark)
    assert table == {"a": 1, "b": 2}


def test_time_never_goes_back_with_the_numbers(ledger: Ledger) -> None:
    def far_ahead(tx: Tx) -> int:
        row = tx.row(
            "UPDATE clock SET commit_at_us = commit_at_us + 3600000000 RETURNING commit_at_us, commit_number"
        )
        assert row is not None
        tx.run("UPDATE commits SET at_us = ? WHERE number = ?", *row)
        return int(row[0])

    ahead_us = ledger.database.write(far_ahead)
    reply = ledger.commit(mkdir("/d"))
    assert reply.at_us == ahead_us + 1
    assert ledger.read(lambda tx: commits.newest_at(tx, ahead_us)) == reply.commit - 1


def test_asking_whether_a_directory_is_empty(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), *[write(f"/d/{n}", b"x") for n in range(5)], mkdir("/e"))

    def run(tx: Tx) -> None:
        state = State(tx, clock.lock(tx))
        state.prefetch([WantEmpty(Path(b"/d")), WantEmpty(Path(b"/e"))])
        assert state.tree.is_empty(state.tree.view.known(Path(b"/e")).inode)  # type: ignore[union-attr]
        for n in range(5):
            assert not state.tree.is_empty(state.tree.view.known(Path(b"/d")).inode)  # type: ignore[union-attr]
            removals[n].apply(state)
        assert state.tree.is_empty(state.tree.view.known(Path(b"/d")).inode)  # type: ignore[union-attr]

    removals = [ledger.prepared(remove(f"/d/{n}")) for n in range(5)]
    ledger.database.write(run)
