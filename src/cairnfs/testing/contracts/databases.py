"""What every `Database` must do: the suite behind the seam.

What belongs here: stories that hold for any implementation. What does not: what only one can do or
suffer (a second process, a full disk, a killed backend): that lies with its own tests.

A new database's test subclasses `DatabaseContract` and gives it a fixture `database`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cairnfs.ids import GROUPS, NEVER, ROOT
from cairnfs.metadata.databases.opening import LEAP, begin_incarnation
from cairnfs.metadata.databases.seam import Again, Database, Tx

_FENCE = "SELECT fence FROM clock WHERE id = 1"
_ADD = "INSERT INTO dentry (parent, name, born, died, inode, kind, traced) SELECT "
_GIVEN = "parent BIGINT, name BYTES, inode BIGINT"


def _fence(tx: Tx) -> int:
    row = tx.row(_FENCE)
    assert row is not None
    return int(row[0])


def _add(tx: Tx, count: int) -> int:
    """Give directory 7 `count` entries, in one call."""
    names = [(7, b"%06d" % number, number) for number in range(count)]
    return tx.run_given(
        f"{_ADD} g.parent, g.name, ?, ?, g.inode, ?, 0 FROM {{given}} AS g", _GIVEN, names, 1, NEVER, "file"
    )


class DatabaseContract:
    """Subclass, and define the fixture `database`."""

    #: Whether a write can commit while a read is under way.
    reads_beside_writes = True

    def test_a_new_one_holds_the_empty_tree(self, database: Database) -> None:
        """Clock, root, leader, 1,024 groups."""
        clock = database.read(
            lambda tx: tx.row("SELECT incarnation, commit_number, fence, next_inode, copies FROM clock")
        )
        assert clock == (1, 0, 0, ROOT + 1, 3)
        root = database.read(
            lambda tx: tx.rows("SELECT inode, born, died, mode, owner, manifest FROM version")
        )
        assert root == [(ROOT, 0, NEVER, 0o755, 0, b"")]
        assert database.read(lambda tx: tx.rows("SELECT id, kind, links FROM inode")) == [(1, "directory", 1)]
        assert database.read(lambda tx: tx.rows("SELECT term, holder, counter FROM leader")) == [(0, "", 0)]
        groups = database.read(lambda tx: tx.rows("SELECT id, dirty FROM replica_group ORDER BY id"))
        assert groups == [(number, 0) for number in range(GROUPS)]

    @pytest.mark.parametrize("number", [0, 1, -1, 2**15, 2**31, 2**53 + 1, NEVER, -(2**63)])
    def test_integers_keep_their_value(self, database: Database, number: int) -> None:
        """All of 64 bits, plain and given."""

        def echo(tx: Tx) -> list[Any]:
            tx.run("UPDATE clock SET fence = ? WHERE id = 1", number)
            kept = tx.rows("SELECT fence FROM clock WHERE fence = ?", number)
            return kept + tx.rows_given("SELECT g.n FROM {given} AS g", "n BIGINT", [(number,)])

        assert database.write(echo) == [(number,), (number,)]

    def test_bytes_and_texts_keep_their_type(self, database: Database) -> None:
        """Bytes that are no text, text that is no ASCII, and nothing at all."""
        blob, text = bytes(range(256)), "Grüße, 世界 \U0001f5ff ?%s$1"

        def echo(tx: Tx) -> tuple[list[Any], list[Any]]:
            tx.run("INSERT INTO secret (name, value) VALUES (?, ?)", text, blob)
            plain = tx.rows("SELECT name, value FROM secret WHERE name = ? AND value = ?", text, blob)
            columns = "a TEXT, b BYTES, c BYTES, d BIGINT, e TEXT"
            sent = [(text, blob, None, None, None), ("", b"", b"\x00", 0, "x")]
            return plain, tx.rows_given("SELECT g.a, g.b, g.c, g.d, g.e FROM {given} AS g", columns, sent)

        plain, given = database.write(echo)
        assert plain == [(text, blob)]
        assert sorted(given, key=str) == sorted(
            [(text, blob, None, None, None), ("", b"", b"\x00", 0, "x")], key=str
        )
        assert all(type(value) in (int, str, bytes, type(None)) for row in given + plain for value in row)

    def test_sums_counts_and_truth_are_integers(self, database: Database) -> None:
        """Whatever the database's own types for them."""
        found = database.read(
            lambda tx: tx.row(
                "SELECT sum(id), count(*), max(id), EXISTS (SELECT 1 FROM clock), min(id) = 5"
                " FROM replica_group"
            )
        )
        assert found == (GROUPS * (GROUPS - 1) // 2, GROUPS, GROUPS - 1, 1, 0)
        assert found is not None
        assert {type(value) for value in found} == {int}

    def test_row_is_one_or_none(self, database: Database) -> None:
        """More than one is a defect."""
        assert database.read(lambda tx: tx.row("SELECT id FROM replica_group WHERE id = ?", 5)) == (5,)
        assert database.read(lambda tx: tx.row("SELECT id FROM replica_group WHERE id = ?", -5)) is None
        with pytest.raises(AssertionError, match="2 rows"):
            database.read(lambda tx: tx.row("SELECT id FROM replica_group WHERE id < ?", 2))

    def test_run_counts_changes(self, database: Database) -> None:
        """Rows changed, not rows seen."""
        changed = "UPDATE replica_group SET dirty = 1 WHERE id >= ?"
        assert database.write(lambda tx: tx.run(changed, GROUPS - 7)) == 7
        assert database.write(lambda tx: tx.run(changed, GROUPS)) == 0

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 127, 200, 5_000])
    def test_given_rows_of_any_number(self, database: Database, count: int) -> None:
        """Inserted, found, changed and deleted, each by one call."""
        assert database.write(lambda tx: _add(tx, count)) == count
        names = [(7, b"%06d" % number, number + 1) for number in range(count)]
        find = (
            "SELECT d.inode, g.inode FROM {given} AS g CROSS JOIN dentry AS d"
            " WHERE d.parent = g.parent AND d.name = g.name AND d.died = ?"
        )
        found = database.read(lambda tx: tx.rows_given(find, _GIVEN, [*names, (8, b"nobody", 0)], NEVER))
        assert sorted(found) == [(number, number + 1) for number in range(count)]
        change = (
            "UPDATE dentry SET inode = g.inode FROM {given} AS g"
            " WHERE dentry.parent = g.parent AND dentry.name = g.name"
        )
        assert database.write(lambda tx: tx.run_given(change, _GIVEN, names)) == count
        assert sorted(database.read(lambda tx: tx.rows("SELECT inode FROM dentry"))) == [
            (number + 1,) for number in range(count)
        ]
        remove = "DELETE FROM dentry WHERE (parent, name) IN (SELECT g.parent, g.name FROM {given} AS g)"
        assert database.write(lambda tx: tx.run_given(remove, _GIVEN, names)) == count
        assert database.read(lambda tx: tx.rows("SELECT inode FROM dentry")) == []

    def test_parameters_stand_on_both_sides_of_given(self, database: Database) -> None:
        """Each goes to its own question mark."""
        found = database.read(
            lambda tx: tx.rows_given(
                "SELECT ?, g.n, r.id FROM {given} AS g CROSS JOIN replica_group AS r"
                " WHERE r.id = g.n + ? AND g.n < ?",
                "n BIGINT",
                [(10,), (20,), (30,)],
                "first",
                1,
                25,
            )
        )
        assert sorted(found) == [("first", 10, 11), ("first", 20, 21)]

    def test_insert_gives_back_what_it_made(self, database: Database) -> None:
        """RETURNING works with `rows` and `rows_given`."""
        made = database.write(
            lambda tx: tx.rows_given(
                "INSERT INTO orphan (inode, died) SELECT g.i, ? FROM {given} AS g RETURNING inode, died",
                "i BIGINT",
                [(5,), (6,), (7,)],
                9,
            )
        )
        assert sorted(made) == [(5, 9), (6, 9), (7, 9)]

    def test_what_was_written_is_read(self, database: Database) -> None:
        """By the next tx, whoever reads."""
        assert database.write(lambda tx: tx.run("UPDATE clock SET fence = 41 WHERE id = 1")) == 1
        assert database.read(_fence) == 41
        assert database.write(_fence) == 41

    def test_an_exception_leaves_no_trace(self, database: Database) -> None:
        """It rolls back and passes through, the very same."""
        boom = ValueError("boom")

        def fail(tx: Tx) -> None:
            _add(tx, 100)
            tx.run("UPDATE clock SET fence = 41 WHERE id = 1")
            raise boom

        with pytest.raises(ValueError, match="boom") as caught:
            database.write(fail)
        assert caught.value is boom
        assert database.read(_fence) == 0
        assert database.read(lambda tx: tx.rows("SELECT name FROM dentry")) == []
        assert database.write(lambda tx: _add(tx, 3)) == 3

    def test_a_broken_rule_rolls_all_back(self, database: Database) -> None:
        """Also where the statement before it was fine."""

        def twice(tx: Tx) -> None:
            tx.run("INSERT INTO orphan (inode, died) VALUES (1, 1)")
            tx.run("INSERT INTO orphan (inode, died) VALUES (1, 1)")

        with pytest.raises(Exception, match=r"(?i)unique"):
            database.write(twice)
        assert database.read(lambda tx: tx.rows("SELECT inode FROM orphan")) == []

    def test_a_statement_that_failed_ends_its_tx(self, database: Database) -> None:
        """Going on after it does not commit half of it."""

        def swallow(tx: Tx) -> str:
            tx.run("UPDATE clock SET fence = 41 WHERE id = 1")
            with pytest.raises(Exception, match="no_such_table"):
                tx.run("DELETE FROM no_such_table WHERE id = ?", 1)
            return "all is well"

        with pytest.raises(AssertionError):
            database.write(swallow)
        assert database.read(_fence) == 0

    def test_reading_changes_nothing(self, database: Database) -> None:
        """A change in a read is refused, and the next read and write are as ever."""
        with pytest.raises(Exception, match=r"(?i)read-?only"):
            database.read(lambda tx: tx.run("UPDATE clock SET fence = 41 WHERE id = 1"))
        assert database.read(_fence) == 0
        assert database.write(lambda tx: tx.run("UPDATE clock SET fence = 5 WHERE id = 1")) == 1

    def test_a_read_sees_one_state(self, database: Database) -> None:
        """Whatever is committed while it goes on."""
        if not self.reads_beside_writes:
            pytest.skip("its reads and writes wait for each other")

        def look_twice(tx: Tx) -> tuple[int, int]:
            before = _fence(tx)
            with ThreadPoolExecutor(1) as other:
                raising = "UPDATE clock SET fence = fence + 1 WHERE id = 1"
                assert other.submit(database.write, lambda tx: tx.run(raising)).result(20) == 1
            return before, _fence(tx)

        assert database.read(look_twice) == (0, 0)
        assert database.read(_fence) == 1

    def test_writers_take_turns(self, database: Database) -> None:
        """No update is lost among eight threads, and reads beside them see no half."""
        rounds, wrong = 25, []

        def raise_both(tx: Tx) -> None:
            row = tx.row("SELECT fence, next_user FROM clock WHERE id = 1 {lock}")
            assert row is not None
            tx.run("UPDATE clock SET fence = ? WHERE id = 1", row[0] + 1)
            tx.run("UPDATE clock SET next_user = ? WHERE id = 1", row[1] + 1)

        def write_and_read() -> None:
            for _ in range(rounds):
                database.write(raise_both)
                row = database.read(lambda tx: tx.row("SELECT fence, next_user FROM clock WHERE id = 1"))
                if row is None or row[1] != row[0] + 1:
                    wrong.append(row)

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(write_and_read) for _ in range(8)]:
                done.result(60)
        assert wrong == []
        assert database.read(_fence) == 8 * rounds

    def test_a_write_runs_its_function_once(self, database: Database) -> None:
        """Repeating is the driver's business."""
        calls = []
        database.write(lambda tx: calls.append(tx.run("UPDATE clock SET fence = 1 WHERE id = 1")))
        assert calls == [1]

    def test_time_goes_on(self, database: Database) -> None:
        """The database's time is in this century's microseconds and does not stand still."""

        def wait_for_a_tick(tx: Tx) -> tuple[int, int]:
            first = tx.now_us()
            while (second := tx.now_us()) == first:
                pass
            return first, second

        first, second = database.read(wait_for_a_tick)
        assert 1_700_000_000_000_000 < first < second < first + 60_000_000

    def test_a_new_incarnation_leaps(self, database: Database) -> None:
        """All counters far ahead, the newest commit still the one that the clock names."""
        counters = (
            "SELECT incarnation, commit_number, fence, next_inode, next_user, next_fileserver, map_version"
            " FROM clock"
        )
        before = database.read(lambda tx: tx.row(counters))
        database.write(lambda tx: begin_incarnation(tx, "a restore"))
        after = database.read(lambda tx: tx.row(counters))
        assert before is not None
        assert after == (before[0] + 1, *(counter + LEAP for counter in before[1:]))
        newest = database.read(lambda tx: tx.row("SELECT number, at_us, message FROM commits"))
        at_us = database.read(lambda tx: tx.row("SELECT commit_at_us FROM clock"))
        assert at_us is not None
        assert newest == (after[1], at_us[0], "a new incarnation: a restore")

    @pytest.mark.parametrize("how", ["read", "write"])
    def test_a_closed_one_says_again(self, database: Database, how: str) -> None:
        """And may be closed twice."""
        assert database.read(_fence) == 0
        database.close()
        database.close()
        verb: Callable[[Callable[[Tx], int]], int] = getattr(database, how)
        with pytest.raises(Again):
            verb(_fence)

    def test_closing_waits_for_the_write_under_way(self, database: Database) -> None:
        """Whatever was begun is committed, or never acknowledged."""
        begun, go_on = threading.Event(), threading.Event()

        def slow(tx: Tx) -> int:
            begun.set()
            assert go_on.wait(20)
            return tx.run("UPDATE clock SET fence = 41 WHERE id = 1")

        with ThreadPoolExecutor(2) as pool:
            write = pool.submit(database.write, slow)
            assert begun.wait(20)
            close = pool.submit(database.close)
            go_on.set()
            assert write.result(20) == 1
            close.result(20)
