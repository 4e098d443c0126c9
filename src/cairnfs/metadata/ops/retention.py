"""retention: how much history is kept, and moving the horizon after it.

What belongs here: the verbs. The horizon moves in a tx that holds the clock and reads every pin, and never
back: what could not be read once is never readable again. Rows below it stay until they are purged.
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, Forbidden
from cairnfs.ids import CommitNumber
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import leader
from cairnfs.metadata.people import People
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.metadata.rows import commits, snapshots
from cairnfs.metadata.rows.clock import ClockRow
from cairnfs.metadata.state import State, Want
from cairnfs.wire.snapshots import RETENTION_MAX_US, RetentionReply


class SetRetention:
    """Say how much history the horizon is to leave. Answers a RetentionReply."""

    reply_key = None  # saying it twice says the same
    answer_type = None

    def __init__(self, person: Person, retention_us: int, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock; 0 microseconds: keep all. Raises BadRequest."""
        if not 0 <= retention_us <= RETENTION_MAX_US:
            raise BadRequest("that is longer than any history")
        self.deadline = deadline
        self._person = person
        self._retention_us = retention_us

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> RetentionReply:
        """Raises Forbidden."""
        if state.people.now(self._person).role != "admin":
            raise Forbidden("only administrators set how much history is kept")
        state.journal.put(state.counters, "retention_us", self._retention_us)
        return _told(state.now())


class MoveHorizon:
    """Move the horizon as far as retention and all pins allow. Answers where it is then."""

    reply_key = None
    answer_type = None

    def __init__(self, *, deadline: float, term: int | None = None) -> None:
        """`deadline` in seconds of the monotonic clock; `term`: see `ops/leader`."""
        self.deadline = deadline
        self._term = term

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> CommitNumber:
        """Commits of this tx are younger than any retention that counts: the tables are enough."""
        leader.require(state.tx, self._term)
        wanted = due(state.tx, state.now(), state.now_us)
        if wanted is None:
            return CommitNumber(state.counters["horizon"])
        state.journal.put(state.counters, "horizon", wanted)
        return wanted


def due(tx: Tx, clock: ClockRow, now_us: int) -> CommitNumber | None:
    """Where the horizon may move now; None where it has to stay."""
    if clock.retention_us == 0:
        return None
    oldest = commits.newest_at(tx, now_us - clock.retention_us)
    if oldest is None:
        return None
    needed = snapshots.least_needed(tx)
    wanted = oldest if needed is None else min(oldest, needed)
    return CommitNumber(wanted) if wanted > clock.horizon else None


def tell(tx: Tx, person: Person) -> RetentionReply:
    """The setting and the horizon as they are."""
    now = clock_row.read(tx)
    People(tx, now).now(person)
    return _told(now)


def _told(now: ClockRow) -> RetentionReply:
    return RetentionReply(retention_us=now.retention_us, horizon=now.horizon, commit=now.commit_number)
