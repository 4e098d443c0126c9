"""What somebody with an ordinary account tries that no table of verbs thinks of."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from cairnfs import errors as e
from cairnfs.core.manifest import hash_bytes
from cairnfs.ids import RequestId, SessionId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import cursors, diff, du, find, history, log, sessions
from cairnfs.metadata.ops import list as lists
from cairnfs.metadata.ops.commit import prepare
from cairnfs.metadata.ops.list import Cursor
from cairnfs.metadata.ops.settle import Settle
from cairnfs.metadata.ops.snapshots import CreateSnapshot
from cairnfs.metadata.rows import clock
from cairnfs.testing import ledger as ledgers
from cairnfs.testing.ledger import NEVER_LATE, Ledger
from cairnfs.wire import problems
from cairnfs.wire.commits import (
    Attributes,
    CommitRequest,
    Copy,
    Link,
    MakeDirectory,
    MakeSymlink,
    Operation,
    Remove,
    Rename,
    SetAttributes,
    Write,
    Xattr,
)
from cairnfs.wire.directory import ChunkRef, ListRequest
from cairnfs.wire.history import DiffRequest, HistoryRequest, LogRequest
from cairnfs.wire.search import FindRequest, UsageRequest
from tests.permission_table import FILESERVER, OTHER, OWNER, set_xattr, setattr_
from tests.unit.metadata.permission_world import World, a_directory, a_file


@pytest.fixture
def world(ledger: Ledger) -> World:
    return World(ledger)


# -- oracles: what an answer tells of what one may not see -----------------------------------------------


def everything_asked(path: str) -> list[Operation]:
    """Every verb that names a path, of one that asks for it."""
    return [
        Write(path=path, chunks=[], size=0),
        Write(path=path, chunks=[], size=0, expected="none"),
        Write(path=path, chunks=[], size=0, expected="1.5.3"),
        Write(path=f"{path}/x", chunks=[], size=0, parents=True),
        MakeDirectory(path=path),
        MakeDirectory(path=path, parents=True),
        MakeSymlink(path=path, target="x", replace=True),
        Link(path=path, target="/all/n"),
        Link(path="/all/f", target=path, replace=True),
        Remove(path=path),
        Remove(path=path, recursive=True),
        Remove(path=path, expected="1.5.3"),
        Rename(path=path, target="/all/n"),
        Rename(path="/all/f", target=path),
        Rename(path="/all/d", target=path),
        Rename(path="/all/d", target=f"{path}/x"),
        Copy(path=path, target="/all/n"),
        Copy(path="/all/f", target=path, replace=False),
        Copy(path=path, target="/all/n", at="1"),
        setattr_(path, mode=0),
        setattr_(path, mode=0, follow=False),
        SetAttributes(path=path, attributes=Attributes(lenient=True), expected="1.5.3"),
        SetAttributes(path=path, policy="all"),
        set_xattr(path, "user.x", b""),
    ]


def said(world: World, who: str, operation: Operation) -> str:
    """An answer as it is sent, without the path that was asked for."""
    with pytest.raises(e.CairnError) as refused:
        world.commit(operation, who=who)
    problem = msgspec.structs.replace(problems.from_error(refused.value), path=None)
    return msgspec.json.encode(problem).decode()


def test_nobody_learns_what_a_closed_directory_holds(world: World) -> None:
    world.commit(a_directory("/all", 0o777), a_file("/all/f", 0o666), a_directory("/all/d", 0o777))
    world.commit(a_directory("/closed", 0o700), a_directory("/closed/dir"), a_file("/closed/file"))
    world.commit(MakeSymlink(path="/closed/link", target="/all"), a_file("/closed/dir/x"))
    world.commit(MakeSymlink(path="/all/to-file", target="/closed/file"))
    world.commit(MakeSymlink(path="/all/to-dir", target="../closed/dir/."))
    world.commit(MakeSymlink(path="/all/to-nothing", target="/closed/nothing"))
    for present in ("/closed/file", "/closed/dir", "/closed/link", "/closed/dir/x", "/closed/link/f"):
        for one, nothing in zip(everything_asked(present), everything_asked("/closed/nil"), strict=True):
            assert said(world, OTHER, one) == said(world, OTHER, nothing), (one, nothing)
    for verb in (
        lambda path: Write(path=path, chunks=[], size=0),
        lambda path: setattr_(path, mode=0),
        lambda path: Copy(path=path, target="/all/n"),
        lambda path: MakeDirectory(path=f"{path}/x", parents=True),
        lambda path: MakeDirectory(path=path, parents=True),
        lambda path: Remove(path=f"{path}/x"),
    ):
        answers = {said(world, OTHER, verb(f"/all/{one}")) for one in ("to-file", "to-dir", "to-nothing")}
        assert len(answers) == 1, answers
        assert "closed" not in answers.pop()


def test_nobody_learns_more_than_a_stat_of_a_file_that_they_may_not_read(world: World) -> None:
    world.commit(a_file("/f", 0o600, xattrs=[Xattr(name="user.x", value=b"1234")]))
    etag = world.stat("/f").etag
    with pytest.raises(e.Forbidden):
        world.ledger.open("/f", person=world.people[OTHER], known=etag)
    with pytest.raises(e.Forbidden):
        world.commit(Write(path="/f", chunks=[], size=0, expected=etag), who=OTHER)


def test_what_names_a_set_of_attributes_is_no_hash_that_guesses_could_be_tried_against(world: World) -> None:
    given = [Xattr(name="trusted.x", value=b"1234"), Xattr(name="user.x", value=b"1234")]
    world.commit(a_file("/a", 0o600, xattrs=given))
    world.commit(a_file("/b", 0o600, xattrs=given), a_file("/c", 0o600))
    one, other, none = (world.stat(path, who=OTHER).xattrs for path in ("/a", "/b", "/c"))
    assert one is not None
    assert other not in (one, None)
    assert none is None


def test_whoever_may_only_write_learns_nothing_of_what_is_there(world: World) -> None:
    secret, guess = b"the secret", b"not it"
    chunks = [world.ledger.receipt([ledgers.chunk(secret)])]
    written = ledgers.write("/f", secret, mode=0o622)
    world.ledger.do(world.ledger.prepared(written, receipts=chunks, session=world.ledger.session))
    answers = set()
    for data in (secret, guess):
        operation = Write(path="/f", chunks=[ChunkRef(hash_bytes(data), len(secret))], size=len(secret))
        with pytest.raises(e.NotDurable) as refused:
            world.commit(operation, who=OTHER)
        answers.add(str(refused.value).replace(hash_bytes(data).hex(), "HASH"))
    assert len(answers) == 1, answers


# -- cursors, sessions and answers of others ------------------------------------------------------------


def sealed(world: World, cursor: object) -> str:
    """A cursor as only whoever has the cluster's key can make it."""
    return world.ledger.read(lambda tx: cursors.write(tx, cursor))


def listed(world: World, path: str, cursor: Cursor, who: str = OTHER) -> list[str]:
    request = ListRequest(path=path, cursor=sealed(world, cursor), limit=10)
    page = world.ledger.read(lambda tx: lists.page(tx, world.people[who], request))
    return [one.name for one in page.entries]


def test_a_cursor_leads_nowhere_that_a_path_does_not(world: World) -> None:
    world.commit(a_directory("/open", 0o777), a_file("/open/a"))
    world.commit(a_directory("/closed", 0o700), a_file("/closed/secret"))
    now = world.ledger.newest()
    inodes = {path: world.stat(path).inode for path in ("/open", "/closed")}
    assert listed(world, "/open", Cursor(1, inodes["/open"], now, b"")) == ["a"]
    with pytest.raises(e.Forbidden):
        listed(world, "/closed", Cursor(1, inodes["/closed"], now, b""))
    for wrong in (
        Cursor(1, inodes["/closed"], now, b""),
        Cursor(2, inodes["/open"], now, b""),
        Cursor(1, inodes["/open"], now + 1, b""),
        Cursor(1, inodes["/open"], -1, b""),
        Cursor(1, 2**64 - 1, now, b""),
    ):
        with pytest.raises(e.BadCursor):
            listed(world, "/open", wrong)
    world.ledger.database.write(
        lambda tx: tx.run("UPDATE clock SET horizon = ?", clock.lock(tx).commit_number)
    )
    with pytest.raises(e.BeforeHorizon):
        listed(world, "/open", Cursor(1, inodes["/open"], now - 1, b""))


def test_no_cursor_breaks_anything_even_if_somebody_got_the_key(world: World, seed: int) -> None:
    world.commit(a_directory("/d", 0o777), a_file("/d/f"))
    drawn, carl = random.Random(seed), world.people[OTHER]
    inode, now = world.stat("/d").inode, world.ledger.newest()
    numbers = [0, 1, -1, now, now + 1, inode, 2**31, 2**63 - 1, -(2**63), 2**63, 2**64 - 1]
    things: list[object] = [*numbers, (b"f", inode), (b"", 1, 1, True), "walk", "index"]
    things += [b"", b"x" * 300, b"\0", b"../..", None, True, "x", [], [1, 2], 0.5]
    asked: list[tuple[Any, Callable[[Tx, str], object]]] = [
        (lists.Cursor, lambda tx, c: lists.page(tx, carl, ListRequest(path="/d", cursor=c))),
        (log.Cursor, lambda tx, c: log.page(tx, carl, LogRequest(path="/d", cursor=c))),
        (history.Cursor, lambda tx, c: history.page(tx, carl, HistoryRequest(path="/d/f", cursor=c))),
        (diff.Cursor, lambda tx, c: diff.page(tx, carl, DiffRequest(path="/d", a="1", b="2", cursor=c))),
        (find.Cursor, lambda tx, c: find.find(tx, carl, FindRequest(path="/d", name="f*", cursor=c))),
        (du.Cursor, lambda tx, c: du.usage(tx, carl, UsageRequest(path="/d", cursor=c))),
    ]
    answered = 0
    for _ in range(1500):
        for kind, ask in asked:
            fields = [1, *drawn.choices(numbers, k=len(kind._fields) - 1)]
            for _ in range(drawn.randint(0, 2)):
                fields[drawn.randrange(1, len(fields))] = drawn.choice(things)  # type: ignore[call-overload]
            with suppress(e.CairnError):
                cursor = sealed(world, kind(*fields))
                world.ledger.read(lambda tx, a=ask, c=cursor: a(tx, c))  # type: ignore[misc]
                answered += 1
    assert answered > 100, "most cursors were refused before they were looked at"


def test_sessions_and_answers_are_their_owners_alone(world: World) -> None:
    ledger, ann, carl = world.ledger, world.people[OWNER], world.people[OTHER]
    session = ledger.begin(ann)
    with pytest.raises(e.SessionEnded):
        ledger.database.write(lambda tx: sessions.renew(tx, session, carl.user_id, 5, 0))
    ledger.do(sessions.EndSession(session, carl.user_id, deadline=NEVER_LATE))
    with pytest.raises(e.SessionEnded):
        ledger.do(ledger.prepared(ledgers.mkdir("/home/carl/x"), person=carl, session=session, receipts=()))
    receipts = [ledger.receipt([ledgers.chunk(b"x")], ann, session)]
    with pytest.raises(e.ReceiptInvalid):
        ledger.prepared(ledgers.write("/home/carl/x", b"x"), person=carl, session=session, receipts=receipts)
    ledger.database.write(lambda tx: sessions.renew(tx, session, ann.user_id, 5, 0))
    request = CommitRequest(request_id="a" * 32, operations=[MakeDirectory(path="/home/ann/x")])
    made = prepare(ann, request, (), body_hash=bytes(32), deadline=NEVER_LATE)
    ledger.do(made)
    settled = ledger.do(Settle(carl.user_id, RequestId("a" * 32), deadline=NEVER_LATE))
    assert (settled.outcome, settled.reply) == ("aborted", None)


def test_a_session_begun_by_nobody_names_nobody_else(world: World) -> None:
    world.stand(OTHER, "disabled")
    world.stand(OTHER, "active")  # whatever was remembered of people is not any more
    ann = world.people[OWNER]
    session = SessionId(secrets.token_hex(16))
    world.ledger.do(sessions.BeginSession(session, ann.user_id, "test", deadline=NEVER_LATE))
    made = world.ledger.do(
        CreateSnapshot(ann, RequestId("b" * 32), "mine", None, body_hash=bytes(32), deadline=NEVER_LATE)
    )
    assert made.user == OWNER


# -- attributes smuggled in ----------------------------------------------------------------------------------


def test_a_lenient_setting_leaves_out_exactly_what_may_not_be(world: World) -> None:
    wanted = Attributes(
        mode=0o6777, owner=OTHER, group=OTHER, mtime_us=1, lenient=True,
        xattrs=[Xattr(name="user.x", value=b"1"), Xattr(name="trusted.x", value=b"1"),
                Xattr(name="security.x", value=b"1")],
    )  # fmt: skip
    world.commit(a_file("/f", 0o644, xattrs=[Xattr(name="trusted.y", value=b"kept")]))
    world.commit(a_directory("/d", 0o777))
    before = world.stat("/f"), world.xattrs("/f")
    world.commit(SetAttributes(path="/f", attributes=wanted), who=OTHER)
    assert (world.stat("/f"), world.xattrs("/f")) == before
    with pytest.raises(e.Forbidden):
        world.commit(MakeDirectory(path="/d/n"), SetAttributes(path="/d", policy="async", attributes=wanted),
                     who=OTHER)  # fmt: skip
    # With the right to write: its attributes, and nothing that is the owner's.
    world.commit(setattr_("/f", mode=0o666))
    world.commit(SetAttributes(path="/f", attributes=wanted), who=OTHER)
    after = world.stat("/f")
    assert (after.owner, after.group, after.mode, after.mtime_us) == (
        OWNER, OWNER, 0o666, before[0].mtime_us
    )  # fmt: skip
    assert world.xattrs("/f") == {b"user.x": b"1", b"trusted.y": b"kept"}
    world.commit(
        MakeDirectory(path="/d", parents=True, attributes=wanted),
        Write(path="/f", chunks=[], size=0, attributes=wanted),
        who=OTHER,
    )
    for path, mode in (("/d", 0o777), ("/f", 0o666)):
        entry = world.stat(path)
        assert (entry.owner, entry.group, entry.mode) == (OWNER, OWNER, mode), path


def test_trusted_attributes_stay_where_they_are(world: World) -> None:
    given = [Xattr(name="trusted.x", value=b"secret"), Xattr(name="user.x", value=b"plain")]
    world.commit(a_file("/f", 0o644, xattrs=given), a_directory("/d", 0o777))
    world.commit(
        Copy(path="/f", target="/d/kept", preserve=True), Copy(path="/f", target="/d/plain"), who=OTHER
    )
    assert world.xattrs("/f", who=OTHER) == {b"user.x": b"plain"}
    assert world.xattrs("/d/kept") == {b"user.x": b"plain"}
    assert world.xattrs("/d/plain") == {}
    # Onto a file that has some: those of the file stay.
    world.commit(a_file("/d/onto", 0o666, xattrs=[Xattr(name="trusted.y", value=b"own")]))
    world.commit(Copy(path="/f", target="/d/onto", preserve=True), who=OTHER)
    assert world.xattrs("/d/onto") == {b"user.x": b"plain", b"trusted.y": b"own"}


def test_nobody_changes_a_symlink_of_somebody_else(world: World) -> None:
    world.commit(MakeSymlink(path="/s", target="/x", attributes=Attributes(owner=OWNER, group=OWNER)))
    before = world.stat("/s")
    for refused in (
        setattr_("/s", owner=OTHER, follow=False),
        setattr_("/s", group=OTHER, follow=False),
        setattr_("/s", mtime_us=1, follow=False),
        setattr_("/s", mode=0o600, follow=False),
    ):
        with pytest.raises(e.Forbidden):
            world.commit(refused, who=OTHER)
    assert world.stat("/s") == before


def test_nobody_is_given_things_who_is_no_person(world: World) -> None:
    world.commit(a_file("/f", 0o644))
    for name in ("-", "#1", "#3", FILESERVER, "", "ann ", "Ann", "ann\n", "0", "1"):
        with pytest.raises(e.NoSuchUser):
            world.commit(setattr_("/f", owner=name))
        with pytest.raises(e.NoSuchGroup):
            world.commit(setattr_("/f", group=name))
    with pytest.raises(e.NoSuchUser):  # a group is nobody
        world.commit(setattr_("/f", owner="crew"))


def test_nobody_signs_up_as_what_is_no_person(ledger: Ledger) -> None:
    for name in ("-", "#17", "fileserver:1", "Root", "root\n", " root", ""):
        with pytest.raises(e.BadName):
            ledger.person(name)
    # A name is a name: here that of root gives no right.
    root = ledger.person("root")
    with pytest.raises(e.Forbidden):
        ledger.commit(MakeDirectory(path="/x"), person=root)


def test_a_directory_on_the_way_is_asked_again_within_a_commit(world: World) -> None:
    world.commit(a_directory("/d", 0o755, OTHER), a_file("/d/f", 0o666, OTHER))
    for closing in (0o600, 0o000):
        with pytest.raises(e.Forbidden):
            world.commit(
                Write(path="/d/f", chunks=[], size=0),
                setattr_("/d", mode=closing),
                Write(path="/d/f", chunks=[], size=0),
                who=OTHER,
            )
    world.commit(setattr_("/d", mode=0o000))
    world.commit(setattr_("/d", mode=0o755), Write(path="/d/f", chunks=[], size=0), who=OTHER)


def test_what_was_open_at_a_commit_stays_open_at_it(world: World) -> None:
    """History is as it was: whoever had a right at a commit has it there as long as it is kept."""
    world.commit(a_directory("/d", 0o777), a_file("/f", 0o644))
    then = world.ledger.newest()
    world.commit(setattr_("/f", mode=0o600), who=OWNER)
    assert world.ledger.open("/f", person=world.people[OTHER], at=then).entry.size == 4
    world.commit(Copy(path="/f", target="/d/f", at=str(then)), who=OTHER)
    now = world.ledger.newest()
    world.commit(setattr_("/f", mode=0o644), who=OWNER)
    with pytest.raises(e.Forbidden):
        world.ledger.open("/f", person=world.people[OTHER], at=now)
    with pytest.raises(e.Forbidden):
        world.commit(Copy(path="/f", target="/d/g", at=str(now)), who=OTHER)
