"""Snapshots hold what they name; all else goes with the horizon, which pins hold and nothing brings back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from cairnfs.core.permissions import Person
from cairnfs.errors import (
    BadRequest,
    BeforeHorizon,
    CairnError,
    Exists,
    Forbidden,
    NoSuchCommit,
    NoSuchSnapshot,
    TooManySnapshots,
)
from cairnfs.ids import RequestId
from cairnfs.metadata.databases.opening import begin_incarnation
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.databases.sqlite import MEMORY, SqliteDatabase
from cairnfs.metadata.ops import list as lists
from cairnfs.metadata.ops import sessions, snapshots
from cairnfs.metadata.ops.retention import MoveHorizon, SetRetention
from cairnfs.metadata.ops.snapshots import CreateSnapshot, RemoveSnapshot
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.testing.clock import ManualClock
from cairnfs.testing.ledger import NEVER_LATE, Ledger, mkdir, remove, write
from cairnfs.wire.commits import Copy
from cairnfs.wire.directory import ListRequest
from cairnfs.wire.snapshots import SNAPSHOTS_MAX, SnapshotReply, SnapshotsRequest
from tests.unit.metadata.copying import Copying

HOUR_US = 3600 * 1_000_000


class History:
    """A ledger whose time passes by hand."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.ledger = Ledger(database)
        self.clock = clock
        self.admin = self.ledger.admin

    def create(self, name: str, at: int | str | None = None, person: Person | None = None) -> SnapshotReply:
        when = None if at is None else str(at)
        made = self.ledger.do(
            CreateSnapshot(
                person or self.admin,
                RequestId(secrets.token_hex(16)),
                name,
                when,
                body_hash=b"",
                deadline=NEVER_LATE,
            )
        )
        assert isinstance(made, SnapshotReply)
        return made

    def remove(self, name: str, person: Person | None = None) -> None:
        request = RequestId(secrets.token_hex(16))
        self.ledger.do(
            RemoveSnapshot(person or self.admin, request, name, body_hash=b"", deadline=NEVER_LATE)
        )

    def keep(self, retention_us: int) -> None:
        self.ledger.do(SetRetention(self.admin, retention_us, deadline=NEVER_LATE))

    def move(self) -> int:
        """What the duty does."""
        return int(self.ledger.do(MoveHorizon(deadline=NEVER_LATE)))

    def end_session(self) -> None:
        self.ledger.do(sessions.EndSession(self.ledger.session, self.admin.user_id, deadline=NEVER_LATE))

    def hourly(self, hours: int) -> list[int]:
        """So many commits of /f, an hour from one to the next; their numbers."""
        numbers = []
        for hour in range(hours):
            numbers.append(self.ledger.commit(write("/f", b"%d" % hour)).commit)
            self.clock.advance(3600)
        return numbers


@pytest.fixture
def history() -> Iterator[History]:
    clock = ManualClock()
    with closing(SqliteDatabase(MEMORY, clock)) as database:
        made = History(database, clock)
        yield made
        made.ledger.verify()


def test_a_snapshot_is_read_by_its_name(history: History) -> None:
    first, second, third = history.hourly(3)
    made = history.create("second", second)
    assert (made.commit, made.user) == (second, "admin")
    assert history.create("present").commit == third
    assert history.ledger.open("/f", at="second").chunks == history.ledger.open("/f", at=second).chunks
    assert history.create("an-hour-ago", "2h").commit == second
    assert history.create("also", "second").commit == second
    assert history.ledger.stat("/f", at="present").etag == history.ledger.stat("/f").etag
    with pytest.raises(NoSuchSnapshot):
        history.ledger.stat("/f", at="never")
    assert first < second < third


@pytest.mark.parametrize("name", ["", "1st", "a b", "a/b", "x" * 65, "10m", "-a"])
def test_what_could_be_something_else_is_no_name(history: History, name: str) -> None:
    with pytest.raises(BadRequest):
        history.create(name)


def test_names_are_unique_and_their_makers_take_them_away(history: History) -> None:
    ann, bob = history.ledger.person("ann"), history.ledger.person("bob")
    history.create("anns", person=ann)
    with pytest.raises(Exists):
        history.create("anns", person=bob)
    with pytest.raises(Forbidden):
        history.remove("anns", person=bob)
    history.remove("anns", person=ann)
    with pytest.raises(NoSuchSnapshot):
        history.remove("anns", person=ann)
    history.create("anns", person=bob)
    history.remove("anns")


def test_a_user_makes_so_many_and_administrators_more(history: History) -> None:
    ann = history.ledger.person("ann")
    for number in range(SNAPSHOTS_MAX):
        history.create(f"a{number}", person=ann)
    with pytest.raises(TooManySnapshots):
        history.create("one-more", person=ann)
    history.create("one-more")
    history.remove("a0", person=ann)
    history.create("again", person=ann)
    found: list[str] = []
    after, more = None, True
    while more:
        request = SnapshotsRequest(after=after, limit=30)
        page = history.ledger.read(lambda tx, r=request: snapshots.page(tx, ann, r))  # type: ignore[misc]
        found += [one.name for one in page.snapshots]
        after, more = found[-1], page.more
    assert found == sorted([f"a{number}" for number in range(1, SNAPSHOTS_MAX)] + ["again", "one-more"])


def test_a_snapshot_is_of_a_commit_that_exists(history: History) -> None:
    with pytest.raises(NoSuchCommit):
        history.create("later", history.ledger.newest() + 1)
    last = history.ledger.newest()
    history.ledger.database.write(lambda tx: begin_incarnation(tx, "a test"))
    # Between the incarnations no commit was made: the tree there is that of the last one.
    assert history.create("between", last + 1000).commit == last
    assert history.create("root", 0).commit == 0


def test_commits_of_the_same_batch_can_be_named(history: History) -> None:
    ledger = history.ledger
    request = RequestId(secrets.token_hex(16))
    create = CreateSnapshot(history.admin, request, "both", None, body_hash=b"", deadline=NEVER_LATE)
    first, made, _ = ledger.batch([ledger.prepared(mkdir("/a")), create, ledger.prepared(mkdir("/b"))])
    assert made.commit == first.commit
    assert [one.name for one in ledger.list("/", at="both")] == ["a", "home"]


def test_everything_is_kept_until_somebody_says_otherwise(history: History) -> None:
    history.hourly(5)
    history.end_session()
    assert history.move() == 0


def test_the_horizon_follows_at_the_distance_of_the_retention(history: History) -> None:
    numbers = history.hourly(6)
    history.end_session()
    history.keep(3 * HOUR_US + 1)
    # What was true three hours ago can still be read, so the commit before that moment stays.
    assert history.move() == numbers[2]
    assert history.ledger.open("/f", at=numbers[2]).chunks
    with pytest.raises(BeforeHorizon):
        history.ledger.open("/f", at=numbers[1])
    history.clock.advance(3600)
    assert history.move() == numbers[3]


def test_the_horizon_never_moves_back(history: History) -> None:
    numbers = history.hourly(6)
    history.end_session()
    history.keep(HOUR_US)
    moved = history.move()
    assert moved > numbers[2]
    for kept in (0, 100 * HOUR_US, 2 * HOUR_US):
        history.keep(kept)
        assert history.move() == moved


def test_a_session_holds_what_it_needs(history: History) -> None:
    ledger = history.ledger
    first, *_ = history.hourly(2)
    reader = ledger.begin(history.admin)
    needs = ledger.newest()
    history.hourly(4)
    history.end_session()
    history.keep(HOUR_US)
    assert history.move() == needs
    ledger.database.write(lambda tx: sessions.renew(tx, reader, history.admin.user_id, 1, needs + 2))
    assert history.move() == needs + 2
    ledger.do(sessions.EndSession(reader, history.admin.user_id, deadline=NEVER_LATE))
    assert history.move() > needs + 2
    assert first < needs


def test_only_snapshots_are_read_below_the_horizon(history: History) -> None:
    ledger = history.ledger
    ledger.commit(mkdir("/d"), *[write(f"/d/{number}", b"x") for number in range(5)])
    kept = history.create("kept").commit
    ledger.commit(remove("/d", recursive=True))
    lost = ledger.newest()
    history.hourly(5)
    history.end_session()
    history.keep(HOUR_US)
    assert history.move() > lost > kept
    ledger.session = ledger.begin(history.admin)
    assert len(ledger.list("/d", at="kept", limit=2)) == len(ledger.list("/d", at=kept, limit=2)) == 5
    assert ledger.open("/d/1", at="kept").chunks
    Copying(ledger, "/d", "/back", at="kept").run()
    ledger.commit(Copy(path="/d/1", target="/one", at="kept"))
    history.create("also", kept)

    def refused(read: Callable[[], object]) -> None:
        with pytest.raises(BeforeHorizon):
            read()

    refused(lambda: ledger.stat("/", at=lost))
    refused(lambda: ledger.list("/", at=lost))
    refused(lambda: ledger.open("/f", at=lost))
    refused(lambda: Copying(ledger, "/home", "/h", at=lost).run())
    refused(lambda: ledger.commit(Copy(path="/d/1", target="/two", at=str(lost))))
    refused(lambda: history.create("lost", lost))
    refused(lambda: ledger.stat("/", at="4h"))
    history.remove("also")
    ledger.stat("/d", at=kept)
    history.remove("kept")
    refused(lambda: ledger.stat("/d", at=kept))


def test_pages_of_a_listing_that_the_horizon_overtakes_are_gone(history: History) -> None:
    ledger = history.ledger
    ledger.commit(mkdir("/d"), *[write(f"/d/{number}", b"x") for number in range(5)])
    page = ledger.read(lambda tx: lists.page(tx, history.admin, ListRequest(path="/d", limit=2)))
    history.hourly(5)
    going_on = ListRequest(path="/d", limit=2, cursor=page.cursor)
    assert ledger.read(lambda tx: lists.page(tx, history.admin, going_on)).commit == page.commit
    history.end_session()
    history.keep(HOUR_US)
    history.move()
    with pytest.raises(BeforeHorizon):
        ledger.read(lambda tx: lists.page(tx, history.admin, going_on))


def test_a_read_that_began_before_goes_on_in_its_snapshot(tmp_path_factory: pytest.TempPathFactory) -> None:
    clock = ManualClock()
    path = tmp_path_factory.mktemp("race") / "cairn.sqlite"
    with closing(SqliteDatabase(path, clock)) as database:
        history = History(database, clock)
        numbers = history.hourly(5)
        history.end_session()
        history.keep(HOUR_US)

        def read(tx: Tx) -> int:
            before = clock_row.read(tx)
            history.move()
            again = clock_row.read(tx)
            assert before == again
            return again.horizon

        assert database.read(read) == 0
        assert database.read(clock_row.read).horizon > numbers[0]


def test_only_administrators_set_how_much_is_kept(history: History) -> None:
    ann = history.ledger.person("ann")
    with pytest.raises(Forbidden):
        history.ledger.do(SetRetention(ann, HOUR_US, deadline=NEVER_LATE))
    for wrong in (-1, 2**62 + 1):
        with pytest.raises(BadRequest):
            SetRetention(history.admin, wrong, deadline=NEVER_LATE)


def test_whoever_leads_no_more_moves_nothing(history: History) -> None:
    history.hourly(5)
    history.end_session()
    history.keep(HOUR_US)
    with pytest.raises(CairnError):
        history.ledger.do(MoveHorizon(deadline=NEVER_LATE, term=7))
    assert history.ledger.read(clock_row.read).horizon == 0
