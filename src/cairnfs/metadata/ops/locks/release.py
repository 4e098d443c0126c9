"""release: give locks back, or withdraw requests, and let whoever waited for them have them.

What belongs here: the verb. All of them or, on an error, none. Inside the clock.
"""

from __future__ import annotations

from cairnfs.core.permissions import Person
from cairnfs.errors import TooManyLocks
from cairnfs.metadata.ops.locks import promote, shown
from cairnfs.metadata.state import State, Want
from cairnfs.wire.codec import Empty
from cairnfs.wire.locks import RELEASED_MAX, ReleaseRequest


class Release:
    """Release these locks. Answers nothing."""

    reply_key = None  # what was released is there no more: a second time says so
    answer_type = None

    def __init__(self, person: Person, request: ReleaseRequest, *, deadline: float) -> None:
        """`deadline` in seconds of the monotonic clock. Raises TooManyLocks."""
        if len(request.locks) > RELEASED_MAX:
            raise TooManyLocks(f"at most {RELEASED_MAX} locks are released at once")
        self.deadline = deadline
        self._person = person
        self._named = [(one.lock, one.token) for one in request.locks]

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> Empty:
        """Raises NoSuchLock, LockTokenWrong."""
        person = state.people.now(self._person)
        rows = shown.require(state.tx, state.people, person.user_id, self._named)
        promote.free(state, [row.id for row in rows])
        return Empty()
