"""snapshots: give a commit a name by which it can be read for good; list them; take a name away.

What belongs here: the verbs. What does not: reading at one (`ops/moment`). A name is given under the clock,
so that the horizon, which moves under it too, never passes a commit that is being named.
"""

from __future__ import annotations

from cairnfs.core import moment as rules
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, Exists, Forbidden, NoSuchSnapshot, TooManySnapshots
from cairnfs.ids import CommitNumber, RequestId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import moment
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows import commits, snapshots
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.rows.snapshots import Snapshot
from cairnfs.metadata.state import State, Want
from cairnfs.wire.codec import Empty
from cairnfs.wire.snapshots import (
    SNAPSHOT_PAGE_MAX,
    SNAPSHOTS_MAX,
    SnapshotReply,
    SnapshotsReply,
    SnapshotsRequest,
)


class CreateSnapshot:
    """Name the commit that `at` means, the newest for None. Answers a SnapshotReply."""

    answer_type = SnapshotReply

    def __init__(
        self,
        person: Person,
        request: RequestId,
        name: str,
        at: str | None,
        *,
        body_hash: bytes,
        deadline: float,
    ) -> None:
        """`deadline` in seconds of the monotonic clock. Raises BadRequest."""
        self.deadline = deadline
        self.reply_key = ReplyKey(person.user_id, request, body_hash)
        self._person = person
        self._name = rules.snapshot_name(name)
        self._at = None if at is None else rules.parse(at)

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> SnapshotReply:
        """Raises Exists, TooManySnapshots, NoSuchCommit, NoSuchSnapshot, BeforeHorizon."""
        person = state.people.now(self._person)
        if snapshots.find(state.tx, self._name) is not None:
            raise Exists(f"there is a snapshot named {self._name}")
        if person.role != "admin" and snapshots.count_of(state.tx, person.user_id) >= SNAPSHOTS_MAX:
            raise TooManySnapshots(f"a user has at most {SNAPSHOTS_MAX} snapshots")
        number, at_us = self._commit(state)
        snapshots.insert(state.tx, Snapshot(self._name, number, person.user_id, state.now_us))
        return SnapshotReply(
            name=self._name, commit=number, at_us=at_us, user=person.name, created_us=state.now_us
        )

    def _commit(self, state: State) -> tuple[CommitNumber, int]:
        """The commit to be named, and its time. What was committed in this tx is not in the tables yet."""
        newest = CommitNumber(state.counters["commit_number"])
        number = newest if self._at is None else moment.meant(state.tx, state.now(), self._at)
        if number == newest:
            return number, state.counters["commit_at_us"]
        if number in state.commits:
            return number, state.commits[number].at_us
        # Numbers are not all given: after a leap to a new incarnation the tree is that of the one before.
        return commits.newest_until(state.tx, number)


class RemoveSnapshot:
    """Take a snapshot's name away; its commit goes the way of all others then. Answers nothing."""

    answer_type = Empty

    def __init__(
        self, person: Person, request: RequestId, name: str, *, body_hash: bytes, deadline: float
    ) -> None:
        """`deadline` in seconds of the monotonic clock. Raises BadRequest for what is no name."""
        self.deadline = deadline
        self.reply_key = ReplyKey(person.user_id, request, body_hash)
        self._person = person
        self._name = rules.snapshot_name(name)

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> Empty:
        """Raises NoSuchSnapshot, Forbidden."""
        person = state.people.now(self._person)
        found = snapshots.find(state.tx, self._name)
        if found is None:
            raise NoSuchSnapshot(f"there is no snapshot named {self._name}")
        if person.role != "admin" and person.user_id != found.user_id:
            raise Forbidden("only whoever made a snapshot, and administrators, remove it")
        snapshots.delete(state.tx, self._name)
        return Empty()


def page(tx: Tx, person: Person, request: SnapshotsRequest) -> SnapshotsReply:
    """One page of all snapshots. Anybody who is logged in may know of them."""
    if not 1 <= request.limit <= SNAPSHOT_PAGE_MAX:
        raise BadRequest(f"limit is 1 to {SNAPSHOT_PAGE_MAX}")
    people = People(tx, clock_row.read(tx))
    people.now(person)
    found = snapshots.page(tx, request.after or "", request.limit + 1)
    shown = found[: request.limit]
    called = people.names(one.user_id for one in shown)
    at_us = commits.times(tx, sorted({one.commit_number for one in shown}))
    return SnapshotsReply(
        snapshots=[
            SnapshotReply(
                name=one.name,
                commit=one.commit_number,
                at_us=at_us.get(one.commit_number, 0),
                user=called[one.user_id],
                created_us=one.created_us,
            )
            for one in shown
        ],
        more=len(found) > len(shown),
    )
