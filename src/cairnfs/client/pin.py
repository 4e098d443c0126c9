"""Keeping a commit readable while it is read in several requests.

What belongs here: a hold on the session that is taken with the first page that is not the last. One page
is answered whole, and needs none. What does not: sessions (`session.py`). Used from one event loop.
"""

from __future__ import annotations

from types import TracebackType

from cairnfs.client.session import Hold, Sessions


class Pin:
    """The commit of a listing, a search or a comparison, once it is known; until the body ends."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._hold: Hold | None = None

    async def at(self, commit: int) -> None:
        """More is to be read at this commit, which is the same each time."""
        if self._hold is None:
            self._hold = await self._sessions.hold(commit)

    def __enter__(self) -> Pin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hold is not None:
            self._hold.release()
