"""Who has been seen at a key: enough to say whether somebody else is in the way, and no more.

Of all owners two are enough: whoever asks is one of them at most. So a key at which a thousand wait is
gone through once, not once for each. What belongs here: that. Not for use by two threads.
"""

from __future__ import annotations

from cairnfs.core.locks.request import Owner


class Claims:
    """Up to two owners who were seen at a key, and up to two who were seen with an exclusive request."""

    __slots__ = ("_any", "_exclusive")

    def __init__(self) -> None:
        self._any: tuple[Owner, ...] = ()
        self._exclusive: tuple[Owner, ...] = ()

    def add(self, owner: Owner, *, exclusive: bool) -> None:
        """Somebody holds it, or waits for it."""
        self._any = _with(self._any, owner)
        if exclusive:
            self._exclusive = _with(self._exclusive, owner)

    def bar(self, owner: Owner, *, exclusive: bool) -> bool:
        """Whether somebody is in the way of this request."""
        return any(one != owner for one in (self._any if exclusive else self._exclusive))

    @property
    def closed(self) -> bool:
        """Whether somebody is in the way of whoever asks."""
        return len(self._exclusive) == 2


def _with(owners: tuple[Owner, ...], owner: Owner) -> tuple[Owner, ...]:
    return owners if owner in owners or len(owners) == 2 else (*owners, owner)
