"""breaking: take a lock from its holder, or a request out of its line, and record it.

What belongs here: the verb. It is for the holder's user, from wherever they are, and for administrators. The
holder's next commit under it is refused: the lock is gone, and so is its fence. Inside the clock.
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest, Forbidden
from cairnfs.metadata.ops.locks import promote, telling
from cairnfs.metadata.rows import locks
from cairnfs.metadata.rows.locks import BrokenRow
from cairnfs.metadata.state import State, Want
from cairnfs.wire.codec import Empty
from cairnfs.wire.locks import REASON_MAX_BYTES, BreakRequest


class Break:
    """Break a lock. Answers nothing."""

    reply_key = None  # it is broken once: a second time says that it is gone
    answer_type = None

    def __init__(self, person: Person, lock: int, request: BreakRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock. Raises BadRequest for a reason too long."""
        if len(request.reason.encode(errors="replace")) > REASON_MAX_BYTES or "\0" in request.reason:
            raise BadRequest(f"a reason has at most {REASON_MAX_BYTES} bytes and no NUL")
        self.deadline = deadline
        self._person = person
        self._lock = lock
        self._reason = request.reason

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> Empty:
        """Raises NoSuchLock, Forbidden."""
        person = state.people.now(self._person)
        row = locks.find(state.tx, [self._lock]).get(self._lock)
        if row is None:
            raise telling.gone(state.tx, state.people, person.user_id, [self._lock])
        if person.role != "admin" and person.user_id != row.user_id:
            raise Forbidden("only whose lock it is, and administrators, break it")
        broken = BrokenRow(row.id, row.fence, row.user_id, person.user_id, state.now_us, self._reason)
        locks.insert_broken(state.tx, broken)
        promote.free(state, [row.id])
        return Empty()
