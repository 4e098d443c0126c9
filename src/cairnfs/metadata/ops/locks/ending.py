"""ending: what becomes of the locks of sessions that end, are ended, or lose their user.

What belongs here: the word for whoever ends sessions. Their rows go first, all of them, and only then others
are granted what they had: nobody is granted anything whose session is over. Inside the clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from cairnfs.ids import SessionId
from cairnfs.metadata.ops.locks import promote
from cairnfs.metadata.state import State


def end_sessions(state: State, sessions: Sequence[SessionId]) -> None:
    """These sessions were deleted in this tx: free what they held and waited for."""
    for session in sessions:
        state.forget_session(session)
    promote.free_sessions(state, sessions)
