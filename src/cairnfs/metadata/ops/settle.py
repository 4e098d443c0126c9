"""settle: the outcome of a commit whose answer was lost.

What belongs here: the verb. An id that is not known becomes known as aborted: only after that is
recorded may anybody be told that the commit will never take effect.
"""

from __future__ import annotations

import re
from typing import Literal, cast

from cairnfs.core.permissions import Person
from cairnfs.errors import BadRequest
from cairnfs.ids import RequestId, UserId
from cairnfs.metadata.rows.replies import ABORTED, COMMITTED, REFUSED, ReplyKey
from cairnfs.metadata.state import State, Want
from cairnfs.wire import codec
from cairnfs.wire.commits import CommitReply, SettleReply
from cairnfs.wire.problems import Problem

#: Wider than what a commit may have: asking is harmless.
_REQUEST_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Settle:
    """Ask for the outcome of request `request` of `user`."""

    reply_key = None
    answer_type = None

    def __init__(
        self, user: UserId, request: RequestId, *, deadline: float, asker: Person | None = None
    ) -> None:
        """`deadline` in seconds of the monotonic clock; `asker`: who is to be looked up, none: nobody.

        Raises BadRequest for what no id can be.
        """
        if not _REQUEST_ID.fullmatch(request):
            raise BadRequest("request_id has 1 to 64 letters, digits, - or _")
        self.deadline = deadline
        self._asker = asker
        self._user = user
        self._request = request

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> SettleReply:
        """The recorded outcome, or `aborted` recorded now. Raises Unauthenticated for who was shut out."""
        if self._asker is not None:
            state.people.now(self._asker)
        known = state.reply(self._user, self._request)
        if known is None:
            state.answer(ReplyKey(self._user, self._request, b""), ABORTED, b"")
            return SettleReply(outcome=ABORTED)
        outcome = cast(Literal["committed", "refused", "aborted"], known.outcome)
        return SettleReply(
            outcome=outcome,
            reply=codec.decode(CommitReply, known.answer) if outcome == COMMITTED else None,
            error=codec.decode(Problem, known.answer) if outcome == REFUSED else None,
        )
