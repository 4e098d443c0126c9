"""A request that was refused before the clock: recorded under its id all the same.

Its first answer still counts, if there was one: an earlier sending may have been committed. A value.
"""

from __future__ import annotations

from typing import Any

from cairnfs.errors import CairnError
from cairnfs.metadata.rows.replies import ReplyKey
from cairnfs.metadata.state import State, Want


class Refused:
    """The operation that would have been, refused."""

    def __init__(
        self, reply_key: ReplyKey, answer_type: type[Any], error: CairnError, *, deadline: float
    ) -> None:
        """`deadline` in seconds of the monotonic clock."""
        self.deadline = deadline
        self.reply_key = reply_key
        self.answer_type = answer_type
        self._error = error

    def wants(self) -> list[Want]:
        """Nothing."""
        return []

    def apply(self, state: State) -> Any:
        """Raises what refused it."""
        raise self._error
