"""What a path led to over time: through renames, replaced directories, removals, other names."""

from __future__ import annotations

import pytest

from cairnfs import errors as e
from cairnfs.core.permissions import Person
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.ops import history
from cairnfs.testing.ledger import Ledger, mkdir, remove, rename, write
from cairnfs.wire.commits import Attributes, Link, MakeSymlink, Operation, SetAttributes
from cairnfs.wire.history import HistoryItem, HistoryReply, HistoryRequest
from tests.unit.metadata.counting import Counting


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def chmod(path: str, mode: int) -> SetAttributes:
    return SetAttributes(path=path, attributes=Attributes(mode=mode))


def items(ledger: Ledger, path: str, person: Person | None = None, limit: int = 100) -> list[HistoryItem]:
    cursor = None
    found: list[HistoryItem] = []
    while True:
        request = HistoryRequest(path=path, cursor=cursor, limit=limit)
        reply = ledger.read(lambda tx, r=request: history.page(tx, person or ledger.admin, r))  # type: ignore[misc]
        assert len(reply.items) <= limit + 1
        found += reply.items
        cursor = reply.cursor
        if cursor is None:
            assert [one.commit for one in found] == sorted({one.commit for one in found}, reverse=True)
            return found


def told(ledger: Ledger, path: str, person: Person | None = None, limit: int = 100) -> list[str]:
    """`what size` of each, with where it came from or went to."""
    return [
        one.what
        + (f" {one.entry.size}" if one.entry is not None and one.entry.kind == "file" else "")
        + (f" from {one.from_path}" if one.from_path else "")
        + (f" to {one.to_path}" if one.to_path else "")
        for one in items(ledger, path, person, limit)
    ]


def test_a_file_from_its_making_to_its_end_and_again(ledger: Ledger) -> None:
    operations: list[Operation] = [
        write("/f", b"1"),
        write("/f", b"22"),
        chmod("/f", 0o600),
        remove("/f"),
        write("/f", b"333"),
        rename("/f", "/g"),
        write("/t", b"4444"),
        rename("/t", "/f"),
    ]
    commits = [ledger.commit(one, message=f"number {n}").commit for n, one in enumerate(operations)]
    expected = [
        "moved 4 from /t", "moved to /g", "created 3", "removed", "changed 2", "written 2", "created 1",
    ]  # fmt: skip
    for limit in (100, 3, 1):
        assert told(ledger, "/f", limit=limit) == expected
    assert told(ledger, "/g") == ["moved 3 from /f"]
    found = items(ledger, "/f")
    assert [one.commit for one in found] == [*commits[:4], commits[4], commits[5], commits[7]][::-1]
    assert [(one.user, one.message) for one in found[-2:]] == [("admin", "number 1"), ("admin", "number 0")]
    assert [one.entry.mode for one in found if one.entry] == [0o644, 0o644, 0o600, 0o644, 0o644]
    for one in found:
        if one.entry is not None:
            assert ledger.stat("/f", at=one.commit).etag == one.entry.etag


def test_through_directories_that_were_moved_and_replaced(ledger: Ledger) -> None:
    ledger.commit(mkdir("/a/b", parents=True), write("/a/b/f", b"1"))
    ledger.commit(write("/a/b/f", b"22"))
    ledger.commit(rename("/a", "/old"))
    ledger.commit(write("/old/b/f", b"not here"))
    ledger.commit(mkdir("/a"))
    ledger.commit(mkdir("/new/b", parents=True), write("/new/b/f", b"333"))
    ledger.commit(rename("/new/b", "/a/b"))
    ledger.commit(remove("/a", recursive=True))
    ledger.commit(write("/a", b"a file on the way"))
    ledger.commit(remove("/a"))
    assert told(ledger, "/a/b/f") == [
        "removed",
        "moved 3 from /new/b/f",
        "moved to /old/b/f",
        "written 2",
        "created 1",
    ]
    ledger.reap()
    assert told(ledger, "/a/b/f", limit=1)[0] == "removed"
    assert told(ledger, "/old/b/f") == ["written 8", "moved 2 from /a/b/f"]


def test_directories_that_changed_places(ledger: Ledger) -> None:
    ledger.commit(mkdir("/a"), mkdir("/b"), write("/a/f", b"1"))
    ledger.commit(rename("/a", "/t"), rename("/b", "/a"), rename("/t", "/b"))
    assert told(ledger, "/a/f") == ["moved to /b/f", "created 1"]
    assert told(ledger, "/b/f") == ["moved 1 from /a/f"]
    ledger.commit(rename("/a", "/t"), rename("/b", "/a"), rename("/t", "/b"))
    assert told(ledger, "/a/f") == ["moved 1 from /b/f", "moved to /b/f", "created 1"]


def test_a_directory_a_symlink_the_root_and_a_second_name(ledger: Ledger) -> None:
    ledger.commit(mkdir("/d"), MakeSymlink(path="/l", target="d"), write("/d/f", b"1"))
    ledger.commit(chmod("/d", 0o700))
    ledger.commit(Link(path="/d/f", target="/d/g"))
    ledger.commit(write("/d/g", b"22"))
    ledger.commit(remove("/d/f"))
    assert told(ledger, "/d") == ["changed", "created"]
    assert told(ledger, "/l") == ["created"]
    assert told(ledger, "/d/f") == told(ledger, "/l/f") == ["removed", "written 2", "created 1"]
    assert told(ledger, "/d/g") == ["written 2", "created 1"]
    ledger.commit(chmod("/", 0o711))
    assert told(ledger, "/")[0] == "changed"


def test_what_never_was_and_who_may_not_look(ledger: Ledger) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    with pytest.raises(e.NotFound):
        told(ledger, "/never/was")
    ledger.commit(mkdir("/shared", mode=0o777))
    ledger.commit(mkdir("/shared/d"), write("/shared/d/f", b"1"), person=ann)
    ledger.commit(chmod("/shared/d", 0o700), person=ann)
    ledger.commit(write("/shared/d/f", b"secret"), person=ann)
    with pytest.raises(e.Forbidden):
        told(ledger, "/shared/d/f", bob)
    ledger.commit(chmod("/shared/d", 0o755), person=ann)
    ledger.commit(write("/shared/d/f", b"22"), person=ann)
    assert told(ledger, "/shared/d/f", bob) == ["written 2", "created 1"]
    assert told(ledger, "/shared/d/f", ann) == ["written 2", "written 6", "created 1"]


def test_a_place_that_one_may_not_see_is_not_named(ledger: Ledger) -> None:
    ann, bob = ledger.person("ann"), ledger.person("bob")
    ledger.commit(mkdir("/pub", mode=0o777), chmod("/home/ann", 0o711))
    ledger.commit(write("/home/ann/f", b"1"), person=ann)
    ledger.commit(rename("/home/ann/f", "/pub/f"), person=ann)
    ledger.commit(rename("/pub/f", "/home/ann/g"), person=ann)
    assert told(ledger, "/pub/f", bob) == ["moved", "moved 1"]
    assert told(ledger, "/pub/f", ann) == ["moved to /home/ann/g", "moved 1 from /home/ann/f"]


def test_only_as_far_back_as_history_is_kept(ledger: Ledger) -> None:
    commits = [ledger.commit(write("/f", b"x" * n)).commit for n in range(1, 6)]
    for kept, expected in (
        (2, ["written 5", "written 4", "present 3"]),
        (4, ["present 5"]),
        (0, ["written 5", "written 4", "written 3", "written 2", "present 1"]),
    ):
        horizon = commits[kept]
        ledger.database.write(lambda tx, h=horizon: tx.run("UPDATE clock SET horizon = ?", h))  # type: ignore[misc]
        for limit in (100, 2, 1):
            assert told(ledger, "/f", limit=limit) == expected
    gone = ledger.commit(remove("/f")).commit
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET horizon = ?", gone))
    with pytest.raises(e.NotFound):
        told(ledger, "/f")


def test_a_page_takes_a_bounded_number_of_statements(ledger: Ledger) -> None:
    ledger.commit(mkdir("/a/b/c", parents=True), write("/a/b/c/f"))
    for n in range(50):
        ledger.commit(write("/a/b/c/f", b"x" * (n + 1)))
    for _ in range(40):
        ledger.commit(rename("/a", "/t"))
        ledger.commit(rename("/t", "/a"))
    counts = []

    def count(tx: Tx, limit: int) -> HistoryReply:
        counting = Counting(tx)
        reply = history.page(counting, ledger.admin, HistoryRequest(path="/a/b/c/f", limit=limit))
        counts.append(len(counting.statements))
        return reply

    assert ledger.read(lambda tx: count(tx, 100)).cursor is not None
    assert counts[-1] < 32 * 16
