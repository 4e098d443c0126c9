"""Whatever looks back, or follows, tells of a tree that was attached as of one that a commit made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from cairnfs.clock import SystemClock
from cairnfs.ids import CommitNumber, Incarnation, Path
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import changes, diff, du, find, history, log
from cairnfs.metadata.ops.changes import Position
from cairnfs.testing.ledger import Ledger, link, mkdir, remove, rename, write
from cairnfs.wire.history import DiffRequest, HistoryRequest, LogRequest
from cairnfs.wire.search import FindRequest, UsageRequest
from tests.unit.metadata.building import Building

PATHS = ("/t", "/t/b", "/t/b/f", "/t/g", "/t/a", "/t/a/f", "/t/old")
#: Given the ledger and the commit that made the tree: what is told, numbers counted from there.
Telling = Callable[[Ledger, int], object]


def histories(ledger: Ledger, made: int) -> object:
    def tell(tx: Tx, path: str) -> object:
        reply = history.page(tx, ledger.admin, HistoryRequest(path=path))
        return [(one.commit - made, one.what, one.from_path, one.to_path) for one in reply.items]

    present = [path for path in PATHS if path != "/t/old"]
    return {path: ledger.read(lambda tx, p=path: tell(tx, p)) for path in present}  # type: ignore[misc]


def logs(ledger: Ledger, made: int) -> object:
    def tell(tx: Tx, path: str) -> object:
        return [one.commit - made for one in log.page(tx, ledger.admin, LogRequest(path=path)).commits]

    return {path: ledger.read(lambda tx, p=path: tell(tx, p)) for path in ("/", *PATHS)}  # type: ignore[misc]


def differences(ledger: Ledger, made: int) -> object:
    def tell(tx: Tx, a: int, b: int) -> object:
        reply = diff.page(tx, ledger.admin, DiffRequest(a=str(made + a), b=str(made + b)))
        return [(one.what, one.path, one.from_path) for one in reply.differences]

    moments = [(a, b) for a in range(-3, 3) for b in range(-3, 3)]
    return {pair: ledger.read(lambda tx, p=pair: tell(tx, *p)) for pair in moments}  # type: ignore[misc]


def found(ledger: Ledger, made: int) -> object:
    return [
        one.path for one in ledger.read(lambda tx: find.find(tx, ledger.admin, FindRequest(path="/"))).found
    ]


def used(ledger: Ledger, made: int) -> object:
    reply = ledger.read(lambda tx: du.usage(tx, ledger.admin, UsageRequest(path="/t")))
    return [
        (one.path, one.size, one.files, one.directories, [each.size for each in one.linked])
        for one in reply.sums
    ]


def grown(*, detached: bool) -> tuple[Ledger, int]:
    """A tree that takes another one's place and is changed then; the commit that did it."""
    ledger = Ledger(SqliteDatabase(MEMORY, SystemClock()))
    ledger.commit(mkdir("/t"), write("/t/old", b"o"))
    building = Building(ledger, "/t")
    ledger.commit(write("/y", b"1"))
    building.extend(mkdir("/a"), write("/a/f", b"xx"), link("/a/f", "/g"))
    ledger.commit(write("/x", b"1"))
    if detached:
        made = building.attach(replace=True).commit
    else:
        made = ledger.commit(
            remove("/t", recursive=True),
            mkdir("/t"),
            mkdir("/t/a"),
            write("/t/a/f", b"xx"),
            link("/t/a/f", "/t/g"),
        ).commit
    ledger.commit(write("/t/a/f", b"yyy"))
    ledger.commit(rename("/t/a", "/t/b"))
    return ledger, made


@pytest.mark.parametrize("telling", [histories, logs, differences, found, used])
def test_nobody_can_tell(telling: Telling) -> None:
    (attached, at), (plain, then) = grown(detached=True), grown(detached=False)
    with closing(attached.database), closing(plain.database):
        assert telling(attached, at) == telling(plain, then)
        attached.reap()
        assert telling(attached, at) == telling(plain, then)
        attached.verify()


def test_who_follows_is_told_of_the_top_alone() -> None:
    attached, at = grown(detached=True)
    with closing(attached.database):
        incarnation = Incarnation(attached.map().incarnation)
        after = Position(CommitNumber(at - 1), 0)
        page = attached.read(lambda tx: changes.page(tx, attached.admin, Path(b"/"), after, incarnation))
        told = [[(one.what, one.path) for one in event.changes] for _, event in page.events]
        assert told[0] == [("removed", "/t"), ("created", "/t")]
