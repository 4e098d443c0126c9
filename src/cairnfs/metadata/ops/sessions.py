"""Sessions: begin, renew, end, and ending those that stopped renewing.

What belongs here: the verbs. What does not: times (`control`). Beginning and ending hold the clock:
what a session needs must be known to whoever decides what may be thrown away. Renewing does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.core.leases import LeaseTimes
from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, SessionEnded
from cairnfs.ids import CommitNumber, Incarnation, SessionId, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import leader
from cairnfs.metadata.ops.locks.ending import end_sessions
from cairnfs.metadata.rows import clock, sessions
from cairnfs.metadata.rows.sessions import Session
from cairnfs.metadata.state import State, Want
from cairnfs.wire.sessions import LABEL_MAX_BYTES, RenewReply


class BeginSession:
    """Begin a session under an id that the caller drew. Answers (present commit, incarnation)."""

    reply_key = None
    answer_type = None

    def __init__(
        self,
        session: SessionId,
        user: UserId,
        label: str,
        *,
        deadline: float,
        needs: int | None = None,
        times: LeaseTimes | None = None,
    ) -> None:
        """`deadline` in seconds of the monotonic clock; `needs` None: the present commit; `times`: what it is
        promised.

        Raises BadRequest for a label too long.
        """
        if len(label.encode(errors="replace")) > LABEL_MAX_BYTES or "\0" in label:
            raise BadRequest(f"a label has at most {LABEL_MAX_BYTES} bytes and no NUL")
        self.deadline = deadline
        self._session = session
        self._user = user
        self._label = label
        self._needs = needs
        self._times = times or LeaseTimes()

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> tuple[CommitNumber, Incarnation]:
        """Below the horizon nothing can be needed: what a snapshot names there stays anyway.

        Raises Unauthenticated where the user was shut out.
        """
        state.people.now(Person(self._user, "the user", "user"))
        present = CommitNumber(state.counters["commit_number"])
        asked = present if self._needs is None else min(self._needs, present)
        needs = CommitNumber(max(asked, state.counters["horizon"]))
        row = Session(self._session, self._user, self._label, 0, needs, state.now_us, self._times.lease_ms)
        sessions.insert(state.tx, row)
        state.forget_session(self._session)
        return present, state.clock.incarnation


class EndSession:
    """End a session of this user; one that is over already is fine."""

    reply_key = None
    answer_type = None

    def __init__(self, session: SessionId, user: UserId, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self._session = session
        self._user = user

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> None:
        """Its uploads do not count any more, and what it had locked is others'."""
        if sessions.delete(state.tx, self._session, self._user):
            end_sessions(state, [self._session])


class ExpireSessions:
    """End the sessions whose counters are still those seen. Answers which ended."""

    reply_key = None
    answer_type = None

    def __init__(
        self, seen: Sequence[tuple[SessionId, int]], *, deadline: float, term: int | None = None
    ) -> None:
        """`seen`: (session, counter) unchanged for a full lease of the observer's own time.

        `term`: the lead under which the duty works; see `ops/leader`.
        """
        self.deadline = deadline
        self._term = term
        self._seen = seen

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> list[SessionId]:
        """A renewal that came in between saves its session."""
        leader.require(state.tx, self._term)
        ended = sessions.delete_unmoved(state.tx, self._seen)
        end_sessions(state, ended)
        return ended


def renew(tx: Tx, session: SessionId, user: UserId, counter: int, needs: int) -> RenewReply:
    """Raise a session's counter and needs, which never fall. A light write.

    Raises SessionEnded, and BadRequest for a commit that does not exist.
    """
    now = clock.read(tx)
    if not 0 <= needs <= now.commit_number:
        raise BadRequest(f"there is no commit {needs} to need yet")
    if counter < 0:
        raise BadRequest("a counter starts at 0")
    if not sessions.renew(tx, session, user, counter, needs):
        raise SessionEnded(f"the session {session[:40]} is not alive")
    return RenewReply(commit=now.commit_number, incarnation=now.incarnation)


def counters(tx: Tx) -> list[tuple[SessionId, int, int]]:
    """(session, counter, lease in milliseconds) of all that live: what the duty observes."""
    return sessions.counters(tx)
