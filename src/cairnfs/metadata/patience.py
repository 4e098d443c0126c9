"""How long and how often something is tried again: a pause that grows, a number of tries that ends.

What belongs here: the pauses of the committer's thread. Closing cuts them short. One thread.
"""

from __future__ import annotations

import threading

#: Sixteen tries, about nine seconds in all: a failover's usual length. Then callers hear 503.
TRIES = 16
FIRST_S = 0.005
LONGEST_S = 1.0


class Patience:
    """The pauses of one undertaking."""

    def __init__(self, closing: threading.Event) -> None:
        self._closing = closing
        self._tries = 1
        self._next_s = FIRST_S

    def pause(self) -> bool:
        """Wait before the next try; False when there should be none."""
        if self._tries >= TRIES:
            return False
        self._tries += 1
        self._closing.wait(self._next_s)
        self._next_s = min(self._next_s * 2, LONGEST_S)
        return True
