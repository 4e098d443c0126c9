"""Trees are copied in pages that nobody sees, and appear in one commit with everything that they hold."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import pytest

from cairnfs.clock import SystemClock
from cairnfs.errors import (
    Aborted,
    BeforeHorizon,
    Busy,
    CairnError,
    Exists,
    Forbidden,
    NotADirectory,
    NotFound,
    RootIsFixed,
)
from cairnfs.metadata import replies
from cairnfs.metadata.databases.postgres import PostgresDatabase
from cairnfs.metadata.databases.seam import Database
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import copy_tree
from cairnfs.metadata.ops.read_xattrs import read_xattrs
from cairnfs.metadata.ops.settle import Settle
from cairnfs.metadata.rows import replies as reply_rows
from cairnfs.metadata.state import changes
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, remove, rename, write
from cairnfs.wire.commits import Attributes, Link, Operation, SetAttributes
from cairnfs.wire.directory import Entry, PathText, XattrsRequest
from tests.unit.metadata.copying import OLD_US, Copying, planted


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """As everywhere, on both databases; verified when the test is over."""
    database: Database
    if request.param == "sqlite":
        database = SqliteDatabase(MEMORY, SystemClock())
    else:
        database = PostgresDatabase(request.getfixturevalue("postgres_dsn"), SystemClock())
    with closing(database):
        made = Ledger(database)
        yield made
        made.verify()


def look(ledger: Ledger, top: str, at: int | str | None = None) -> dict[bytes, Entry]:
    """Everything below a directory, and the directory itself, by relative path."""
    found = {b"": ledger.stat(top, at=at)}
    pending = [b""]
    while pending:
        up = pending.pop()
        for entry in ledger.list(top.encode() + up, at=at):
            found[up + b"/" + entry.raw_name()] = entry
            if entry.kind == "directory":
                pending.append(up + b"/" + entry.raw_name())
    return found


def told(entry: Entry) -> tuple[object, ...]:
    """What `preserve` keeps of an entry."""
    return (
        entry.kind, entry.size, entry.mode, entry.owner, entry.group, entry.mtime_us, entry.mtime_sub_ns,
        entry.links, entry.target, entry.xattrs is None, entry.policy,
    )  # fmt: skip


def attributes(ledger: Ledger, path: str) -> dict[bytes, bytes]:
    """All extended attributes of a path, as an administrator sees them."""
    request = XattrsRequest(paths=[PathText(path=path)])
    [result] = ledger.read(lambda tx: read_xattrs(tx, ledger.admin, request)).results
    return {one.name.encode(): one.value for one in result.xattrs or ()}


def test_a_preserved_copy_is_like_its_source(ledger: Ledger) -> None:
    planted(ledger)
    reply = Copying(ledger, "/d", "/copy", preserve=True).run()
    source, copy = look(ledger, "/d"), look(ledger, "/copy")
    assert {path: told(one) for path, one in source.items()} == {
        path: told(one) for path, one in copy.items()
    }
    assert ledger.open("/copy/sub/b").chunks == ledger.open("/d/sub/b").chunks
    assert attributes(ledger, "/copy/a") == {b"user.colour": b"red", b"trusted.secret": b"x"}
    assert not {one.inode for one in source.values()} & {one.inode for one in copy.values()}
    assert copy[b"/a"].inode == copy[b"/sub/also a"].inode
    assert (reply.files, reply.directories, reply.symlinks, reply.bytes) == (4, 3, 1, 14)
    assert reply.read_at == reply.commit - 1


def test_a_plain_copy_is_new_and_the_callers(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    ledger.commit(SetAttributes(path="/d/sub", attributes=Attributes(mode=0o2777)))
    ledger.commit(SetAttributes(path="/d", attributes=Attributes(mode=0o755)))
    ledger.commit(SetAttributes(path="/d/a", attributes=Attributes(mode=0o4644)))
    before = ledger.stat("/").mtime_us
    Copying(ledger, "/d", "/home/bob/copy", person=bob).run()
    copy = look(ledger, "/home/bob/copy")
    assert {(one.owner, one.group) for one in copy.values()} == {("bob", "bob")}
    assert all(one.mtime_us >= before for one in copy.values())
    assert all(one.xattrs is None and one.policy is None for one in copy.values())
    assert (copy[b"/sub"].mode, copy[b"/a"].mode) == (0o777, 0o644)


def test_who_is_no_administrator_preserves_what_they_may(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    ledger.commit(SetAttributes(path="/d", attributes=Attributes(mode=0o755)))
    ledger.commit(SetAttributes(path="/d/a", attributes=Attributes(mode=0o644)))
    Copying(ledger, "/d", "/home/bob/copy", person=bob, preserve=True).run()
    one = ledger.stat("/home/bob/copy/a")
    assert (one.owner, one.group, one.mtime_us, one.links) == ("bob", "bob", OLD_US, 2)
    assert attributes(ledger, "/home/bob/copy/a") == {b"user.colour": b"red"}


def test_a_group_is_inherited(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    ledger.commit(SetAttributes(path="/home/bob", attributes=Attributes(group="admin", mode=0o2755)))
    ledger.commit(SetAttributes(path="/d", attributes=Attributes(mode=0o755)))
    ledger.commit(SetAttributes(path="/d/a", attributes=Attributes(mode=0o644)))
    Copying(ledger, "/d", "/home/bob/copy", person=bob).run()
    copy = look(ledger, "/home/bob/copy")
    assert {one.group for one in copy.values()} == {"admin"}
    assert {one.mode & 0o7000 for one in copy.values() if one.kind == "directory"} == {0o2000}


def test_nothing_is_seen_before_the_commit_and_the_source_is_read_as_of_one(ledger: Ledger) -> None:
    planted(ledger)
    copying = Copying(ledger, "/d", "/copy", preserve=True)
    before = {path: told(one) for path, one in look(ledger, "/d").items()}
    disturbances: Iterator[Operation] = iter(
        (remove("/d/sub", recursive=True), write("/d/a", b"changed"), rename("/d", "/elsewhere"))
    )

    def between() -> None:
        with pytest.raises(NotFound):
            ledger.stat("/copy")
        ledger.verify()
        for operation in disturbances:
            ledger.commit(operation)
            break

    reply = copying.run(between)
    for operation in disturbances:
        ledger.commit(operation)
    ledger.reap()
    assert {path: told(one) for path, one in look(ledger, "/copy").items()} == before
    for at in range(reply.read_at, reply.commit):
        with pytest.raises(NotFound):
            ledger.stat("/copy", at=at)


def test_a_tree_is_copied_as_it_was(ledger: Ledger) -> None:
    planted(ledger)
    then, before = ledger.newest(), look(ledger, "/d")
    ledger.commit(remove("/d", recursive=True))
    reply = Copying(ledger, "/d", "/back", at=then, preserve=True).run()
    assert reply.read_at == then
    assert {path: told(one) for path, one in look(ledger, "/back").items()} == {
        path: told(one) for path, one in before.items()
    }


def test_a_tree_goes_into_itself_and_takes_its_own_place(ledger: Ledger) -> None:
    planted(ledger)
    Copying(ledger, "/d", "/d/sub/copy").run()
    assert set(look(ledger, "/d/sub/copy")) == {
        path for path in look(ledger, "/d") if not path.startswith(b"/sub/copy")
    }
    Copying(ledger, "/", "/all").run()
    assert ledger.stat("/all/d/sub/copy/sub/b").size == 8
    with pytest.raises(NotFound):
        ledger.stat("/all/all")
    kept = {path: told(one) for path, one in look(ledger, "/d").items()}
    Copying(ledger, "/d", "/d", preserve=True, replace=True).run()
    ledger.reap()
    assert {path: told(one) for path, one in look(ledger, "/d").items()} == kept


def test_what_is_replaced_goes_with_the_same_commit(ledger: Ledger) -> None:
    planted(ledger)
    ledger.commit(mkdir("/t"), mkdir("/t/old"), write("/t/old/x", b"x"), write("/f", b"f"))
    with pytest.raises(Exists):
        Copying(ledger, "/d", "/t").run()
    reply = Copying(ledger, "/d", "/t", replace=True).run()
    assert (b"/old/x" in look(ledger, "/t", reply.commit - 1), b"/old" in look(ledger, "/t")) == (True, False)
    ledger.reap()
    Copying(ledger, "/d", "/f", replace=True).run()
    assert ledger.stat("/f").kind == "directory"


def test_copies_are_changed_like_anything_else(ledger: Ledger) -> None:
    planted(ledger)
    Copying(ledger, "/d", "/copy", preserve=True).run()
    ledger.commit(write("/copy/new", b"n"), remove("/copy/sub/b"), rename("/copy/empty", "/copy/sub/e"))
    assert ledger.stat("/copy").mtime_us > ledger.stat("/d").mtime_us
    ledger.commit(remove("/copy/a"))
    assert ledger.stat("/copy/sub/also a").links == 1
    ledger.commit(remove("/copy", recursive=True))
    ledger.reap()
    ledger.commit(remove("/d", recursive=True))
    ledger.reap()


@pytest.mark.parametrize(
    ("path", "target", "refusal"),
    [
        ("/d/a", "/copy", NotADirectory),
        ("/d/link", "/copy", NotADirectory),
        ("/nothing", "/copy", NotFound),
        ("/d", "/nothing/copy", NotFound),
        ("/d", "/d/a/copy", NotADirectory),
        ("/d", "/", RootIsFixed),
        ("/d", "/d/sub", Exists),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    ledger: Ledger, path: str, target: str, refusal: type[CairnError]
) -> None:
    planted(ledger)
    copying = Copying(ledger, path, target)
    with pytest.raises(refusal):
        copying.run()
    assert copying.begun is None


@pytest.mark.parametrize(
    ("closed", "mode"),
    [("/d/sub/b", 0o600), ("/d/sub", 0o711), ("/d/sub", 0o744), ("/d", 0o700)],
)
def test_what_may_not_be_read_is_named_and_nothing_is_left(ledger: Ledger, closed: str, mode: int) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    ledger.commit(SetAttributes(path="/d", attributes=Attributes(mode=0o755)))
    ledger.commit(SetAttributes(path="/d/a", attributes=Attributes(mode=0o644)))
    fine = ledger.newest()
    ledger.commit(SetAttributes(path=closed, attributes=Attributes(mode=mode)))
    with pytest.raises(Forbidden) as refused:
        Copying(ledger, "/d", "/home/bob/copy", person=bob).run()
    assert refused.value.path == closed
    # Rights are those of the commit that is copied.
    Copying(ledger, "/d", "/home/bob/copy", person=bob, at=fine).run()
    with pytest.raises(Forbidden):
        Copying(ledger, "/d", "/copy", person=bob, at=fine).run()


def test_the_target_is_judged_again_at_the_commit(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob")
    ledger.commit(SetAttributes(path="/d", attributes=Attributes(mode=0o755)))
    ledger.commit(SetAttributes(path="/d/a", attributes=Attributes(mode=0o644)))
    ledger.commit(mkdir("/open", mode=0o777))
    copying = Copying(ledger, "/d", "/open/copy", person=bob)
    for _ in copying.steps():
        pass
    ledger.commit(SetAttributes(path="/open", attributes=Attributes(mode=0o755)))
    with pytest.raises(Forbidden):
        ledger.do(copying.attach())
    ledger.commit(SetAttributes(path="/open", attributes=Attributes(mode=0o777)), write("/open/copy", b"!"))
    with pytest.raises(Exists):
        ledger.do(copying.attach())
    ledger.commit(remove("/open/copy"))
    ledger.do(copying.attach())


def test_who_was_somebody_else_when_it_began_begins_anew(ledger: Ledger) -> None:
    planted(ledger)
    bob = ledger.person("bob", "admin")
    copying = Copying(ledger, "/d", "/copy", person=bob)
    steps = copying.steps()
    next(steps)
    ledger.database.write(lambda tx: tx.run("UPDATE users SET role = 'user' WHERE name = 'bob'"))
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET people_version = people_version + 1"))
    with pytest.raises(Busy):
        next(steps)


def test_the_horizon_stops_a_copy_that_it_overtakes(ledger: Ledger) -> None:
    planted(ledger)
    copying = Copying(ledger, "/d", "/copy")
    steps = copying.steps()
    next(steps)
    ledger.commit(write("/x", b"x"))
    ledger.database.write(lambda tx: tx.run("UPDATE clock SET horizon = commit_number"))
    with pytest.raises(BeforeHorizon):
        next(steps)


def test_a_copy_that_was_declared_aborted_never_appears(ledger: Ledger) -> None:
    planted(ledger)
    copying = Copying(ledger, "/d", "/copy")
    for _ in copying.steps():
        pass
    settled = ledger.do(Settle(ledger.admin.user_id, copying.request, deadline=NEVER_LATE))
    assert settled.outcome == "aborted"
    # What the driver does before an operation is run.
    [known] = ledger.read(lambda tx: reply_rows.find(tx, [(ledger.admin.user_id, copying.request)]))
    with pytest.raises(Aborted):
        replies.repeat(known, b"", None)


def test_large_directories_and_deep_ones_take_many_pages_and_little_memory(
    ledger: Ledger, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_tree, "PAGE_WEIGHT", 7)
    drawn = random.Random(seed)
    directories, operations = [b"/r"], list[Operation]([mkdir("/r")])
    for number in range(60):
        up = drawn.choice(directories)
        directories.append(up + b"/d%d" % number)
        operations.append(mkdir(directories[-1]))
    operations += [
        write(drawn.choice(directories) + b"/f%d" % number, b"%d" % (number % 9)) for number in range(150)
    ]
    ledger.commit(*operations)
    links = [
        Link(path=path.decode(), target=drawn.choice(directories).decode() + f"/l{number}")
        for number, path in enumerate(drawn.sample(sorted(p for p, c in ledger.tree().items() if c), 20))
        if path.startswith(b"/r/")
    ]
    ledger.commit(*links)
    copying = Copying(ledger, "/r", "/copy", preserve=True)
    copying.run()
    assert copying.pages >= (60 + 150 + len(links)) // 7
    tree = ledger.tree()
    below = {path[2:]: chunks for path, chunks in tree.items() if path.startswith(b"/r/")}
    assert {path[5:]: chunks for path, chunks in tree.items() if path.startswith(b"/copy/")} == below
    assert {p: told(one) for p, one in look(ledger, "/r").items()} == {
        p: told(one) for p, one in look(ledger, "/copy").items()
    }
    deepest = max(path.count(b"/") for path in directories)
    assert copying.most_frames <= deepest + 1


def test_one_change_is_logged_whatever_the_size(ledger: Ledger) -> None:
    planted(ledger)
    reply = Copying(ledger, "/d", "/copy", message="a copy").run()
    row = ledger.read(lambda tx: tx.row("SELECT entries FROM change WHERE commit_number = ?", reply.commit))
    assert row is not None
    [change] = changes.decode(row[0])
    assert (change.what, change.kind_name, change.name) == (changes.CREATED, "directory", b"copy")
    said = ledger.read(lambda tx: tx.row("SELECT message FROM commits WHERE number = ?", reply.commit))
    assert said == ("a copy",)
